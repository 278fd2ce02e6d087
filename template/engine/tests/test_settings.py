"""capstone.toml is yours to change, and a slip in it is named with its line."""

import shutil
from pathlib import Path

import pytest

from capstone.core.errors import CapstoneError
from capstone.core.settings_file import FILE_NAME, load_settings

ROOT = Path(__file__).parents[2]


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    shutil.copy(ROOT / FILE_NAME, tmp_path)
    return tmp_path


def change(folder: Path, old: str, new: str) -> None:
    path = folder / FILE_NAME
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_your_settings_are_valid() -> None:
    load_settings(ROOT)


def test_set_changes_a_value_for_one_run() -> None:
    assert load_settings(ROOT, ["training.epochs=5"]).training.epochs == 5


def test_an_unknown_key_is_named_with_its_line_and_the_nearest_one(copied: Path) -> None:
    (copied / FILE_NAME).write_text(
        '[data]\npath = "a.csv"\ntarget = "y"\nproblem = "binary"\n\n[training]\nepoch = 5\n',
        encoding="utf-8",
    )
    with pytest.raises(CapstoneError, match=r'line 7: unknown key .*epoch"; did you mean "epochs"'):
        load_settings(copied)


@pytest.mark.parametrize(
    "override",
    ["training.epochs=-1", "training.epochs=ten", "split.test=1.5", "network.hidden=[0]"],
)
def test_a_value_out_of_range_or_of_the_wrong_type_is_named(override: str) -> None:
    with pytest.raises(CapstoneError, match=override.split("=")[0].split(".")[1]):
        load_settings(ROOT, [override])


def test_broken_toml_is_one_sentence(copied: Path) -> None:
    path = copied / FILE_NAME
    path.write_text(path.read_text(encoding="utf-8") + "\n[oops\n", encoding="utf-8")
    with pytest.raises(CapstoneError, match="not valid TOML"):
        load_settings(copied)
