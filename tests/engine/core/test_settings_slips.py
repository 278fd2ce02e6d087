"""Whatever stands in capstone.toml, pyproject.toml or behind --set, the answer is one sentence with its place."""

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.helpers import Render
from tests.support.promise import keep_promise
from tests.support.tables import good_table, reads


@pytest.fixture(scope="module")
def own(render: Render, tmp_path_factory: pytest.TempPathFactory) -> Path:
    source = render(data_source="own", data_path="data/raw/table.csv", target_column="y")
    project = Path(shutil.copytree(source, tmp_path_factory.mktemp("own") / "my-capstone"))
    good_table().to_csv(reads(project, "table.csv"), index=False)
    return project


@pytest.fixture
def settings(own: Path) -> Iterator[Path]:
    """capstone.toml, put back after the test."""
    path = own / "capstone.toml"
    kept = path.read_bytes()
    yield path
    path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)
    path.write_bytes(kept)


SEED = "seed = 42"
# name: (what becomes of "seed = 42", or the whole file as bytes; what the sentence says)
FILES: dict[str, tuple[str | bytes, str]] = {
    "a seed of 4,500 digits": ("seed = " + "9" * 4500, "far too large"),
    "a seed of 5,000 digits below zero": ("seed = -" + "9" * 5000, "far too large"),
    "a seed of 5,000 digits of 16": ("seed = 0x" + "f" * 5000, "that can't be shown"),
    "3,000 brackets": ("seed = " + "[" * 3000 + "]" * 3000, "too deep"),
    "3,000 brackets never closed": ("seed = " + "[" * 3000, "too deep"),
    "900 tables in one another": ("seed = " + "{a=" * 900 + "1" + "}" * 900, "too deep"),
    "a key of 20,000 parts": ("seed" + ".a" * 20_000 + " = 1", "too deep"),
    "a key of 20,000 parts in quotes": ('"seed"' + ' . "a"' * 20_000 + " = 1", "too deep"),
    "a section of 20,000 parts": (SEED + "\n[a" + ".a" * 20_000 + "]", "too deep"),
    "a key twice": (SEED + "\nseed = 43", "line 5"),
    "a seed of text": ('seed = "\\u0000\\u001b[31m"', "it should be a valid integer"),
    "a seed of nan": ("seed = nan", "it should be a valid integer"),
    "a seed of inf": ("seed = 1e99999", "it should be a valid integer"),
    "a seed of yes": ("seed = true", "it should be a valid integer"),
    "a day": ("seed = 2024-01-01", "it should be a valid integer"),
    "a day that there is not": ("seed = 2024-13-41", "not valid TOML"),
    "a control character": ("\x01" + SEED, "not valid TOML"),
    "half of a character": ('seed = "\\ud800"', "not valid TOML"),
    "an unknown key": ("sead = 42", 'did you mean "seed"'),
    "a number for a section": (b"data = 3", "data is a section"),
    "nothing": (b"", "data is missing"),
    "a zero byte": (b"\0", "not valid TOML"),
    "bytes": (bytes(range(256)), "not UTF-8"),
    "UTF-16": (SEED.encode("utf-16"), "not UTF-8"),
    "a list for a section": (b"data = []", "data is a section"),
    "a list of sections": (b"[[data]]\npath = 'x'", "data is a section"),
    "two megabytes": (SEED.encode() + b"\n#" + bytes([65]) * 2_000_000, "larger than 1 MB"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_slip_in_the_file_is_told(own: Path, settings: Path, name: str) -> None:
    content, sentence = FILES[name]
    if isinstance(content, str):
        content = settings.read_text(encoding="utf-8").replace(SEED, content).encode()
    settings.write_bytes(content)
    keep_promise(own, "data", code=2, names=["capstone.toml", sentence])


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_every_editor_may_have_written_it(
    own: Path, settings: Path, mark: bytes, end: bytes
) -> None:
    settings.write_bytes(mark + settings.read_bytes().replace(b"\r\n", b"\n").replace(b"\n", end))
    keep_promise(own, "data", code=0)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such files")
@pytest.mark.parametrize("kind", ["a folder", "a pipe", "a device", "nowhere"])
def test_what_is_no_file_is_not_waited_for(own: Path, settings: Path, kind: str) -> None:
    settings.unlink()
    if kind == "a folder":
        settings.mkdir()
    elif kind == "a pipe":
        os.mkfifo(settings)
    else:
        settings.symlink_to("/dev/zero" if kind == "a device" else "nowhere")
    keep_promise(own, "data", code=2, names=["capstone.toml"])


PROJECTS = {
    "nothing": (b"", "names no package"),
    "half a section": (b"[", "not valid TOML"),
    "bytes": (bytes(range(256)), "not UTF-8"),
    "no name": (b"[tool.capstone]\n", "names no package"),
    "a number for a name": (b"[tool.capstone]\npackage = 3\n", "names no package"),
    "a path for a name": (b"[tool.capstone]\npackage = '../x'\n", "names no package"),
    "3,000 brackets": (b"x = " + b"[" * 3000, "too deep"),
    "5,000 digits": (b"x = " + b"9" * 5000, "far too large"),
}


@pytest.mark.parametrize("name", PROJECTS)
def test_a_slip_in_the_projects_file_is_told(own: Path, name: str) -> None:
    path = own / "pyproject.toml"
    kept = path.read_bytes()
    content, sentence = PROJECTS[name]
    path.write_bytes(content)
    try:
        keep_promise(own, "run", "--quick", code=2, names=["pyproject.toml", sentence])
    finally:
        path.write_bytes(kept)


# What is set for one run, and what the sentence says.
SET = {
    "seed=" + "9" * 4500: "it should be a valid integer",
    "seed=" + "[" * 3000 + "]" * 3000: "it should be a valid integer",
    "seed=": "it should be a valid integer",
    "training.learning_rate=inf": "it should be a finite number",
    "training.learning_rate=nan": "it should be a finite number",
    "training.weight_decay=inf": "it should be a finite number",
    "training.checkpoint_seconds=nan": "it should be a finite number",
    "training.epochs=true": '"auto" or a whole number',
    "training.epochs=" + "9" * 5000: '"auto" or a whole number',
    "network.hidden=[1.5]": "it should be a valid integer",
    "network.hidden=[true]": "it should be a valid integer",
    "network.dropout=nan": "it should be a finite number",
    "split.test=nan": "it should be a finite number",
    "decision.cost_false_positive=inf": "it should be a finite number",
    "decision.cost_false_negative=1e308": "it should be less than",
    "preprocessing.max_categories=" + "9" * 400: "it should be less than",
    "data.positive=nan": "positive is NaN",
    "data.positive=[1]": "positive is [1]",
    "data.target=''": "at least 1 character",
    "data.leave_out='a'": "it should be a valid list",
    "data.path=''": "can't be that of a file",
    'data.path="\\u0000"': "can't be that of a file",
    "data.path=" + "a" * 5000: "can't be that of a file",
    "data.path='https://example.org/a.csv'": "is an address",
    "data.path='/dev/null'": "neither a file nor a folder",
    "data.path='.'": "a folder without a table",
    "data.encoding='base64'": "is unknown",
    "data.encoding='undefined'": "is not text in",
    'data.encoding="a\\u0000b"': "is unknown",
    "data.encoding=''": "is unknown",
    "data.encoding='utf-16'": "is not text in utf-16",
    "data.delimiter=''": "must be one character",
    "data.delimiter='::'": "must be one character",
    'data.delimiter="é"': "must be one character",
    'data.delimiter="\\n"': "must be one character",
    "data.delimiter='\"'": "must be one character",
    "data.decimal=','": "holds numbers as text",
    "data.date_format='%'": "is no date format",
    "data.date_format='%Y%Y'": "is no date format",
    "data.date_format='xx'": "is no date format",
    "data=1": "[data]",
    "a.b.c=1": "section.key=value",
    "=": "section.key=value",
    "seed": "section.key=value",
    "evaluation.primary_metric='f1'": "does not suit a regression problem",
}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no /dev/null")
@pytest.mark.parametrize("change", SET, ids=lambda change: change[:40])
def test_a_slip_behind_set_is_told(own: Path, change: str) -> None:
    keep_promise(own, "run", "--quick", "--set", change, code=2, names=[SET[change]])
