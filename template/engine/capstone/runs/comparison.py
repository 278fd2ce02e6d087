"""Finished runs side by side: what each was made from, and what differs between two of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from capstone.core.errors import CapstoneError
from capstone.core.settings import flatten
from capstone.core.text import setting_text
from capstone.evaluation.metrics import LOWER_IS_BETTER
from capstone.runs.folder import Run, read_runs, read_settings
from capstone.runs.results import read_history

# What decides which rows the test part holds.
SPLIT = ("seed", "split.", "data.")


@dataclass(frozen=True)
class ComparedRun:
    """A run with what it was made from.

    Parameters
    ----------
    run : Run
        Its folder, run.json and metrics.json.
    history : DataFrame
        history.csv, a line for each epoch.
    settings : dict of str
        Each setting as capstone.toml would write it, by its name: {"training.epochs": "200", ...}.
    files : dict of str
        The SHA-256 of the table and of each file of the student's package, by their names.
    versions : dict of str
        Of Python, the system and the libraries.
    """

    run: Run
    history: pd.DataFrame
    settings: dict[str, str]
    files: dict[str, str]
    versions: dict[str, str]

    @classmethod
    def read(cls, run: Run) -> ComparedRun:
        """Read what the comparison needs. Raises CapstoneError when a file is not as it was written."""
        settings = flatten(read_settings(run).model_dump())
        info = run.info
        return cls(
            run,
            read_history(run),
            {name: setting_text(value) for name, value in settings.items()},
            {info["data"]["path"]: info["data"]["sha256"], **info.get("code", {})},
            info["versions"],
        )

    @property
    def seconds(self) -> float:
        """How long all seven steps took; 0 where the run does not say."""
        return sum(self.run.info.get("seconds", {}).values())

    @property
    def on_validation(self) -> float | None:
        """The metric that decides, on the rows that one may choose by."""
        metrics = self.run.metrics
        return metrics["validation"].get(metrics["primary_metric"])

    def changes_since(self, before: ComparedRun) -> list[str]:
        """What is not as it was in another run: settings, the table, code, libraries."""
        return [
            *_changed(before.settings, self.settings, "{name} = {now} (was {was})"),
            *_changed(before.files, self.files, "{name} changed"),
            *_changed(before.versions, self.versions, "{name} {now} (was {was})"),
        ]

    def has_the_test_rows_of(self, other: ComparedRun) -> bool:
        """Whether both were measured on the same rows: of the same table, split in the same way."""
        ours, others = self._split(), other._split()
        return ours == others

    def _split(self) -> dict[str, str]:
        kept = {name: value for name, value in self.settings.items() if name.startswith(SPLIT)}
        return kept | {"table": self.run.info["data"]["sha256"]}


def _changed(before: Mapping[str, str], now: Mapping[str, str], form: str) -> list[str]:
    """A phrase for each name that both runs know, and whose value is another."""
    return [
        form.format(name=name, now=now[name], was=before[name])
        for name in now
        if name in before and now[name] != before[name]
    ]


def compared_runs(runs: Path) -> tuple[list[ComparedRun], list[str]]:
    """All runs that can be compared, oldest first, and a sentence on each that can't.

    Parameters
    ----------
    runs : Path
        The folder of all runs, `root / "runs"`.

    Returns
    -------
    tuple of list of ComparedRun and list of str
        Those with the newest run's metric, and why the others are not among them.

    Raises
    ------
    CapstoneError
        When there is none.
    """
    readable, problems = read_runs(runs)
    sentences, compared = list(problems.values()), []
    for run in readable:
        try:
            compared.append(ComparedRun.read(run))
        except CapstoneError as error:
            sentences.append(str(error))
    if not compared:
        nothing = f"There is no finished run in {runs}: start with `capstone run`."
        raise CapstoneError(sentences[-1] if sentences else nothing)
    return compared, sentences


def same_metric(compared: list[ComparedRun]) -> list[ComparedRun]:
    """Those that have a value of the newest run's metric. Raises CapstoneError when none has."""
    metric = compared[-1].run.metrics["primary_metric"]
    found = [
        one
        for one in compared
        if one.run.metrics["primary_metric"] == metric
        and None not in one.run.metrics["model"][metric].values()
    ]
    if not found:
        raise CapstoneError(f"No run has a value of {metric}: there is nothing to compare.")
    return found


def run_before(earlier: list[ComparedRun]) -> ComparedRun | None:
    """The run to name changes against: the last one, passing over quick runs where there is another."""
    serious = [one for one in earlier if not one.run.info["quick"]]
    return (serious or earlier)[-1] if earlier else None


def best_on_validation(compared: list[ComparedRun]) -> ComparedRun | None:
    """The one to choose: the best by validation rows, a quick run only where there is no other."""
    scored = [one for one in compared if one.on_validation is not None]
    serious = [one for one in scored if not one.run.info["quick"]] or scored
    if not serious:
        return None
    sign = -1 if serious[-1].run.metrics["primary_metric"] in LOWER_IS_BETTER else 1
    return max(serious, key=lambda one: sign * (one.on_validation or 0.0))
