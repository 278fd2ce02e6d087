"""A project as `capstone check` sees it: settings, table, run, documents, each read once."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import pandas as pd

from capstone.checks.outcome import Open
from capstone.core.errors import CapstoneError
from capstone.core.git import git
from capstone.core.settings import Settings
from capstone.core.settings_file import load_settings
from capstone.data.reading import fingerprint
from capstone.pipeline import CapstonePipeline
from capstone.reporting.card.markdown_blocks import read_document
from capstone.reporting.card.model_card import MODEL_CARD, run_of_card
from capstone.runs.folder import Run, list_runs, read_run
from capstone.runs.verify import check_whole
from capstone.streaming.pipeline import open_pipeline
from capstone.streaming.source import table_or_sample


class ProjectState:
    """The project under check. What can't be read raises CapstoneError where a rule asks for it."""

    def __init__(self, root: Path, final: bool) -> None:
        self.root, self.final = root, final

    @cached_property
    def settings(self) -> Settings:
        """capstone.toml as it is now."""
        return load_settings(self.root)

    @cached_property
    def table(self) -> pd.DataFrame:
        """The raw table; of one that is read in blocks, a sample."""
        return self.table_read[0]

    @cached_property
    def table_read(self) -> tuple[pd.DataFrame, str, str]:
        """The raw table or a sample of it, how it was read, and what to say of the sample."""
        return table_or_sample(self.root / self.settings.data.path, self.settings.data)

    @cached_property
    def sha256(self) -> str:
        """The table's fingerprint."""
        return fingerprint(self.root / self.settings.data.path)

    @cached_property
    def card(self) -> str:
        """The text of the model card."""
        return read_document(self.root / MODEL_CARD)

    @cached_property
    def run(self) -> Run:
        """The run that is judged: the one that the card names, else the newest that was no quick run."""
        runs = self.root / "runs"
        try:
            named = run_of_card(self.card, self.root / MODEL_CARD)
        except CapstoneError:  # the rule on the card will say what is wrong with it
            named = ""
        if named and (runs / named).is_dir():
            return read_run(runs, named)
        in_earnest = [run for run in list_runs(runs) if not run.info.get("quick")]
        return in_earnest[-1] if in_earnest else read_run(runs)

    @cached_property
    def whole_run(self) -> Run:
        """The run, after a look at whether it is whole."""
        check_whole(self.run)
        return self.run

    @cached_property
    def pipeline(self) -> CapstonePipeline:
        """The rows as they are divided now: the first four of the seven steps."""
        pipeline = open_pipeline(self.settings, self.root, say=lambda line: None)
        return pipeline.load().clean().engineer().split()

    @cached_property
    def files(self) -> list[Path]:
        """Every file that is in git or about to be, relative to the project."""
        listed = git(self.root, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
        if listed is None:
            raise Open("this is no git repository", "`capstone start` makes it one")
        names = sorted({name for name in listed.split("\0") if name})
        return [Path(name) for name in names if (self.root / name).is_file()]
