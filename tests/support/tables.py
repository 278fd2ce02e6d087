"""A small project of a student's own table, and runs of it that take a blink."""

from pathlib import Path

import numpy as np
import pandas as pd

ROWS = 60
# What makes a run so short that hundreds of tables can be tried.
TINY = (
    *(
        "network.members=2",
        "network.hidden=[4]",
        "training.epochs=1",
        "preprocessing.numbers=plain",
    ),
    *("evaluation.bootstrap=20", "evaluation.explained_rows=0"),
)
QUICK_RUN = ("run", "--quick", *[word for change in TINY for word in ("--set", change)])


def good_table() -> pd.DataFrame:
    """Numbers and categories that nobody could find fault with, and a target called y."""
    rng = np.random.default_rng(0)
    columns = {"size": rng.normal(size=ROWS), "colour": rng.choice(["red", "green", "blue"], ROWS)}
    return pd.DataFrame(columns | {"y": rng.normal(size=ROWS)}).round(3)


def reads(project: Path, name: str) -> Path:
    """Let a project's capstone.toml name another file in data/raw, and say where that file goes."""
    settings = project / "capstone.toml"
    lines = settings.read_text(encoding="utf-8").splitlines()
    changed = [
        f'path = "data/raw/{name}"' if line.startswith("path = ") else line for line in lines
    ]
    settings.write_text("\n".join(changed) + "\n", encoding="utf-8")
    table = project / "data" / "raw" / name
    table.parent.mkdir(parents=True, exist_ok=True)
    return table
