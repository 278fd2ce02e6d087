"""The pictures of the site: true to what they show, small, each of use, and asking no other host for anything."""

import re
import struct
from pathlib import Path

import pytest

from site_tools import gym, pictures
from site_tools.pictures import FOLDER, SCENES, fingerprint, outdated
from tests.support.helpers import ROOT

PICTURES = sorted(path.name for path in FOLDER.iterdir() if path.suffix in (".svg", ".webp"))
LARGEST = 150_000


def test_no_picture_is_older_than_what_it_shows() -> None:
    assert outdated() == [], (
        "their pages have changed: make the pictures again with `nox -s pictures`"
    )


@pytest.mark.parametrize("name", PICTURES)
def test_each_picture_is_small_and_of_a_scene(name: str) -> None:
    assert (FOLDER / name).stat().st_size < LARGEST
    assert re.sub(r"(-phone)?-(light|dark)$", "", Path(name).stem) in SCENES


def test_each_picture_is_shown_somewhere_and_none_is_missing() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    text = "".join(path.read_text(encoding="utf-8") for path in pages)
    assert set(re.findall(r"assets/pictures/([\w.-]+)", text)) == set(PICTURES)


def test_pages_keep_the_place_of_each_picture_free() -> None:
    """Otherwise a page jumps while its pictures come in."""
    given = r'src(?:set)?="[./]*assets/pictures/([\w-]+\.webp)"[^>]* width="(\d+)" height="(\d+)"'
    pages = [path.read_text(encoding="utf-8") for path in (ROOT / "docs").rglob("*.md")]
    sizes = [found for text in pages for found in re.findall(given, text)]
    assert len(sizes) > 8
    for name, *size in sizes:
        # Where a lossy WebP says how large it is.
        held = struct.unpack("<HH", (FOLDER / name).read_bytes()[26:30])
        assert tuple(map(int, size)) == held, name


def test_a_terminal_brings_no_letters_from_elsewhere() -> None:
    drawn = [name for name in PICTURES if name.endswith(".svg")]
    assert drawn
    for name in drawn:
        text = (FOLDER / name).read_text(encoding="utf-8")
        assert "font-face" not in text and not re.search(r"""(url\(|href=)["']?https?:""", text)


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A scene that a template and a module draw."""
    monkeypatch.setattr(pictures, "SCENES", {"scene": ("page.html", "draw.py")})
    (tmp_path / "page.html").write_text("<h1>Summary</h1>\n")
    (tmp_path / "draw.py").write_text('"""Draws."""\nTITLE = "Costs"\n')
    return tmp_path


@pytest.mark.parametrize(
    ("name", "text", "changed"),
    [
        ("page.html", "<h1>Answer</h1>\n", True),
        ("page.html", "\n  <h1>Summary</h1>\n", False),
        ("draw.py", '"""Draws."""\nTITLE = "Prices"\n', True),
        ("draw.py", '"""Draws well."""\nHEAD = "Costs"  # of all\n', False),
    ],
)
def test_what_can_be_seen_counts(page: Path, name: str, text: str, changed: bool) -> None:
    before = fingerprint("scene", page)
    (page / name).write_text(text)
    assert (fingerprint("scene", page) != before) == changed


def test_a_file_that_has_moved_is_named(page: Path) -> None:
    (page / "page.html").unlink()
    with pytest.raises(ValueError, match=r"scene is made from page\.html"):
        fingerprint("scene", page)


def test_the_messy_table_is_what_its_program_makes() -> None:
    assert gym.FILE.read_text(encoding="utf-8") == gym.table()
