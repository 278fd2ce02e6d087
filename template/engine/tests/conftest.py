"""What the tests share: your settings, your table, and one quick run on them."""

from pathlib import Path

import pytest

from capstone.core.settings import Settings
from capstone.core.settings_file import QUICK, load_settings
from capstone.pipeline import CapstonePipeline

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def settings() -> Settings:
    """capstone.toml as it is, with the changes of a quick run, on the CPU."""
    return load_settings(ROOT, [*QUICK, "training.device=cpu"])


@pytest.fixture(scope="session")
def split_pipeline(settings: Settings) -> CapstonePipeline:
    """Your table after the first four steps."""
    if not (ROOT / settings.data.path).exists():
        pytest.skip(f"there is no table at {settings.data.path} yet")
    return CapstonePipeline(settings, ROOT, say=lambda line: None).load().clean().engineer().split()


@pytest.fixture(scope="session")
def finished(
    split_pipeline: CapstonePipeline, tmp_path_factory: pytest.TempPathFactory
) -> CapstonePipeline:
    """A quick run, saved in a temporary folder."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
    split_pipeline.root = folder
    return split_pipeline.train().evaluate().save()
