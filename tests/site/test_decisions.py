"""Why it is as it is: one decision a file, all of one form, all on one page, and cited by numbers that exist."""

import re
from pathlib import Path

import pytest

from site_tools import decisions
from site_tools.decisions import FOLDER, load
from tests.support.helpers import ROOT

OURS = ("benchmarks", "cohort", "docs", "includes", "site_tools", "template", "tests")
FILES = sorted(FOLDER.glob("*.md"))


def test_numbers_are_given_once_and_none_is_left_out() -> None:
    numbers = [int(one.number) for one in load()]
    assert numbers == list(range(1, len(FILES) + 1)) and len(numbers) > 130


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_each_says_what_was_decided_and_why(path: Path) -> None:
    assert re.fullmatch(r"\d{4}-[a-z0-9]+(-[a-z0-9]+)*\.md", path.name)
    _, body = decisions.HEAD.split(path.read_text(encoding="utf-8"), maxsplit=1)[0::7]
    assert len(body.split()) >= 8, "no reason is given"


def test_what_is_superseded_names_a_later_decision() -> None:
    known = {one.number: one for one in load()}
    superseded = [one for one in known.values() if one.by]
    assert superseded
    for one in superseded:
        later = known[one.by or ""]
        assert later.number > one.number and later.file == one.by_file
        assert later.by is None, (
            f"{one.file} is to name the newest, not one that is superseded itself"
        )


def test_the_page_lists_each_with_its_status() -> None:
    rows = re.findall(
        r"^\| (\d{4}) \| \[.+\]\((.+?)\) \| ([\d-]+) \| (.+) \|$", decisions.page(), re.M
    )
    assert sorted((number, file) for number, file, _, _ in rows) == [
        (one.number, one.file) for one in load()
    ]
    status = {number: said for number, _, _, said in rows}
    assert {one.number for one in load() if one.by} == {
        number for number, said in status.items() if said != "accepted"
    }


HEADING = "# 0001: Short"
GOOD = f"{HEADING}\n\n- Status: accepted\n- Date: 2026-11-27\n- About: site\n\nWhy.\n"


@pytest.mark.parametrize(
    "wrong",
    [
        GOOD.replace("0001", "0002"),
        GOOD.replace("accepted", "proposed"),
        GOOD.replace("accepted", "superseded by 0003"),
        GOOD.replace("2026-11-27", "today"),
        GOOD.replace("site", "garden"),
        GOOD.removeprefix(HEADING),
    ],
)
def test_another_form_is_refused_by_name(tmp_path: Path, wrong: str) -> None:
    path = tmp_path / "0001-short.md"
    path.write_text(GOOD, encoding="utf-8")
    assert decisions.read(path).title == "Short"
    path.write_text(wrong, encoding="utf-8")
    with pytest.raises(ValueError, match=r"0001-short\.md"):
        decisions.read(path)


def test_what_code_and_pages_cite_exists() -> None:
    """ "decision 0048", "decisions 0048 and 0050" in any file of ours."""
    texts = [
        path for name in OURS for kind in ("*.py", "*.md") for path in (ROOT / name).rglob(kind)
    ]
    cited = {
        (number, path.name)
        for path in texts
        if path != Path(__file__)
        for group in re.findall(
            r"\b[Dd]ecisions? ((?:\d{4}(?:, | and )?)+)", path.read_text("utf-8")
        )
        for number in re.findall(r"\d{4}", group)
    }
    assert len(cited) > 5
    known = {one.number for one in load()}
    assert [where for number, where in sorted(cited) if number not in known] == []


def test_the_files_that_hold_today_are_where_a_decision_says() -> None:
    """Superseded ones speak of files as they were."""
    places = (ROOT, ROOT / "docs", ROOT / "template", ROOT / "template" / "engine" / "capstone")
    named = {
        (one.file, name)
        for one in load()
        if one.by is None
        for name in re.findall(
            r"(?<![\w/.(<])((?:[\w-]+/)+[\w-]+\.(?:py|md|yml|jinja|txt|js))\b",
            (FOLDER / one.file).read_text("utf-8"),
        )
    }
    assert len(named) > 8
    assert [
        one for one in sorted(named) if not any((place / one[1]).is_file() for place in places)
    ] == []
