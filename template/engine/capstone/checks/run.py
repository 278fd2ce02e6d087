"""Rules on the run: is it whole, of this project, seeded, without leaks, compared, made again?"""

from __future__ import annotations

import itertools
import tomllib
from collections.abc import Iterable
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from capstone.checks.outcome import Harm, Open
from capstone.checks.project_state import ProjectState
from capstone.core.errors import CapstoneError, short_list
from capstone.core.settings import flatten
from capstone.core.settings_file import FILE_NAME
from capstone.core.text import BASELINES, setting_text, verdict_sentence
from capstone.data.kinds import column_kind, find_date_format, to_dates
from capstone.data.leaks import suspected_leaks
from capstone.data.splitting import duplicate_groups
from capstone.evaluation.plausibility import doubt_in_words
from capstone.reporting.report.report import report_is_true
from capstone.runs.folder import count_test_looks, read_runs, read_settings
from capstone.runs.verify import note_on_hashes, read_predictions, read_verdict

# What a result does not depend on.
ASIDE = {"project", "checks"}
ASIDE_KEYS = {"training.device", "training.checkpoint_seconds"}


def run_is_of_this_project(project: ProjectState) -> str:
    """There is a run in earnest, its files are whole, and settings, data and code are still the same."""
    run = project.run
    others = read_runs(project.root / "runs")[1].values()
    besides = "".join(f"; {line.rstrip('.')}" for line in (note_on_hashes(run), *others) if line)
    if run.info["quick"]:
        raise Open(f"there are only quick runs{besides}", "`capstone run` learns in earnest")
    if changed := _changes(project):
        raise Open(
            f"since {run.id} this has changed: {short_list(changed, 4)}{besides}",
            "`capstone run`, then `capstone card`",
        )
    if not report_is_true(run):
        raise Open(
            f"runs/{run.id}/report.html is not the page that the run's files give{besides}",
            f"`capstone report {run.id}` writes it again",
        )
    return f"{run.id} is complete, and of the settings, data and code as they are now{besides}"


def seed_is_fixed(project: ProjectState) -> str:
    """capstone.toml names a seed, and the run was made with it."""
    written = tomllib.loads((project.root / FILE_NAME).read_text(encoding="utf-8-sig"))
    if "seed" not in written:
        raise Open(f"{FILE_NAME} names no seed", "add `seed = 42`, or any whole number, at its top")
    run, seed = project.run, project.settings.seed
    if run.info.get("seed") != seed:
        raise Open(
            f"{run.id} was made with seed {run.info.get('seed')}, {FILE_NAME} says {seed}",
            "`capstone run`, then `capstone card`",
        )
    return f"seed {seed} decides everything random"


def split_has_no_leak(project: ProjectState) -> str:
    """No row, copy, group or moment is in two parts, and no row that was examined was learnt from."""
    pipeline, split = project.pipeline, project.settings.split
    parts, table = pipeline.parts, pipeline.table
    _share_nothing("the same row", {part: rows for part, rows in parts.items()})
    copies = pd.Series(duplicate_groups(table, project.settings.data.id), index=table.index)
    _share_nothing("copies of a row", {part: copies[rows] for part, rows in parts.items()})
    if split.method == "group":
        groups = table[split.group_column]
        _share_nothing(
            f'the same "{split.group_column}"', {part: groups[rows] for part, rows in parts.items()}
        )
    if split.method == "time":
        _is_in_order(table[split.time_column], parts, project.settings.data.date_format)
    message = "training, validation and test part share nothing"
    if pipeline.about.get("streamed"):
        message += f", in a random sample of {len(table):,} rows"
    try:
        run, changed = project.whole_run, _changes(project)
    except CapstoneError:
        return message
    tested = read_predictions(run)["row"]
    learnt = tested.isin([row for part in parts if part != "test" for row in parts[part]])
    if learnt.any() and not changed:
        raise Harm(
            f"runs/{run.id}/predictions.csv holds {learnt.sum():,} rows that were learnt from, such as row "
            f"{tested[learnt].iloc[0]}",
            "its scores are worth nothing: find out why, and run again",
        )
    return message


def no_column_gives_the_target_away(project: ProjectState) -> str:
    """No single column nearly determines the target, and the run's result is not too good to be true."""
    data = project.settings.data
    table = project.pipeline.raw.loc[project.pipeline.target.index]
    if leaks := suspected_leaks(table, project.pipeline.target, data):
        name, score = next(iter(leaks.items()))
        raise Open(
            f'column "{name}" alone nearly determines the target (score {score:.3f})',
            "is it known before the target is? If not, add it to [data] leave_out",
        )
    try:
        doubt = project.whole_run.metrics.get("doubt")
    except CapstoneError:  # the rule on the run says so
        doubt = None
    if doubt:
        said, remedy = doubt_in_words(doubt, data.target)
        raise Open(f"{project.run.id}: {said.rstrip('.')}", remedy.rstrip("."))
    return "no single column determines the target"


def baselines_are_compared(project: ProjectState) -> str:
    """The run compares the network with three simpler models."""
    metrics = project.whole_run.metrics
    absent = [
        name
        for name in BASELINES
        if name not in metrics["baselines"] or name not in metrics["beats"]
    ]
    if absent:
        raise Open(f"{project.run.id} does not compare with {short_list(absent)}", "`capstone run`")
    return verdict_sentence(metrics)


def test_part_is_spared(project: ProjectState) -> str:
    """The test part was not looked at so often that the best of many looks is luck."""
    looks, most = count_test_looks(project.root / "runs"), project.settings.checks.most_test_looks
    if looks > most:
        raise Open(
            f"the test part was looked at {looks} times, more than {most}",
            "choose by the validation score (`capstone tune` never looks), and tell your readers; "
            f"[checks] most_test_looks in {FILE_NAME} is the limit",
        )
    return f"looks at the test part: {looks}, at most {most} are allowed"


def run_is_reproducible(project: ProjectState) -> str:
    """`capstone reproduce` has made the run again, bit by bit."""
    command = f"`capstone reproduce {project.run.id}`"
    verdict = read_verdict(project.run)
    if verdict is None:
        raise Open(f"{project.run.id} was not made again yet", command)
    if verdict.verdict != "identical":
        why = "; ".join(verdict.differences) or "no reason was noted"
        raise Open(
            f"{project.run.id} came out otherwise when made again: {why}",
            f"find out why, then {command}",
        )
    return f"{project.run.id} was made again, bit by bit, on {verdict.checked[:10]}"


def _changes(project: ProjectState) -> list[str]:
    """What the run depended on and is otherwise now."""
    then, now = (
        _what_counts(read_settings(project.whole_run).model_dump()),
        _what_counts(project.settings.model_dump()),
    )
    changed = [
        f"{key} is {setting_text(now[key])}, was {setting_text(then.get(key))}"
        for key in now
        if now[key] != then.get(key)
    ]
    if project.run.info["data"]["sha256"] != project.sha256:
        changed.append(f"the bytes of {project.settings.data.path}")
    if not changed and project.run.info.get("trained_from") != project.pipeline.checkpoint.digest():
        changed.append(f"the code in {project.pipeline.place.rpartition('/')[0]}")
    return changed


def _what_counts(settings: dict[str, Any]) -> dict[str, Any]:
    """{"seed": 42, "training.epochs": 200, ...} of what a result depends on."""
    sections = {name: values for name, values in settings.items() if name not in ASIDE}
    return {key: value for key, value in flatten(sections).items() if key not in ASIDE_KEYS}


def _share_nothing(what: str, values: dict[str, Iterable[Any]]) -> None:
    """Raise Harm when a value is in two of the parts."""
    unique = {
        part: np.unique(pd.Series(list(of_part)).astype(str)) for part, of_part in values.items()
    }
    for first, second in combinations(unique, 2):
        both = np.intersect1d(unique[first], unique[second])
        if len(both):
            raise Harm(
                f"the {first} and the {second} part share {what} ({len(both):,} times)",
                "undo your changes in engine/capstone/data/splitting.py (`git diff` shows them), and run again",
            )


def _is_in_order(times: pd.Series, parts: dict[str, pd.Index], date_format: str) -> None:
    """Raise Harm unless each part is later than the one before."""
    if column_kind(times, date_format) == "date":
        times = to_dates(times, find_date_format(times, date_format))
    for first, second in itertools.pairwise(
        part for part in ("train", "validation", "test") if part in parts
    ):
        if times[parts[first]].max() >= times[parts[second]].min():
            raise Harm(
                f"rows of the {first} part are not older than those of the {second} part",
                "undo your changes in engine/capstone/data/splitting.py (`git diff` shows them), and run again",
            )
