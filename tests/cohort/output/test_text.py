"""A stranger's text on its way out: nothing steers, nothing can't be encoded, honest words stay."""

import json
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cohort.classroom.outcome import CLEAN, Outcome
from cohort.output.plan_page import write_plan_page
from cohort.text import to_json, visible_lines, visible_text
from tests.support.classes import Cohort, commit_all, make_class, write

ANYTHING = st.text(st.characters(exclude_categories=[])) | st.binary().map(
    lambda raw: raw.decode("utf-8", "surrogateescape")
)


@given(ANYTHING)
def test_any_text_can_be_shown(text: str) -> None:
    shown = visible_text(text)
    assert shown.isprintable() and shown.encode().decode() == shown
    assert visible_text(shown) == shown, "what can be shown is left alone"


@given(
    st.recursive(
        ANYTHING | st.integers() | st.none(),
        lambda one: st.lists(one) | st.dictionaries(ANYTHING, one),
    )
)
def test_any_json_can_be_read(value: object) -> None:
    text = to_json(value)
    text.encode("ascii")
    json.dumps(json.loads(text), ensure_ascii=False).encode()


@pytest.mark.parametrize(
    "text",
    ["Ana Mar\u00eda", "\u4f60\u597d", "\u0645\u06cc\u200c\u062e", "\U0001f468\u200d\U0001f469"],
)
def test_honest_words_stay(text: str) -> None:
    assert visible_lines(f"{text}\n{text}") == f"{text}\n{text}"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("caf\udce9", "caf\u27e8E9\u27e9"),
        ("\x1b[2J", "\u241b[2J"),
        ("a\nb\tc", "a b c"),
        ("\u202etxt", "\u27e8U+202E\u27e9txt"),
        ("\ud800", "\u27e8U+D800\u27e9"),
        ("a\u00a0b", "a b"),
    ],
)
def test_what_is_not_seen_is_named(text: str, shown: str) -> None:
    assert visible_text(text) == shown


def test_a_page_holds_no_such_letter(tmp_path: Path) -> None:
    evil = "\x1b\u202e\u2066\udce9<script>"
    outcome = Outcome(evil, CLEAN, now=evil, message=evil, notes=[evil])
    outcome.changes, outcome.diffs = {evil: "written"}, {evil: f"+{evil}\n-x"}
    write_plan_page(tmp_path / "plan.html", evil, [outcome])
    text = (tmp_path / "plan.html").read_text(encoding="utf-8")
    odd = [one for one in text if unicodedata.category(one) in ("Cc", "Cf", "Cs") and one != "\n"]
    assert odd == [] and "&lt;script&gt;" in text and text.count("<script>") == 1


def test_brackets_are_no_markup_and_marks_are_seen(
    cohort: Cohort, small: Path, tmp_path: Path
) -> None:
    """Names of students, files and columns are printed as they are, whatever they look like to a terminal."""
    names = ["[x]", "[foo]", "[bold]b"]
    folder = make_class(tmp_path / "class", small, names)
    rows = "".join(f"{name},[red]{name}[bold],\u202egpj.exe\n" for name in names)
    write(folder, {"class.csv": f"student,title,[link=x]note\n{rows}"})
    created = cohort(folder, "create", "--to", "v1.0.0")
    assert created.code == 0 and "no question [link=x]note;" in created.out, created.out
    for place in (folder / "students").iterdir():
        text = (place / "engine.py").read_text().replace("line 5 ", "[/mine] ")
        write(place, {"engine.py": text, "tools/[b]\u202e\x1b[31m.py": "x = 1\n"})
        commit_all(place, "[/red]")
    for command in ("status", "plan", "update", "verify", "audit", "report", "rollback"):
        said = cohort(folder, command)
        assert said.code in (0, 2), said.out + said.err
        assert command == "report" or all(name in said.out for name in names), said.out
        assert not set("\u202e\x1b") & set(said.out + said.err)
    assert "rollback" in cohort(folder, "history", "[foo]").out
    page = (folder / "class.html").read_text(encoding="utf-8")
    assert all(name in page for name in names)
    assert not set("\u202e\x1b") & set(page)
