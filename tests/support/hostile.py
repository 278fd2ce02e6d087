"""A project whose columns and categories are written against terminals, markup and charts."""

import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd

CATEGORIES = ("[/bar]", "[bold]x", "<i>it</i>", "$x^2$", "\x1b[2Jwipe", "\u202egnp.exe", "l1\nl2")
# How a column is called, and how it is shown.
NAMES = {
    "length [mm]": "length [mm]",
    "[/foo]": "[/foo]",
    "[red]size[/red]": "[red]size[/red]",
    ":smile:": ":smile:",
    r"a$b$c \alpha_{1}^2": r"a$b$c \alpha_{1}^2",
    "<b>x</b> & <script>alert(1)</script>": "<b>x</b> & <script>alert(1)</script>",
    "tab\there": r"tab\there",
    "line\nbreak": r"line\nbreak",
    "esc\x1b[31mred": r"esc\x1b[31mred",
    "bidi\u202eevil\u2066x": r"bidi\u202eevil\u2066x",
    "zero\u200bwidth": r"zero\u200bwidth",
    "pipe | `tick` *s* _u_": "pipe | `tick` *s* _u_",
    "%{x} {{7*7}} {% raw %}": "%{x} {{7*7}} {% raw %}",
    "=cmd|' /C calc'!A1": "=cmd|' /C calc'!A1",
    "café שלום": "café שלום",
    "private\ue000": r"private\ue000",
    "long" * 1000: "(4,000 characters)",
}
TARGET = "price [€/m²]"
CLASSES = {"binary": ["<no> & $x$", "[/yes]"], "multiclass": ["[/a]", "(b)", "\x1b[31mc\u202e"]}
HOSTILE_RUN = (
    *("--set", "network.members=1", "--set", "network.hidden=[8]"),
    *("--set", "evaluation.bootstrap=20", "--set", "evaluation.explained_rows=10"),
)
DECIDE = """NOTHING, ACTION, UNIT = "[/wait] \\x1b[31m", "[/act] <i>it</i>", "[€] $x$"


def recommend_action(prediction):
    return {"action": ACTION, "sure": True, "cost": 1.0}


def cost_of(action, prediction, truth):
    return 1.0
"""


def hostile_table(problem: str) -> pd.DataFrame:
    rng, rows = np.random.default_rng(0), 120
    table = pd.DataFrame({"id": [f"r{row}" for row in range(rows)]})
    for place, name in enumerate(NAMES):
        words = rng.choice(CATEGORIES[: 2 + place % 6], rows)
        table[name] = rng.normal(size=rows) if place % 3 == 0 else words
    signal = table["length [mm]"] + rng.normal(size=rows) / 2
    classes = CLASSES.get(problem)
    target = signal * 10 if classes is None else pd.qcut(signal, len(classes), classes).astype(str)
    return table.assign(**{TARGET: target})


def make_project(source: Path, folder: Path, problem: str) -> None:
    shutil.copytree(source, folder)
    hostile_table(problem).to_csv(folder / "data" / "raw" / "t.csv", index=False)
    settings = {
        "path": '"data/raw/t.csv"',
        "target": f'"{TARGET}"',
        "id": '"id"',
        "leave_out": "[]",
        "sensitive": '["[/foo]", "[red]size[/red]"]',
        "positive": '""',
        "method": '"random"',
    }
    text = (folder / "capstone.toml").read_text(encoding="utf-8")
    for key, value in settings.items():
        text = re.sub(rf"(?m)^{key} = .*$", f"{key} = {value}", text, count=1)
    (folder / "capstone.toml").write_text(text, encoding="utf-8")
    package = folder / "src" / "my_capstone"
    (package / "decisions.py").write_text(DECIDE, encoding="utf-8")
    same = "def {0}(table):\n    return table\n"
    steps = "\n\n".join(map(same.format, ("clean", "engineer")))
    (package / "features.py").write_text(steps, encoding="utf-8")
