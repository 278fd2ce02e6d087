"""The model card, the datasheet, the ethics checklist, and what `capstone check` asks: each rule by breaking it.

One project in which everything is done is made once; each test breaks a copy of it in one way.
"""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pandas as pd
import pytest
import yaml
from huggingface_hub import ModelCard

from capstone import pipeline as engine
from capstone.checks.personal_data import suspected_columns
from capstone.checks.repository import NOT_SEARCHED
from capstone.checks.rules import RULES
from capstone.core.settings import Data
from capstone.data.reading import fingerprint, read_table
from capstone.reporting.card.datasheet import table_facts
from capstone.reporting.card.front_matter import License, check_front_matter
from capstone.reporting.card.group_blocks import overlapping_groups, single_groups
from capstone.reporting.card.markdown_blocks import TODO, cell, code, contents, fill
from capstone.reporting.card.model_card import card_block
from capstone.runs.verify import RUN_FILES
from tests.support.helpers import ROOT, SHORT, Capstone, Render, call, must_run, tool
from tests.support.runs import reseal

CARD, DATASHEET, ETHICS = "docs/model_card.md", "data/README.md", "docs/data_ethics.md"
TABLE = "data/raw/customer_churn.csv"
ANSWER = "\n- [x] Evidence: [the datasheet](../data/README.md#2-composition)"
Break = Callable[[Path], object]


def edit(path: Path, old: str, new: str, count: int = -1) -> None:
    """Replace a piece of a text file, which must be there."""
    text = path.read_bytes().decode("utf-8")
    assert old in text, f"{old!r} is not in {path}"
    path.write_bytes(text.replace(old, new, count).encode("utf-8"))


def latest(project: Path) -> Path:
    return project / "runs" / (project / "runs" / "LATEST").read_text(encoding="utf-8").strip()


def edit_json(name: str, change: Callable[[Any], object]) -> Break:
    """A break that changes a JSON file of the run."""

    def break_it(project: Path) -> None:
        path = latest(project) / name
        value = json.loads(path.read_text(encoding="utf-8"))
        change(value)
        path.write_text(json.dumps(value), encoding="utf-8")
        if name not in ("run.json", "reproduction.json"):
            reseal(latest(project))  # else it would be seen by its SHA-256 already

    return break_it


def cut_predictions(project: Path) -> None:
    shorten(latest(project) / "predictions.csv", lines=1)
    reseal(latest(project))


def edited(name: str, old: str, new: str, count: int = -1) -> Break:
    return lambda project: edit(project / name, old, new, count)


def written(name: str, content: str) -> Break:
    return lambda project: (project / name).write_text(content, encoding="utf-8")


def new_column(name: str, value: str) -> Break:
    """A break that adds a column to the table; {i} in the value is the row's number."""

    def break_it(project: Path) -> None:
        first, *rest = (project / TABLE).read_text(encoding="utf-8").splitlines()
        lines = [f"{name},{first}"]
        lines += [f"{value.format(i=i)},{line}" for i, line in enumerate(rest)]
        (project / TABLE).write_text("\n".join(lines) + "\n", encoding="utf-8")

    return break_it


def in_git(name: str, content: bytes) -> Break:
    """A break that adds a file to git."""

    def break_it(project: Path) -> None:
        (project / name).write_bytes(content)
        must_run("git", "add", "--", name, cwd=project)

    return break_it


@pytest.fixture(scope="module")
def handed_in(render: Render, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in which everything is done: run, made again, every question answered, committed."""
    made = render(problem="binary")
    project = Path(shutil.copytree(made, tmp_path_factory.mktemp("done") / "my-capstone"))
    for much, little in SHORT.items():
        edit(project / "capstone.toml", much, little)
    shutil.rmtree(project / "engine" / "tests")  # the rule on tests would take half a minute
    must_run("git", "init", "--quiet", cwd=project)
    must_run(tool("pre-commit"), "install", cwd=project)
    for command in ("run", "reproduce", "card"):
        assert call(project, command) == 0
    edit(project / CARD, f"\n{TODO}\n", "\nAs good as it can be.\n")
    ethics = project / ETHICS
    edit(ethics, "\n- [ ] Evidence:", ANSWER)
    must_run("git", "add", "--all", cwd=project)
    must_run("git", "commit", "--quiet", "--no-verify", "--message", "Done", cwd=project)
    return project


@pytest.fixture
def done(handed_in: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that project, to be broken; and nobody says that this is CI."""
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("PYTEST_DEBUG_TEMPROOT", str(tmp_path))  # the pytest inside keeps its own
    return Path(shutil.copytree(handed_in, tmp_path / "my-capstone"))


def test_a_project_in_which_everything_is_done_passes(done: Path, capstone: Capstone) -> None:
    exit_code, out, err = capstone(done, "check", "--final")
    assert (exit_code, err) == (0, ""), out
    lines = out.splitlines()
    assert [re.split("[ :]", line)[1] for line in lines[: len(RULES)]] == list(RULES)
    assert {line[0] for line in lines[: len(RULES)]} == {"✓"}
    assert must_run("git", "status", "--porcelain", cwd=done) == "", "a check changes nothing"


# What is broken: the rule, how, and what the line says of it.
OPEN: dict[str, tuple[str, Break, str]] = {
    "the datasheet is gone": (
        "data",
        lambda p: (p / DATASHEET).unlink(),
        r"README.md does not exist: bring",
    ),
    "a question of the datasheet is open": (
        "data",
        edited(DATASHEET, "## 5. Uses", f"{TODO}\n\n## 5. Uses"),
        r"1 question still to answer, the first in line \d+ -> replace each",
    ),
    "a section of the datasheet is gone": (
        "data",
        edited(DATASHEET, "## 7. Maintenance", "##7"),
        r"lacks the section Maintenance",
    ),
    "the table has changed since": (
        "data",
        edited(TABLE, "monthly", "weekly", 1),
        r"the facts in .*README.md are not those of the table -> `capstone card`",
    ),
    "a column is not described": (
        "data",
        lambda p: (new_column("height", "{i}")(p), call(p, "card")),
        r"does not describe height -> say there what each column means",
    ),
    "the datasheet's marker is gone": (
        "data",
        edited(DATASHEET, "<!-- /capstone: facts -->", ""),
        r'line \d+: the block "facts" begins but does not end: put the line `<!-- /capstone: facts -->` back',
    ),
    "a column is called like personal data": (
        "personal_data",
        new_column("first_name", "Ada"),
        r'"first_name" is called like a person\'s name -> delete it .* at A.3',
    ),
    "a column holds e-mail addresses": (
        "personal_data",
        new_column("contact", "write to a{i}@example.org"),
        r'"contact" holds what looks like e-mail addresses',
    ),
    "a column holds phone numbers": (
        "personal_data",
        new_column("note", "+49 30 1234{i}"),
        r'"note" holds what looks like phone numbers',
    ),
    "there is no run": (
        "run",
        lambda p: shutil.rmtree(p / "runs"),
        r"no finished run .* `capstone run`",
    ),
    "the run was a quick one": (
        "run",
        edit_json("run.json", lambda info: info.update(quick=True)),
        r"only quick runs -> `capstone run`",
    ),
    "a setting has changed since the run": (
        "run",
        edited("capstone.toml", "dropout = 0.0", "dropout = 0.2"),
        r"has changed: network.dropout is 0.2, was 0.0 -> `capstone run`, then `capstone card`",
    ),
    "the data have changed since the run": (
        "run",
        edited(TABLE, "monthly", "weekly", 1),
        r"has changed: the bytes of data/raw/customer_churn.csv",
    ),
    "the student's code has changed since the run": (
        "run",
        edited("src/my_capstone/features.py", "import numpy", "import math\nimport numpy"),
        r"has changed: the code in src/my_capstone",
    ),
    "the run's metrics are another project's": (
        "run",
        edit_json("metrics.json", lambda metrics: metrics.update(problem="regression")),
        r"metrics.json is of another project: its problem is \"regression\", not \"binary\"",
    ),
    "the run's metrics are another run's": (
        "run",
        edit_json("metrics.json", lambda metrics: metrics["model"]["brier"].update(value=0.01)),
        r"is of another run or project: by predictions.csv brier is 0.\d+, it says 0.01",
    ),
    "the run's metrics lack one": (
        "run",
        edit_json("metrics.json", lambda metrics: metrics["model"].pop("f1")),
        r'metrics.json is not complete \(no "f1"\)',
    ),
    "a row of the predictions is gone": (
        "run",
        cut_predictions,
        r"predictions.csv has 799 rows, not the 800 of the test part",
    ),
    "no seed is named": (
        "seed",
        edited("capstone.toml", "seed = 42", ""),
        r"names no seed -> add `seed = 42`",
    ),
    "the run was made with another seed": (
        "seed",
        edited("capstone.toml", "seed = 42", "seed = 43"),
        r"was made with seed 42, capstone.toml says 43",
    ),
    "the run had no seed": (
        "seed",
        edit_json("run.json", lambda info: info.update(seed=None)),
        r'run.json has another "seed" than a run writes',
    ),
    "a column gives the target away": (
        "leaks",
        lambda p: leak_target(p / TABLE),
        r'"left_on" alone nearly determines the target .* add it to \[data\] leave_out',
    ),
    "a baseline is missing": (
        "baselines",
        edit_json(
            "metrics.json", lambda m: (m["baselines"].pop("linear"), m["beats"].pop("linear"))
        ),
        r"does not compare with linear -> `capstone run`",
    ),
    "the test part was looked at too often": (
        "test_looks",
        edit_json("run.json", lambda info: info.update(test_looks=11)),
        r"was looked at 11 times, more than 10 -> choose by the validation score",
    ),
    "the run was not made again": (
        "reproducible",
        lambda p: (latest(p) / "reproduction.json").unlink(),
        r"was not made again yet -> `capstone reproduce \d{8}T",
    ),
    "the run came out otherwise": (
        "reproducible",
        edit_json(
            "reproduction.json", lambda v: v.update(verdict="different", differences=["x differs"])
        ),
        r"came out otherwise when made again: x differs",
    ),
    "the verdict on the run is cut short": (
        "reproducible",
        lambda p: shorten(latest(p) / "reproduction.json", bytes_=5),
        r"reproduction.json is not valid JSON",
    ),
    "the card is gone": (
        "card",
        lambda p: (p / CARD).unlink(),
        r"model_card.md does not exist: bring it back",
    ),
    "a question of the card is open": (
        "card",
        edited(CARD, "As good as it can be.", TODO, 2),
        r"2 questions still to answer, the first in line \d+",
    ),
    "a section of the card is gone": (
        "card",
        edited(CARD, "## 8. Ethical Considerations", ""),
        r"lacks the section Ethical Considerations",
    ),
    "the card was never filled": (
        "card",
        lambda p: empty_card(p),
        r"has no numbers yet -> `capstone card`",
    ),
    "a marker of the card is deleted": (
        "card",
        edited(CARD, "<!-- capstone: overall -->\n", ""),
        r'line \d+: the block "overall" ends but does not begin: put the line `<!-- capstone: overall -->` back',
    ),
    "a block of the card is doubled": (
        "card",
        edited(CARD, "## 9.", "<!-- capstone: run -->\nx\n<!-- /capstone: run -->\n\n## 9."),
        r'line \d+: the block "run" is there twice: delete one of the two',
    ),
    "the card has no front matter": (
        "card",
        edited(CARD, "---\n", "", 1),
        r"does not begin with front matter",
    ),
    "the front matter is no YAML": (
        "card",
        edited(CARD, "license: mit", "license: [mit"),
        r"line \d+: the front matter is not valid YAML",
    ),
    "the front matter names no licence of the Hub": (
        "card",
        edited(CARD, "license: mit", "license: mitt"),
        r"front matter, license.*: it should be 'mit', 'apache-2.0'",
    ),
    "the front matter has a value that is no number": (
        "card",
        lambda p: (p / CARD).write_text(
            re.sub(
                r"value: [\d.]+", "value: high", (p / CARD).read_text(encoding="utf-8"), count=1
            ),
            encoding="utf-8",
        ),
        r"front matter, model-index.0.results.0.metrics.0.value",
    ),
    "the front matter is a bomb": (
        "card",
        edited(CARD, "tags:\n", "a: &a [x, x]\nb: [*a, *a]\ntags:\n"),
        r"without references",
    ),
    "a number in the card was changed by hand": (
        "numbers",
        edited(CARD, "| brier | 0.", "| brier | 9."),
        r"model_card.md: overall differ from runs/\d+T\w+-\w+ -> `capstone card`",
    ),
    "the run's numbers have changed since": (
        "numbers",
        edit_json("metrics.json", lambda metrics: metrics["model"]["f1"].update(value=0.5)),
        r"results, overall differ from",
    ),
    "a block of the card is gone": (
        "numbers",
        lambda p: cut_block(p / CARD, "run"),
        r"has no numbers yet",
    ),
    "the checklist is gone": (
        "ethics",
        lambda p: (p / ETHICS).unlink(),
        r"data_ethics.md does not exist",
    ),
    "a question of the checklist is not answered": (
        "ethics",
        edited(ETHICS, ANSWER, "\n- [ ] Evidence:", 1),
        r"1 of 21 questions still to answer: A.1 is not answered -> tick each",
    ),
    "a question is ticked without evidence": (
        "ethics",
        edited(ETHICS, ANSWER, "\n- [x] Evidence: yes, we thought of it", 1),
        r"A.1 is ticked without a link to its evidence",
    ),
    "the evidence does not exist": (
        "ethics",
        edited(ETHICS, ANSWER, ANSWER.replace("README", "consent"), 1),
        r"A.1 names ../data/consent.md#2-composition, which does not exist",
    ),
    "the evidence's heading does not exist": (
        "ethics",
        edited(ETHICS, ANSWER, ANSWER.replace("2-composition", "consent"), 1),
        r"A.1 names ../data/README.md#consent, which does not exist",
    ),
    "the evidence is outside of the project": (
        "ethics",
        edited(ETHICS, ANSWER, "\n- [x] See [it](../../../../../../../../etc/passwd)", 1),
        r"A.1 names .*passwd, which does not exist",
    ),
    "not applicable, without a reason": (
        "ethics",
        edited(ETHICS, ANSWER, "\n- [x] N/A:", 1),
        r"A.1 says N/A: without a reason",
    ),
    "a question of the checklist is deleted": (
        "ethics",
        edited(ETHICS, "### E.4 Unintended use", ""),
        r"question E.4 is missing: it needs one heading",
    ),
    "a question of the checklist is doubled": (
        "ethics",
        edited(ETHICS, "### E.4", "### E.3 Roll back\n\n### E.4"),
        r"question E.3 is there twice",
    ),
    "a notebook is damaged": (
        "notebooks",
        in_git("a.ipynb", b'{"cells": 3}'),
        r"a.ipynb is no readable notebook",
    ),
    "a large file is in the history": (
        "large_files",
        lambda p: commit_and_remove(p, "large.bin", b"\0" * 11 * 2**20),
        r"over 10 MB in the history of git: large.bin -> take it out",
    ),
    "the hooks are not installed": (
        "hooks",
        lambda p: (p / ".git" / "hooks" / "pre-commit").unlink(),
        r"the hooks are not installed -> `capstone start`",
    ),
    "there is no repository": (
        "hooks",
        lambda p: shutil.rmtree(p / ".git"),
        r"no git repository -> `capstone start`",
    ),
    "a test fails": (
        "tests",
        written("tests/test_mine.py", "def test_mine() -> None:\n    assert False\n"),
        r"tests fail: tests/test_mine.py::test_mine -> `python -m pytest` shows why",
    ),
}
TOKEN = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"  # made up
OUTPUT = {"cells": [{"cell_type": "code", "outputs": [{"text": ["private"]}], "source": ["x"]}]}
HARMFUL: dict[str, tuple[str, Break, str]] = {
    "a row that was examined had been learnt from": (
        "split",
        lambda p: leak_row(p),
        r"holds 1 rows that were learnt from, such as row \d+ -> its scores are worth nothing",
    ),
    "a secret": (
        "secrets",
        in_git("src/my_capstone/key.py", f'TOKEN = "{TOKEN}"\n'.encode()),
        r"what looks like a secret is in src/my_capstone/key.py:1 -> make it invalid",
    ),
    "a large file": (
        "large_files",
        in_git("large.bin", b"\0" * 11 * 2**20),
        r"over 10 MB: large.bin -> `git rm",
    ),
    "a notebook with output": (
        "notebooks",
        in_git("look.ipynb", json.dumps(OUTPUT).encode()),
        r"look.ipynb: cell 1 holds output -> `nbstripout",
    ),
}


def shorten(path: Path, lines: int = 0, bytes_: int = 0) -> None:
    """Cut lines or bytes off a file's end."""
    content = path.read_bytes()
    if lines:
        content = b"".join(content.splitlines(keepends=True)[:-lines])
    path.write_bytes(content[: len(content) - bytes_])


def cut_block(path: Path, name: str) -> None:
    """Delete both markers of a block."""
    edit(path, f"<!-- capstone: {name} -->\n", "")
    edit(path, f"<!-- /capstone: {name} -->\n", "")


def empty_card(project: Path) -> None:
    """As a fresh project's."""
    text = (project / CARD).read_text(encoding="utf-8")
    blank = dict.fromkeys(contents(text, project / CARD), "nothing yet")
    filled = fill(text, blank | {"results": "model-index: []"}, project / CARD)
    (project / CARD).write_text(filled, encoding="utf-8")


def leak_row(project: Path) -> None:
    """As if a training row had been examined: another row's number, all else as it was."""
    path = latest(project) / "predictions.csv"
    rows = set(pd.read_csv(path)["row"])
    header, first, *rest = path.read_text(encoding="utf-8").splitlines()
    _, _, others = first.partition(",")
    other = next(row for row in range(1, 4000) if row not in rows)
    path.write_text("\n".join([header, f"{other},{others}", *rest, ""]), encoding="utf-8")
    reseal(path.parent)


def leak_target(path: Path) -> None:
    """A column that is only known once the target is."""
    first, *rest = path.read_text(encoding="utf-8").splitlines()
    lines = [f"left_on,{first}"]
    lines += [f"{'soon' if line.endswith('yes') else 'never'},{line}" for line in rest]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def commit_and_remove(project: Path, name: str, content: bytes) -> None:
    in_git(name, content)(project)
    commit = ("git", "commit", "--quiet", "--no-verify", "--message")
    must_run(*commit, "Add", cwd=project)
    must_run("git", "rm", "--quiet", name, cwd=project)
    must_run(*commit, "Remove", cwd=project)


@pytest.mark.parametrize("what", OPEN)
def test_it_is_red_when(what: str, done: Path, capstone: Capstone) -> None:
    rule, break_it, said = OPEN[what]
    break_it(done)
    exit_code, out, err = capstone(done, "check", "--final", "--only", rule)
    assert re.search(rf"^✗ {rule}: .*{said}", out, re.MULTILINE), out
    assert "\n\n0 of 1 done, 1 open.\nNext: do what the arrows say" in out
    assert exit_code == 2
    assert err == f"Error: this must be mended before you hand in: {rule}.\n"


def test_every_rule_is_broken_here() -> None:
    assert {rule for rule, _, _ in (OPEN | HARMFUL).values()} == set(RULES)


@pytest.mark.parametrize("what", HARMFUL)
def test_it_is_red_at_any_time_for(what: str, done: Path, capstone: Capstone) -> None:
    rule, break_it, said = HARMFUL[what]
    break_it(done)
    exit_code, out, err = capstone(done, "check", "--only", rule)
    assert re.match(rf"✗ {rule}: .*{said}", out), out
    assert (exit_code, err) == (2, f"Error: this must be mended now: {rule}.\n")


def test_what_is_merely_open_does_not_fail_before_the_end(done: Path, capstone: Capstone) -> None:
    edit(done / ETHICS, ANSWER, "\n- [ ] Evidence:", 1)
    exit_code, out, err = capstone(done, "check", "--only", "ethics", "--only", "tests")
    assert (exit_code, err) == (0, "")
    assert out.startswith("✗ ethics: ")
    assert "– tests: run with --final" in out
    assert "0 of 2 done, 1 open." in out


@pytest.mark.parametrize("method", ["row", "copy", "group", "time"])
def test_a_split_that_leaks_is_found(
    method: str, done: Path, capstone: Capstone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An engine that divides wrongly, as after a change in splitting.py."""
    right = engine.split_rows

    def wrong(table: pd.DataFrame, target: pd.Series, settings: Any) -> dict[str, pd.Index]:
        rows = table.index
        if method == "row":
            parts = right(table, target, settings)
            return parts | {"train": parts["train"].append(parts["test"][:1])}
        if method == "copy":
            table.loc[rows[1]] = table.loc[rows[0]]
            return {"train": rows[:1], "validation": rows[2:], "test": rows[1:2]}
        return {"train": rows[::3], "validation": rows[1::3], "test": rows[2::3]}

    if method in ("group", "time"):
        column = {"group": "contract", "time": "joined_on"}[method]
        edit(done / "capstone.toml", 'method = "stratified"', f'method = "{method}"')
        edit(done / "capstone.toml", f'{method}_column = ""', f'{method}_column = "{column}"')
    monkeypatch.setattr(engine, "split_rows", wrong)
    exit_code, out, _ = capstone(done, "check", "--only", "split")
    said = {
        "row": "the train and the test part share the same row",
        "copy": "the train and the test part share copies of a row",
        "group": 'the train and the validation part share the same "contract"',
        "time": "rows of the train part are not older than those of the validation part",
    }[method]
    assert exit_code == 2
    assert said in out


@pytest.mark.parametrize(
    ("name", "how"),
    [(name, how) for name in ("run.json", *RUN_FILES) for how in ("missing", "cut short")],
)
def test_a_card_is_not_filled_from_a_run_that_is_not_whole(
    name: str, how: str, done: Path, capstone: Capstone
) -> None:
    path = latest(done) / name
    if how == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    before = (done / CARD).read_bytes(), (done / DATASHEET).read_bytes()
    exit_code, out, err = capstone(done, "card")
    assert (exit_code, out) == (2, "")
    assert re.fullmatch(rf"Error: The run in .* can't be used: {re.escape(name)} .*\.\n", err), err
    assert ((done / CARD).read_bytes(), (done / DATASHEET).read_bytes()) == before


def test_a_card_is_not_filled_without_a_run_or_a_marker(done: Path, capstone: Capstone) -> None:
    cut_block(done / CARD, "overall")
    exit_code, _, err = capstone(done, "card")
    assert exit_code == 2
    assert 'has no block "overall": put the lines `<!-- capstone: overall -->` and' in err
    shutil.rmtree(done / "runs")
    exit_code, _, err = capstone(done, "card")
    assert exit_code == 2
    assert "There is no finished run" in err


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_filling_a_card_changes_nothing_but_its_blocks(
    line_end: str, done: Path, capstone: Capstone
) -> None:
    path = done / CARD
    true = contents(path.read_text(encoding="utf-8"), path)
    edit(path, "As good as it can be.", "Meine Wörter – 私の言葉\t<b>  \n\n\n* x", 1)
    mine = path.read_text(encoding="utf-8")
    emptied = fill(mine, dict.fromkeys(true, "nothing yet"), path).replace("\n", line_end)
    path.write_bytes(emptied.encode("utf-8"))
    assert capstone(done, "card")[0] == 0
    assert path.read_bytes().decode("utf-8") == mine.replace("\n", line_end)
    assert capstone(done, "check", "--only", "numbers", "--final")[0] == 0


def test_a_clone_without_runs_says_what_to_do_and_is_satisfied_by_running_again(
    done: Path, tmp_path: Path, capstone: Capstone
) -> None:
    clone = tmp_path / "clone" / "my-capstone"
    must_run("git", "clone", "--quiet", done, clone, cwd=tmp_path)
    exit_code, out, _ = capstone(clone, "check", "--final", "--only", "numbers")
    assert exit_code == 2
    assert "There is no finished run in runs: start with `capstone run`" in out
    assert capstone(clone, "run")[0] == 0
    rules = ("--only", "numbers", "--only", "run", "--only", "card", "--only", "data")
    exit_code, out, _ = capstone(clone, "check", "--final", *rules)
    assert exit_code == 0, out
    # As on the page for graders: the card is written anew, and no number in it changes.
    assert capstone(clone, "card")[0] == 0
    lines = must_run("git", "diff", "--unified=0", "docs/", cwd=clone).splitlines()
    assert "+- Run `" in "\n".join(lines)
    assert [line for line in lines if line.startswith(("+|", "-|"))] == []
    edit(clone / CARD, "| brier | 0.", "| brier | 9.")
    assert "overall differ from" in capstone(clone, "check", "--only", "numbers")[1]


def test_a_rule_is_switched_off_with_a_reason_which_is_printed(
    done: Path, capstone: Capstone
) -> None:
    (done / ".git" / "hooks" / "pre-commit").unlink()
    edit(done / "capstone.toml", "off = {}", 'off = { hooks = "our lab forbids them" }')
    exit_code, out, _ = capstone(done, "check", "--final", "--only", "hooks")
    assert exit_code == 0
    assert "– hooks: switched off in capstone.toml: our lab forbids them" in out
    edit(done / "capstone.toml", "our lab forbids them", " ")
    exit_code, _, err = capstone(done, "check")
    assert (exit_code, err.count("\n")) == (2, 1)
    assert re.search(
        r'capstone.toml, line \d+: \[checks\] off names the rule "hooks" without a reason', err
    )
    edit(done / "capstone.toml", 'hooks = " "', 'hoks = "a slip"')
    exit_code, _, err = capstone(done, "check")
    assert (exit_code, err) == (2, 'Error: There is no rule "hoks"; did you mean "hooks"?\n')


def test_programs_get_json(done: Path, capstone: Capstone) -> None:
    edit(done / ETHICS, ANSWER, "\n- [ ] Evidence:", 1)
    rules = ("--only", "ethics", "--only", "seed")
    exit_code, out, err = capstone(done, "check", "--json", "--final", *rules)
    assert (exit_code, err) == (2, "")
    told = json.loads(out)
    assert (told["passed"], told["final"], told["open"]) == (False, True, 1)
    assert [(its["rule"], its["state"]) for its in told["rules"]] == [
        ("ethics", "open"),
        ("seed", "done"),
    ]
    assert told["rules"][0]["to_do"].startswith("tick each")
    assert capstone(done, "check", "--json", "--only", "ethics")[0] == 0


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_a_console_without_these_characters_gets_others(
    encoding: str, done: Path, capstone: Capstone, monkeypatch: pytest.MonkeyPatch
) -> None:
    import io
    import sys

    console = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="strict")
    monkeypatch.setattr(sys, "stdout", console)
    assert call(done, "check", "--only", "seed", "--only", "tests") == 0
    console.seek(0)
    assert console.read().splitlines()[:2] == [
        "+ seed: seed 42 decides everything random",
        "- tests: run with --final, or now by `python -m pytest`",
    ]


@pytest.mark.parametrize("name", ["house_prices", "customer_churn", "student_outcomes"])
def test_an_examples_datasheet_holds_the_facts_of_its_table(name: str) -> None:
    """So that a fresh project starts with them, and `capstone card` changes nothing there."""
    path, sheet = f"data/raw/{name}.csv", ROOT / "includes" / "examples" / name / "datasheet.md"
    data = Data(path=path, target="any", problem="binary")
    table, _ = read_table(ROOT / "template" / path, data)
    facts = table_facts(table, data, fingerprint(ROOT / "template" / path))
    assert contents(sheet.read_text(encoding="utf-8"), sheet)["facts"] == facts


def test_the_hub_reads_the_front_matter(handed_in: Path) -> None:
    """By the Hub's own library, which knows the schema better than we do."""
    data = ModelCard.load(handed_in / CARD).data
    metrics = json.loads((latest(handed_in) / "metrics.json").read_text(encoding="utf-8"))
    results = {result.metric_type: result.metric_value for result in data.eval_results}
    assert results == {
        name: pytest.approx(score["value"], abs=1e-6) for name, score in metrics["model"].items()
    }
    assert {result.task_type for result in data.eval_results} == {"tabular-classification"}
    assert (data.license, data.library_name) == ("mit", "pytorch")


def test_a_project_without_a_licence_has_valid_front_matter_too(render: Render) -> None:
    path = render(license="none") / CARD
    read = check_front_matter(path.read_text(encoding="utf-8"), path)
    assert (read.license, read.license_name) == ("other", "all-rights-reserved")


def test_the_schema_knows_every_licence_that_we_offer() -> None:
    offered = yaml.safe_load((ROOT / "copier.yml").read_text(encoding="utf-8"))["license"]
    assert set(offered["choices"].values()) - {"none"} <= set(get_args(License))


def test_the_card_quotes_groups_as_a_run_measures_them() -> None:
    score = {"value": 0.8, "low": 0.7, "high": 0.9}
    lines = [
        {"group": "65 and | over", "rows": 1200, "judged": True, "accuracy": score},
        {"group": "<b>", "rows": 3, "judged": False},
    ]
    residual = {"value": 0.2, "low": 0.1, "high": 0.3}
    finding = {"group": "65 and | over", "class": "yes", "residual": residual, "clear": True}
    metrics = {
        "groups": {
            "age": {"by_group": lines, "finding": finding, "gaps": {"yes": {"parity_ratio": 0.5}}},
            "sex": {"by_group": lines[1:], "note": "only one group: nothing to compare"},
            "age and sex": {"by_group": lines},
        }
    }
    single = single_groups(["age", "sex"], metrics)
    assert r"Predicted too low for yes: **65 and \| over**, on average by 0.200" in single
    assert r"| 65 and \| over | 1,200 | 0.800 (0.700 to 0.900) |" in single
    assert "Between the groups for yes: parity ratio 0.500." in single
    assert r"| \<b\> | 3 | too small to judge |" in single
    assert "**`sex`.** Only one group: nothing to compare." in single
    assert overlapping_groups(["age", "sex"], metrics).startswith("**age and sex.**")
    assert "`capstone run`" in single_groups(["age"], {})
    assert "`capstone run`" in card_block("decision", metrics={"problem": "binary"})


@pytest.mark.parametrize("name", ["a|b", "`x`", "<!-- /capstone: run -->", "a\nb", "[x](y)", " "])
def test_no_name_of_a_column_or_a_group_breaks_a_table(name: str) -> None:
    for shown in (code(name), cell(name)):
        assert "\n" not in shown
        assert not re.search(r"(?<!\\)\|", shown)
        assert not re.search(r"(?<!\\)<!--", shown)


def test_what_is_personal_is_told_from_what_is_not() -> None:
    columns = {
        "E-Mail": ["x"],
        "birth date": ["x"],
        "lastName": ["x"],
        "id": ["DE89 3704 0044 0532 0130 00"],
        "seen_from": ["192.168.0.12"],
        "said": ["call (030) 1234-5678 please"],
    }
    assert set(suspected_columns(pd.DataFrame(columns))) == set(columns)
    harmless = {
        "customer_id": ["100234", "987654"],
        "version": ["1.2.3", "10.0.1"],
        "day": ["2024-01-31", "2023-12-01"],
        "price": [1234567890, 1],
        "product_name": ["table", "chair"],
        "size": ["10-20", "200 - 300"],
        "time": ["2024-01-31 10:15:00", "2024-01-31T10:15:00+02:00"],
    }
    assert suspected_columns(pd.DataFrame(harmless)) == {}


def test_personal_data_that_the_checklist_speaks_of_is_addressed(
    done: Path, capstone: Capstone
) -> None:
    new_column("first_name", "Ada")(done)
    edit(done / ETHICS, "### A.4", "We need `first_name` to greet people.\n\n### A.4")
    exit_code, out, _ = capstone(done, "check", "--final", "--only", "personal_data")
    assert exit_code == 0, out
    assert "first_name may be personal, and docs/data_ethics.md speaks of it" in out


def test_secrets_are_looked_for_where_the_hook_looks() -> None:
    config = (ROOT / "template" / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    hook = config.split("id: detect-secrets")[1]
    patterns = [
        re.search(r"^exclude: (.*)$", config, re.MULTILINE),
        re.search(r"exclude: (.*)", hook),
    ]
    assert NOT_SEARCHED.pattern == "|".join(found[1] for found in patterns if found)


def test_in_ci_the_hooks_need_not_be_installed(
    done: Path, capstone: Capstone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "true")
    (done / ".git" / "hooks" / "pre-commit").unlink()
    exit_code, out, _ = capstone(done, "check", "--final", "--only", "hooks")
    assert exit_code == 0
    assert out.startswith("– hooks: not needed here")


def test_a_fresh_project_does_no_harm(copy_of: Render, capstone: Capstone) -> None:
    """What CI sees after the first push: much is open, nothing fails."""
    project = copy_of(data_source="own")
    must_run("git", "init", "--quiet", cwd=project)
    must_run("git", "add", "--all", cwd=project)
    # Secrets take seconds, and tests/template/test_hooks.py looks for them in a fresh project.
    rules = [word for rule in RULES if rule != "secrets" for word in ("--only", rule)]
    exit_code, out, err = capstone(project, "check", *rules)
    assert (exit_code, err) == (0, "")
    assert re.search(r"✗ data: data/README.md: \d+ questions still to answer", out)
    assert "✗ leaks: data/raw/my_table.csv does not exist: put your table there" in out
    assert "✗ run: There is no finished run" in out
