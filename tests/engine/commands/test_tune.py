"""`capstone tune` finds better settings on the validation part, and goes on where it was left."""

import re
import tomllib
from pathlib import Path

import pytest

from capstone.commands.tune import patch
from capstone.core.settings_file import load_settings
from tests.support.helpers import Capstone, Render

FEW = ("--set", "training.epochs=4")


def losses(said: str) -> list[float]:
    return [float(value) for value in re.findall(r"^trial .*validation loss ([\d.]+)", said, re.M)]


@pytest.fixture
def poor(copy_of: Render) -> Path:
    """A project whose settings are easily bettered: hardly any learning."""
    project = copy_of(problem="regression")
    path = project / "capstone.toml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("learning_rate = 0.003 ", "learning_rate = 0.0001 "), "utf-8")
    return project


def test_the_advice_is_better_and_can_be_put_into_capstone_toml(
    poor: Path, capstone: Capstone
) -> None:
    code, said, error = capstone(poor, "tune", "--trials", "6", *FEW)
    assert (code, error) == (0, "")
    found = losses(said)
    assert "learning_rate 0.0001" in said.splitlines()[0], (
        "the first trial is the settings as they are"
    )
    assert f"validation loss {min(found):.4f}; {found[0]:.4f} with your settings." in said
    assert min(found) < found[0]
    advice = tomllib.loads(said.split("capstone.toml:\n")[1])
    options = [
        f"{section}.{key}={value}" for section, its in advice.items() for key, value in its.items()
    ]
    settings = load_settings(poor, options)
    assert settings.training.learning_rate == advice["training"]["learning_rate"]
    assert not [path for path in (poor / "runs").iterdir() if path.is_dir()], "tuning is no run"


def test_the_search_goes_on_where_it_was_left(poor: Path, capstone: Capstone) -> None:
    first = losses(capstone(poor, "tune", "--trials", "2", *FEW)[1])
    code, said, _ = capstone(poor, "tune", "--trials", "4", *FEW)
    assert code == 0
    assert "goes on from 2 earlier trials" in said
    assert re.findall(r"^trial +(\d+)", said, re.M) == ["3", "4"]
    again = capstone(poor, "tune", "--trials", "4", *FEW)[1]
    assert "goes on from 4 earlier trials" in again
    assert losses(again) == []
    assert "Best of 4 trials" in again
    assert len(first) == 2


def test_ctrl_c_keeps_what_was_tried(
    poor: Path, capstone: Capstone, monkeypatch: pytest.MonkeyPatch
) -> None:
    import capstone.commands.tune as tuning

    suggest, asked = tuning.suggest, []

    def interrupted(*arguments: object) -> dict[str, object]:
        asked.append(1)
        if len(asked) == 3:
            raise KeyboardInterrupt
        return suggest(*arguments)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(tuning, "suggest", interrupted)
        code, said, _ = capstone(poor, "tune", "--trials", "5", *FEW)
    assert code == 0
    assert "Stopped; the same command goes on from here." in said
    assert "Best of 2 trials" in said
    assert "goes on from 2 earlier trials" in capstone(poor, "tune", "--trials", "3", *FEW)[1]


def test_other_data_are_another_search(poor: Path, capstone: Capstone) -> None:
    assert capstone(poor, "tune", "--trials", "1", *FEW)[0] == 0
    assert "made before" not in capstone(poor, "tune", "--trials", "1", "--set", "seed=1", *FEW)[1]


def test_settings_that_can_not_be_bettered_are_kept(poor: Path, capstone: Capstone) -> None:
    code, said, _ = capstone(poor, "tune", "--trials", "1", *FEW)
    assert code == 0
    assert "No trial was better than your settings: keep them. Next: `capstone run`." in said


def test_a_damaged_store_is_one_sentence(poor: Path, capstone: Capstone) -> None:
    (poor / "runs").mkdir()
    (poor / "runs" / "tuning.db").write_bytes(b"no database at all" * 100)
    code, _, said = capstone(poor, "tune", "--trials", "1", *FEW)
    assert (code, said.count("\n")) == (2, 1)
    assert "tuning.db can't be used" in said


def test_knobs_are_written_where_they_belong() -> None:
    assert patch({"hidden": "64-32", "dropout": 0.12345}) == {
        "network": {"hidden": [64, 32], "dropout": 0.123}
    }
