"""Runs side by side: names, notes, what changed, which one to choose; in the terminal and as a page."""

import json
import re
import shutil
from collections.abc import Callable
from html import unescape
from pathlib import Path

import pandas as pd
import pytest

from capstone.runs.comparison import best_on_validation, compared_runs, verdicts
from tests.support.promise import keep_promise
from tests.support.runs import reseal

OLDER, NEWER = "20200101T000000Z-00000000", "20990101T000000Z-00000000"
NOTE = "Does a smaller rate help? <b>We'll see</b>"


@pytest.fixture
def project(tiny_run: Path, tmp_path: Path) -> Path:
    """A project of the test's own with one run."""
    return Path(shutil.copytree(tiny_run, tmp_path / "my-capstone"))


@pytest.fixture
def another(project: Path) -> Callable[..., Path]:
    """`another(OLDER, name="first")` adds a run that differs in what run.json says of it."""

    def add(run_id: str, change: Callable[[Path], object] = Path.exists, **info: object) -> Path:
        newest = (project / "runs" / "LATEST").read_text(encoding="utf-8").strip()
        folder = Path(shutil.copytree(project / "runs" / newest, project / "runs" / run_id))
        change(folder)
        edit(folder / "run.json", **info)
        reseal(folder)
        return folder

    return add


def edit(path: Path, **values: object) -> None:
    known = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(known | values), encoding="utf-8")


def replace(name: str, old: str, new: str) -> Callable[[Path], object]:
    """Change a text in a file of a run."""

    def change(folder: Path) -> None:
        text = (folder / name).read_text(encoding="utf-8")
        assert old in text
        (folder / name).write_text(text.replace(old, new), encoding="utf-8")

    return change


def page_of(project: Path) -> str:
    return (project / "runs" / "compare.html").read_text(encoding="utf-8")


def words_of(project: Path) -> str:
    """What the page says, without its markup."""
    text = re.sub(r"<script.*?</script>|<style.*?</style>", "", page_of(project), flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", text)).split())


def test_a_run_keeps_its_name_and_note_and_all_that_show_it_say_them(project: Path) -> None:
    done = keep_promise(project, "run", "--name", "  small\n rate ", "--note", NOTE, code=0)
    newest = (project / "runs" / "LATEST").read_text(encoding="utf-8").strip()
    info = json.loads((project / "runs" / newest / "run.json").read_text(encoding="utf-8"))
    assert (info["name"], info["note"]) == ("small rate", NOTE)
    assert set(info["code"]) >= {"features.py", "decisions.py"}
    report = (project / "runs" / newest / "report.html").read_text(encoding="utf-8")
    assert "Run <b><bdi>small rate</bdi></b>" in report and NOTE in unescape(report)
    assert "<b>We" not in report
    done = keep_promise(project, "compare", code=0)
    assert f"{newest}  small rate  roc_auc" in done.out and f"    {NOTE}\n" in done.out
    assert re.search(r'changed since "2\S+": nothing; took \d+ s', done.out)
    words = words_of(project)
    assert NOTE in words and "Nothing changed since" in words and "took" in words
    assert f'<a href="{newest}/report.html"><bdi>small rate</bdi></a>' in page_of(project)


@pytest.mark.parametrize(("option", "length"), [("--name", 61), ("--note", 1001)])
def test_what_is_no_name_any_more_is_refused(project: Path, option: str, length: int) -> None:
    keep_promise(project, "run", option, "x" * length, code=2, names=[option, f"{length:,} char"])


def test_each_kind_of_change_is_named(project: Path, another: Callable[..., Path]) -> None:
    code = {"features.py": "0" * 64, "decisions.py": "1" * 64}
    another(OLDER, replace("settings.toml", "patience = ", "patience = 1"), name="first", code=code)
    another(NEWER, name="second", code=code | {"features.py": "2" * 64}, data=other_table(project))
    out = keep_promise(project, "compare", code=0).out
    assert "the first run" in out
    changed = out.partition('changed since "first": ')[2].partition(";")[0]
    assert re.match(r"training\.patience = \d+ \(was 1\d+\), .*features\.py changed", changed)
    last = out.rpartition("changed since ")[2]
    assert "features.py changed" in last and "customer_churn.csv changed" in last
    assert "training.patience" not in last
    words = words_of(project)
    assert "features.py version 3 version 2 version 1" in words


def test_runs_are_judged_on_the_same_rows_and_others_are_named(
    project: Path, another: Callable[..., Path]
) -> None:
    """Whoever is right beats a network of two epochs; what has other rows can't be judged."""

    def right(folder: Path) -> None:
        table = pd.read_csv(folder / "predictions.csv")
        table["probability_yes"] = (table["truth"] == "yes") * 0.9 + 0.05
        table["probability_no"] = 1 - table["probability_yes"]
        table.to_csv(folder / "predictions.csv", index=False)

    def other_rows(folder: Path) -> None:
        table = pd.read_csv(folder / "predictions.csv")
        table.assign(row=table["row"] + 1).to_csv(folder / "predictions.csv", index=False)

    another(OLDER, right, name="right")
    another(NEWER, other_rows, name="elsewhere")
    another("20990102T000000Z-00000000", right, name="right too")
    runs = compared_runs(project / "runs")[0]
    found = verdicts(runs[0], runs)
    newest = (project / "runs" / "LATEST").read_text(encoding="utf-8").strip()
    assert found == {newest: "better", "20990102T000000Z-00000000": "undecided"}
    assert verdicts(runs[1], runs)[OLDER] == "worse"
    keep_promise(project, "compare", code=0)
    words = words_of(project)
    assert "1 run was measured on other test rows" in words
    assert "It was measured on other test rows than" in words


def other_table(project: Path) -> dict[str, str]:
    newest = (project / "runs" / "LATEST").read_text(encoding="utf-8").strip()
    info = json.loads((project / "runs" / newest / "run.json").read_text(encoding="utf-8"))
    return info["data"] | {"sha256": "3" * 64}


def test_runs_of_the_same_name_stay_two(project: Path, another: Callable[..., Path]) -> None:
    another(OLDER, name="try")
    another(NEWER, name="try")
    keep_promise(project, "compare", code=0)
    words = words_of(project)
    assert f"try ({OLDER})" in words and f"try ({NEWER})" in words and "3 runs" in words


def test_a_quick_run_is_marked_and_neither_chosen_nor_compared_with(
    project: Path, another: Callable[..., Path]
) -> None:
    def better(folder: Path) -> None:
        metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
        metrics["validation"]["roc_auc"] = 0.999
        (folder / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")

    another(NEWER, better, name="smoke", quick=True)
    best = best_on_validation(compared_runs(project / "runs")[0])
    assert best is not None and best.run.name != "smoke"
    another("20990102T000000Z-00000000", name="last")
    out = keep_promise(project, "compare", code=0).out
    assert 'changed since "smoke"' not in out and out.count("  quick run") == 1
    assert words_of(project).count("quick run: judge nothing by it") == 1


def test_a_run_of_an_older_release_is_compared_too(
    project: Path, another: Callable[..., Path]
) -> None:
    """It has no name, no note and no hashes of the code."""
    folder = another(OLDER)
    info = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    for key in ("name", "note", "code", "seconds"):
        del info[key]
    (folder / "run.json").write_text(json.dumps(info), encoding="utf-8")
    out = keep_promise(project, "compare", code=0).out
    assert "    the first run\n" in out and f'changed since "{OLDER}": nothing; took' in out
    assert keep_promise(project, "report", OLDER, code=0)


def test_a_name_of_odd_letters_does_nothing(project: Path, another: Callable[..., Path]) -> None:
    another(OLDER, name="</script><img src=x onerror=alert(1)>\x1b[31m\u202e %{x}", note="{{ 1 }}")
    out = keep_promise(project, "compare", code=0).out
    assert "\x1b" not in out and r"\x1b[31m\u202e" in out
    assert "<img" not in page_of(project).replace(r"\u003cimg", "") and "{{ 1 }}" in page_of(
        project
    )
