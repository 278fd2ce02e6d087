"""What the commands print: help by purpose, one word for one thing, and a next step at the end."""

import re
from pathlib import Path

import pytest

from capstone.commands.app import GROUPS
from capstone.core.text import count
from tests.support.helpers import ROOT, Capstone, CopyWithRun, Render, python_path, run, tool

# Said in other words elsewhere, so that a reader would take them for something else; and what they are called.
OTHER_WORDS = {
    r"\bboosting\b(?<!gradient boosting)(?<!gradient_boosting)": "gradient boosting",
    r"\bin pieces\b|\bcut into\b": "piecewise-linear encoding",
    r"\(s\)": "the singular or the plural: text.count()",
    r"\bside by side, each\b": "ensemble",
    r"\bshall\b": "should",
}


def lines_of(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip()]


def test_help_lists_every_command_by_purpose_and_cuts_no_line(
    capstone: Capstone, render: Render, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    code, help, _ = capstone(render(), "--help")
    assert code == 0
    assert all(f"{purpose}:\n" in help for purpose in GROUPS)
    described = re.findall(r"^  ([a-z]+) {2,}([A-Z].+)$", help, re.MULTILINE)
    assert [name for name, _ in described] == [
        command.__name__ for commands in GROUPS.values() for command in commands
    ]
    assert all(text[-1] in ".?" for _, text in described), described
    assert all(len(line) <= 80 for line in help.splitlines())


@pytest.mark.parametrize(
    "words",
    [
        ("data",),
        ("report",),
        ("compare",),
        ("card",),
        ("check",),
        ("run", "--quick", "--set=network.members=1"),
    ],
    ids=" ".join,
)
def test_a_command_ends_with_what_comes_next_in_the_words_of_the_report(
    copy_with_run: CopyWithRun, capstone: Capstone, words: tuple[str, ...]
) -> None:
    code, out, error = capstone(copy_with_run("binary"), *words)
    assert code in (0, 2), error
    lines = lines_of(out)
    assert "Next: " in lines[-1] or "Next: " in lines[-2], lines[-2:]
    sentences = re.sub(r"guess +model +boosting", "", out)  # a heading of two lines
    for pattern, better in OTHER_WORDS.items():
        found = re.search(pattern, sentences)
        assert found is None, f'"{found[0]}": say {better}'


def test_a_run_says_something_before_it_loads_what_is_heavy(render: Render) -> None:
    """The first line comes while nothing that takes seconds has been imported."""
    project = render()
    code = (
        "import sys, capstone.core.text as text\n"
        "def say(line=''):\n"
        "    print(line, 'torch' in sys.modules, 'sklearn' in sys.modules)\n"
        "    sys.exit(0)\n"
        "text.say = say\n"
        "sys.argv = ['capstone', 'run']\n"
        "from capstone.commands.app import main\n"
        "main()\n"
    )
    done = run(tool("python"), "-B", "-c", code, cwd=project, PYTHONPATH=python_path(project))
    assert re.match(r'Predicting "price" in .* False False$', done.stdout), (
        done.stdout + done.stderr
    )


def test_what_a_run_prints_can_be_added_up(copy_with_run: CopyWithRun, capstone: Capstone) -> None:
    """Inputs that come from the columns, and those of the encoding, are the first layer's."""
    project = copy_with_run("regression")
    out = capstone(project, "run", "--quick", "--set=network.members=1")[1]
    plain, segments = map(int, re.findall(r"(\d+) from the columns \+ (\d+) segments", out)[0])
    outputs, weights = map(int, re.findall(r"Linear +(\d+) +([\d,]+)", out.replace(",", ""))[0])
    assert (plain + segments + 1) * outputs == weights
    assert "epochs) " not in out and "1 epochs" not in out
    assert "patience" not in out  # of three epochs none is ever left out


@pytest.mark.parametrize(
    ("number", "words"), [(0, "0 rows"), (1, "1 row"), (2, "2 rows"), (1200, "1,200 rows")]
)
def test_one_thing_is_in_the_singular(number: int, words: str) -> None:
    assert count(number, "row") == words


def test_no_string_of_the_engine_says_thing_s() -> None:
    for path in Path(ROOT, "template", "engine").rglob("*.py"):
        assert not re.search(r"[a-z]\(s\)[ ;.,]", path.read_text(encoding="utf-8")), path
