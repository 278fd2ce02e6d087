"""Whether a result is too good to be believed as it is, and which column to look at first."""

from __future__ import annotations

from typing import Any

import pandas as pd

from capstone.core.settings import Data
from capstone.core.text import MODELS, quoted
from capstone.data.leaks import LEAK, one_column_scores

MEASURES = {"regression": "R²", "binary": "balanced accuracy", "multiclass": "balanced accuracy"}
# Of classes, one column that gets this far while no other gets near it, by what it is better than guessing. A number
# that follows from another one is common and honest, so in regression a single column needs LEAK.
ALONE, NEAR = 0.93, 0.6
MOST_NAMED = 3
# A model that makes hardly any error: R², or the share classified correctly of so many rows that it is no luck.
PERFECT = {"regression": ("r2", 0.999, 20), "binary": ("accuracy", 0.998, 200)}
TRIVIAL = 0.98  # share of the most common class, beyond which everybody is right


def find_doubt(
    table: pd.DataFrame, truth: pd.Series, metrics: dict[str, Any], rows: int, data: Data
) -> dict[str, Any] | None:
    """Look for a result that is too good: a column that says it all, or hardly any error at all.

    Parameters
    ----------
    table : DataFrame
        The columns that the network sees, of rows that are not in the test part.
    truth : Series
        What is true of these rows.
    metrics : dict
        The scores on the test part, as `evaluate_model` gives them.
    rows : int
        How many rows the test part has.
    data : Data
        Section [data] of the settings.

    Returns
    -------
    dict or None
        `kind` ("leak", "alone" or "perfect"), the `columns` to look at, and the `score` with its `measure`; of
        "alone" also `others`, the best score of any other column; of "perfect" the `model`.
    """
    measure = MEASURES[data.problem]
    scores = one_column_scores(table, truth, data)
    ranking = sorted(scores, key=lambda name: -scores[name])
    if not ranking:
        return None
    leaks = [name for name in ranking if scores[name] >= LEAK]
    if leaks:
        return {"kind": "leak", "columns": leaks, "score": scores[leaks[0]], "measure": measure}
    if data.problem != "regression" and _is_alone(scores, ranking, truth.nunique()):
        first, second = (scores[name] for name in ranking[:2])
        found = {"kind": "alone", "columns": ranking[:1], "score": first, "measure": measure}
        return {**found, "others": second}
    metric, enough, fewest = PERFECT.get(data.problem, PERFECT["binary"])
    models = {"model": metrics["model"], **metrics["baselines"]}
    best = max(models, key=lambda name: models[name][metric]["value"])
    score = models[best][metric]["value"]
    trivial = metric == "accuracy" and models["dummy"][metric]["value"] >= TRIVIAL
    if score < enough or rows < fewest or trivial:
        return None
    return {
        "kind": "perfect",
        "columns": ranking[:2],
        "score": score,
        "measure": metric,
        "model": best,
    }


def _is_alone(scores: dict[str, float], ranking: list[str], classes: int) -> bool:
    """Whether the first column gets far by itself, and no other gets near it."""
    if len(ranking) < 2 or scores[ranking[0]] < ALONE:
        return False
    first, second = (scores[name] - 1 / classes for name in ranking[:2])  # above guessing
    return second <= NEAR * first


def doubt_in_words(doubt: dict[str, Any], target: str) -> tuple[str, str]:
    """What is too good, and what to do about it, a sentence each."""
    *names, last = [quoted(name) for name in doubt["columns"][:MOST_NAMED]]
    listed, one = f"{', '.join(names)} and {last}" if names else last, not names
    remedy, score = _remedy(target, one), f"{doubt['measure']} {doubt['score']:.3f}"
    if doubt["kind"] == "perfect":
        model = MODELS[doubt["model"]]
        said = f"Too good to be true for most tables: {model} makes hardly any error ({score})"
        return f"{said}.", f"Look first at {listed}: {remedy}"
    if doubt["kind"] == "leak":
        subject = f"{listed} alone" if one else f"Each of {listed} alone"
        said = f'{subject} nearly determines "{target}" ({score})'
    else:
        said = f"{listed} does nearly all by itself ({score}; no other column gets beyond {doubt['others']:.3f})"
    return f"{said}.", f"{remedy[:1].upper()}{remedy[1:]}"


def _remedy(target: str, one: bool) -> str:
    known, them = ("is it", "it") if one else ("are they", "them")
    return (
        f'{known} known before "{target}" is? If not, add {them} to [data] leave_out and run again.'
    )


def doubt_sentence(metrics: dict[str, Any], target: str) -> str:
    """The same of a run's metrics in one line; "" where there is nothing to doubt."""
    return " ".join(doubt_in_words(metrics["doubt"], target)) if "doubt" in metrics else ""
