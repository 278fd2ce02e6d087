"""Whatever a table holds is shown as it is: nothing of it is obeyed, hidden or lost, in no command and on no page.

A project whose columns and categories are written against terminals, markup and charts is taken through all commands.
"""

import ast
import io
import json
import os
import re
import shutil
import sys
import unicodedata
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from html import unescape
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capstone.core.errors import CapstoneError
from capstone.core.text import (
    LONGEST_LINE,
    LONGEST_WORD,
    cell_text,
    cut,
    number,
    one_line,
    printable,
    quoted,
    setting_text,
)
from capstone.reporting import charts
from capstone.reporting.card.markdown_blocks import cell, code
from tests.support.helpers import ROOT, Render, call
from tests.support.hostile import CLASSES, HOSTILE_RUN, NAMES
from tests.support.promise import Outcome, command, keep_promise

ENGINE = ROOT / "template" / "engine" / "capstone"
# ---- Text ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("esc\x1b[31m", r"esc\x1b[31m"),
        ("csi\x9b2J", r"csi\x9b2J"),
        ("bell\x07 nul\x00 del\x7f", r"bell\x07 nul\x00 del\x7f"),
        ("a\tb\nc\rd\x0be", r"a\tb\nc\rd\x0be"),
        ("line\u2028paragraph\u2029next\x85", r"line\u2028paragraph\u2029next\x85"),
        ("\u202egnp.exe\u202c", r"\u202egnp.exe\u202c"),
        ("\u2066isolate\u2069 \u200e\u200f\u061c", r"\u2066isolate\u2069 \u200e\u200f\u061c"),
        ("zero\u200bwidth\u200d\u2060\ufeff\u00ad", r"zero\u200bwidth\u200d\u2060\ufeff\xad"),
        ("no break\u00a0 ideographic\u3000", r"no break\xa0 ideographic\u3000"),
        ("filler\u3164\u115f\uffa0\u2800", r"filler\u3164\u115f\uffa0\u2800"),
        ("tag\U000e0041 selector\U000e0101\ufe00", r"tag\U000e0041 selector\U000e0101\ufe00"),
        ("lone\ud800", r"lone\ud800"),
        ("private\ue000\U000f0000", r"private\ue000\U000f0000"),
        ("unassigned\u0378", r"unassigned\u0378"),
        ("length [mm] :smile: $x$ <b> café Größe שלום 中文 ❤️ 👍🏽", None),
    ],
)
def test_what_would_be_obeyed_or_unseen_is_shown(text: str, shown: str | None) -> None:
    assert printable(text) == (text if shown is None else shown)


@settings(max_examples=300, derandomize=True, deadline=None)
@given(st.text(st.characters(codec=None), max_size=60))
def test_any_text_is_one_printable_line(text: str) -> None:
    line = one_line(text)
    assert line.isprintable() and "\n" not in line
    assert one_line(line) == line
    line.encode("utf-8")


def test_a_long_name_is_cut_in_the_middle_and_its_length_told() -> None:
    name = "a" * 5000 + "z" * 5000
    line = one_line(f'table.csv has no column "{name}"; did you mean "length"?')
    assert line.startswith('table.csv has no column "aaaa') and line.endswith(
        'did you mean "length"?'
    )
    assert "..." in line and "(10,00" in line and len(line) < 2 * LONGEST_WORD
    assert cut("abc", 3) == "abc"
    wordy = one_line("beginning " + "many words " * 1000 + "the end")
    assert len(wordy) <= LONGEST_LINE
    assert wordy.startswith("beginning") and wordy.endswith("the end")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (np.int64(1), "1"),
        (np.float64(1), "1"),
        (np.float32(0.5), "0.5"),
        (1234567.0, "1234567"),
        (0.1 + 0.2, "0.3"),
        (np.bool_(True), "True"),
        (np.str_("yes"), "yes"),
        (float("nan"), "(missing)"),
        (None, "(missing)"),
        (pd.NaT, "(missing)"),
        (pd.NA, "(missing)"),
        ("nan", "nan"),
        (pd.Timestamp("2024-02-03"), "2024-02-03"),
        (pd.Timestamp("2024-02-03 04:05"), "2024-02-03 04:05:00"),
    ],
)
def test_a_value_in_a_sentence_is_no_python(value: object, text: str) -> None:
    assert cell_text(value) == text
    assert quoted(value) == f'"{text}"'


def test_a_setting_is_written_as_in_capstone_toml() -> None:
    values = ("adam", True, [64, 32], 0.003)
    assert [*map(setting_text, values)] == ['"adam"', "true", "[64, 32]", "0.003"]
    nested: list[object] = []
    for _ in range(100_000):
        nested = [nested]
    assert setting_text(10**5000) == "a int that can't be shown"
    assert setting_text(nested) == "a list that can't be shown"
    nested.clear()


def test_a_number_has_one_form_in_each_size() -> None:
    values = (None, float("nan"), 0.1234, 1234.5, 1e15, 1e98)
    assert [number(value) for value in values] == ["-", "-", "0.123", "1,234", "1e+15", "1e+98"]
    assert number(1998, ".4g", commas_from=10_000) == "1998"


# ---- Every command on a table of hostile names ---------------------------------------------------


def harmless(ended: Outcome) -> Outcome:
    """Nothing that a terminal obeys or a reader can't see was printed."""
    for line in (ended.out + ended.err).splitlines():
        odd = [letter for letter in line if not letter.isprintable()]
        assert not odd, f"{odd} in {line!r}"
    return ended


UNSEEN = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
# Each command, and what it has to show of the names.
COMMANDS = {
    ("data",): ["length [mm]", "[/foo]", ":smile:", r"line\nbreak", r"esc\x1b[31mred"],
    ("explain", "--row", "r1"): ["length [mm]", ":smile:", r"esc\x1b[31mred"],
    ("report",): [],
    ("card",): [],
    ("compare",): [],
    ("check",): ["length [mm]", "[/foo]"],
    ("predict", "data/raw/t.csv"): [],
    ("reproduce",): [],
    ("doctor",): [],
    ("export",): [],
    ("run", "--quick", *HOSTILE_RUN): ["[/foo]"],
    ("tune", "--trials", "1", "--set", "training.epochs=1", *HOSTILE_RUN): [],
}


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
def test_a_command_shows_hostile_names_as_they_are(
    hostile: Callable[[str], Path], words: tuple[str, ...]
) -> None:
    ended = harmless(command(hostile("binary"), *words))
    assert ended.code in (0, 2) and "fault of the" not in ended.err, ended.err
    for name in COMMANDS[words]:
        assert name in ended.out, f"{name} in {ended.out}"


def test_data_loses_nothing_of_a_name(hostile: Callable[[str], Path]) -> None:
    """In a column as narrow as it gets, a name goes on in the next line."""
    ended = harmless(command(hostile("binary"), "data"))
    lines = [line[1:20].rstrip() for line in ended.out.splitlines()]
    told = "".join(lines).replace(" ", "")
    assert [shown for shown in NAMES.values() if shown.replace(" ", "") not in told] == []


@pytest.mark.parametrize(
    "words",
    [
        ("explain", "--row", "no\x1b[31m\u202e such\nrow"),
        ("report", "no\x1b[31m\u202e such\nrun"),
        ("run", "--set", "data.target=no\x1b[31m\u202e such"),
        ("run", "--set", "no.such\x1b[31m=1"),
        ("run", "--no-such\x1b[31m\n"),
        ("run", "--seeds", "\x1b[31mfive\u202e"),
        ("no\x1b[31m\nsuch",),
        ("check", "--only", "\x1b[31m\nnone"),
        ("predict", "no\x1b[31m such\n.csv"),
        ("tune", "--set", "network.hidden=\x1b[31m"),
        ("explain", "--row", "r" * 10_000),
    ],
    ids=lambda words: repr(words)[:40],
)
def test_an_error_is_one_harmless_line(
    hostile: Callable[[str], Path], words: tuple[str, ...]
) -> None:
    harmless(keep_promise(hostile("binary"), *words, code=2))


@pytest.mark.parametrize("problem", ["binary", "multiclass"])
def test_pages_and_cards_show_hostile_names_as_they_are(
    hostile: Callable[[str], Path], problem: str
) -> None:
    project = hostile(problem)
    for words in (("data",), ("explain", "--row", "r1"), ("compare",), ("card",)):
        assert harmless(command(project, *words)).code == 0, words
    pages = [*project.glob("runs/*.html"), *project.glob("runs/*/*.html")]
    assert {"data.html", "compare.html", "report.html", "explain_r1.html"} <= {
        page.name for page in pages
    }
    for page in [*pages, project / "docs" / "model_card.md", project / "data" / "README.md"]:
        text = page.read_text(encoding="utf-8")
        if page.suffix == ".md":
            text = re.sub(r"`[^`\n]+`", "", text)  # code is code there, whatever it holds
        markup = [word for word in ("<script>alert", "<i>it", "<b>x") if word in text]
        kinds = {letter: unicodedata.category(letter) for letter in set(unescape(text))}
        unseen = [ascii(letter) for letter, kind in kinds.items() if kind in UNSEEN]
        assert (markup, unseen) == ([], [r"'\n'"]), page.name
    shown = unescape((project / "runs" / "data.html").read_text(encoding="utf-8"))
    assert [name for name in NAMES.values() if name not in shown] == []


def test_files_for_programs_keep_every_letter(hostile: Callable[[str], Path]) -> None:
    """Decision 0145: predictions and schema are data. A formula or an escape in them is the table's own."""
    project = hostile("binary")
    assert command(project, "predict", "data/raw/t.csv").code == 0
    written = pd.read_csv(project / "runs" / "predictions" / "t_predictions.csv")
    given_ = pd.read_csv(project / "data" / "raw" / "t.csv")
    pd.testing.assert_frame_equal(written[list(given_)], given_)
    run = project / "runs" / (project / "runs" / "LATEST").read_text().strip()
    assert set(NAMES) < set(json.loads((run / "schema.json").read_text(encoding="utf-8")))


def test_json_lines_keep_every_letter_in_any_encoding(hostile: Callable[[str], Path]) -> None:
    words = ("run", "--quick", "--json", "--set", "data.sensitive=[]", *HOSTILE_RUN)
    ended = command(hostile("binary"), *words)
    assert (ended.code, ended.out.isascii()) == (0, True), ended.err
    events = [json.loads(line) for line in ended.out.splitlines()]
    metrics = events[-1]["metrics"]
    assert set(metrics["calibration"]["ece"]) < set(CLASSES["binary"])
    assert metrics["decisions"]["nothing"] == "[/wait] \x1b[31m"


# ---- Charts and Markdown -------------------------------------------------------------------------


def test_a_chart_takes_no_label_for_markup() -> None:
    assert charts.label("<b>a</b> & %{x} $x$") == "&lt;b&gt;a&lt;/b&gt; &amp; %&#123;x} $x$"
    drawing = charts.bars(pd.Series([1.0, 2.0], ["<b>x</b>", "\u202ey"]), "name", "axis <i>")
    for raw in ("<b>", r"\u003cb\u003e", "<i>", r"\u003ci\u003e", "\u202e", r'"\u202e'):
        assert raw not in drawing.replace("<br>", "").replace(r"\\u202e", "")


def test_two_labels_that_look_the_same_stay_two_bars() -> None:
    drawing = charts.bars(pd.Series([1.0, 2.0, 3.0], ["a  b", "a b", "a b "]), "name", "axis")
    assert '"y":["0","1","2"]' in drawing and '"tickvals":["0","1","2"]' in drawing


def test_a_class_in_brackets_keeps_them_and_is_no_reference_line() -> None:
    curve = (pd.Series([0.0, 1.0]), pd.Series([0.0, 1.0]))
    drawing = charts.lines({"(yes)": curve}, "name", ("x", "y"), ideal="guessing")
    assert '"name":"(yes)"' in drawing and drawing.count('"dash":"dot"') == 1


def test_markdown_shows_any_text_as_plain_words() -> None:
    assert cell("a|b *c* <i> [x](y) `d` \x1b\u202e") == (
        r"a\|b \*c\* \<i\> \[x\](y) \`d\` \\x1b\\u202e"
    )
    assert code("length [mm]") == "`length [mm]`"
    assert code("a`b\n<!-- capstone: run -->") == r"a\`b\\n\<!-- capstone: run --\>"


# ---- The last net --------------------------------------------------------------------------------


class Odd(Exception):
    """What nobody foresaw."""


@pytest.fixture
def failing(render: Render, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Outcome]:
    """`failing(error, "--traceback")` runs a command in which that error is raised."""

    def run(error: BaseException, *more: str) -> Outcome:
        def fail(*arguments: object) -> None:
            raise error

        monkeypatch.setattr("capstone.streaming.source.table_or_sample", fail)
        return command(render(), "data", *more)

    return run


def test_an_unforeseen_error_is_told_as_a_fault_of_the_engine(
    failing: Callable[..., Outcome],
) -> None:
    ended = harmless(failing(Odd("mae\x1b[31m\n\u202e")))
    assert ended.code == 1 and ended.out == ""
    assert re.fullmatch(
        r"Error: This is a fault of the template's engine, not of your work: Odd: mae\\x1b\[31m\\n\\u202e "
        r"in engine/capstone/commands/data\.py, line \d+\. Show your instructor .* --traceback\.\n",
        ended.err,
    ), ended.err


def test_a_traceback_is_shown_when_asked_for_and_is_harmless(
    failing: Callable[..., Outcome],
) -> None:
    ended = harmless(failing(Odd("\x1b[31m"), "--traceback"))
    lines = ended.err.splitlines()
    assert ended.code == 1 and lines[0] == "Traceback (most recent call last):"
    assert lines[-1].startswith("Error: This is a fault")
    assert failing(CapstoneError("Mend it."), "--traceback").code == 2


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (CapstoneError("One.\nTwo."), 2, r"One.\nTwo."),
        (PermissionError(13, "Permission denied", "runs/x"), 2, "runs/x can't be used (Permission"),
        (MemoryError(), 2, "Memory is too small for this command"),
        (ModuleNotFoundError("No module named 'x'", name="x.y"), 2, "x is not installed"),
        (ModuleNotFoundError("gone", name="capstone.data.gone"), 1, "ModuleNotFoundError: gone"),
        (KeyError("mae"), 1, "KeyError: 'mae'"),
        (RecursionError(), 1, "RecursionError in engine/capstone/"),
        (UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates"), 1, "UnicodeEncodeError"),
        (KeyboardInterrupt(), 130, "Stopped."),
        (SystemExit(7), 7, ""),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_every_end_has_its_code(
    failing: Callable[..., Outcome], error: BaseException, code: int, words: str
) -> None:
    ended = harmless(failing(error))
    assert (ended.code, "Traceback" in ended.err) == (code, False)
    assert words in ended.err and ended.err.count("\n") == (1 if words else 0)


# ---- Poor terminals ------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
@pytest.mark.parametrize("words", [("data",), ("explain", "--row", "r1")], ids=" ".join)
def test_a_terminal_with_few_letters_shows_escapes(
    hostile: Callable[[str], Path], encoding: str, words: tuple[str, ...]
) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding, write_through=True)
    with redirect_stdout(stream), redirect_stderr(stream):
        code = call(hostile("binary"), *words)
    out = raw.getvalue().decode(encoding)
    assert code == 0 and "length [mm]" in out and "?" not in out
    assert ("café" if encoding == "cp1252" else r"caf\xe9") in out


@pytest.mark.parametrize(
    "environment",
    [
        {"COLUMNS": "20"},
        {"COLUMNS": "1"},
        {"NO_COLOR": "1", "FORCE_COLOR": "1"},
        {"TERM": "dumb", "COLUMNS": "0"},
    ],
    ids=str,
)
def test_a_narrow_or_dumb_terminal_gets_the_whole_table(
    hostile: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
    environment: dict[str, str],
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    ended = command(hostile("binary"), "data")
    assert (ended.code, ended.err, "[mm]" in ended.out) == (0, "", True)


def test_the_work_goes_on_when_nobody_reads(hostile: Callable[[str], Path], tmp_path: Path) -> None:
    """`capstone data | head -1`: no traceback, and the page is written all the same."""
    if os.name == "nt":
        pytest.skip("pipes are made otherwise there")
    project = Path(shutil.copytree(hostile("binary"), tmp_path / "p"))
    page = project / "runs" / "data.html"
    page.unlink(missing_ok=True)
    reading, writing = os.pipe()
    os.close(reading)
    err = io.StringIO()
    with open(writing, "w", encoding="utf-8") as out, redirect_stdout(out), redirect_stderr(err):
        assert call(project, "data") == 0
    assert err.getvalue() == "" and page.is_file()


@pytest.mark.parametrize("closed", ["1>&-", "1>/dev/full", "2>&- 1>&-"])
def test_a_closed_or_full_output_ends_in_order(
    render: Render, closed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a process of its own: what Python does at its end counts too."""
    if not Path("/dev/full").exists():
        pytest.skip("only Linux has /dev/full")
    from tests.support.helpers import python_path, run

    project = render()
    line = f"{sys.executable} -B -m capstone --help {closed}"
    done = run("sh", "-c", line, cwd=project, PYTHONPATH=python_path(project))
    if "full" in closed:
        assert done.returncode == 2
        assert re.fullmatch(r"Error: What is printed can't be written .*\n", done.stderr)
    else:
        assert (done.returncode, done.stderr) == (0, "")


# ---- One door ------------------------------------------------------------------------------------

# Where something is printed: `say`, a table or JSON, the sentence of an error, and the service's address.
DOORS = {
    "core/text.py",
    "commands/console.py",
    "commands/app.py",
    "serving/serve.py",
    "serving/http/server.py",
}
FILES = sorted(ENGINE.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ENGINE).as_posix())
def test_text_is_shown_through_one_door(path: Path) -> None:
    tree, name = ast.parse(path.read_text(encoding="utf-8")), path.relative_to(ENGINE).as_posix()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id == "print":
            assert name in DOORS, f"line {node.lineno}: say() of core/text.py instead"
        if isinstance(node, ast.Name) and node.id == "Console" and name != "commands/console.py":
            raise AssertionError(f"line {node.lineno}: terminal() of commands/console.py instead")
        if isinstance(node, ast.FormattedValue) and node.conversion == ord("r"):
            assert name == "__init__.py", f"line {node.lineno}: quoted() or setting_text() instead"


def test_templates_escape_everything_but_our_own_markup() -> None:
    found = {
        (path.name, line.strip())
        for path in (ENGINE / "reporting" / "templates").rglob("*.html")
        for line in path.read_text(encoding="utf-8").splitlines()
        if re.search(r"\|\s*safe\b|autoescape|Markup", line)
    }
    assert found == {
        ("charts_base.html", "<script>{{ plotly.code | safe }}</script>"),
        ("macros.html", "{{ chart.drawing | safe }}"),
    }
