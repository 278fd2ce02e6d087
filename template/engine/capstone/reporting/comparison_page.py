"""compare.html: the finished runs side by side."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import pandas as pd

from capstone.core.text import duration, number
from capstone.reporting import charts
from capstone.reporting.charts import Plotly
from capstone.reporting.rendering import Chart, render_page
from capstone.reporting.report.report import FILE
from capstone.reporting.report.sentences import METRIC_NAMES, better, verdict
from capstone.runs.comparison import (
    ComparedRun,
    best_on_validation,
    run_before,
    same_metric,
    verdicts,
)

MOST_CURVES = len(charts.COLOURS) - 1  # each in a colour of its own; grey is for the others

OUTCOMES = {
    "better": "clearly better than",
    "worse": "clearly worse than",
    "undecided": "not clearly better or worse than",
}


@dataclass(frozen=True)
class RunCard:
    """What the page says about one run.

    Parameters
    ----------
    label : str
        Its name; with its id where two runs have the same name.
    colour : str
        Of its curve and its dot.
    report : str
        Where its report is; "" where there is none.
    facts : list of str
        When it was finished, how long it took, how many epochs.
    score, interval : str
        Of the metric that decides.
    verdict : str
        How it compares with the simpler models.
    before : str
        The label of the run that it is compared with; "" for the first.
    changes : list of str
        What is not as it was then.
    is_best : bool
        Whether it is the one to choose.
    """

    compared: ComparedRun
    label: str
    colour: str
    report: str
    facts: list[str]
    score: str
    interval: str
    verdict: str
    before: str
    changes: list[str]
    is_best: bool


def comparison_page(compared: list[ComparedRun]) -> str:
    """All runs side by side: scores, learning curves, notes, and what differs.

    Parameters
    ----------
    compared : list of ComparedRun
        At least one finished run, the oldest first. Runs with another primary metric than the newest
        one, or without a value of it, are left out.

    Returns
    -------
    str
        The page, which looks for plotly's script beside it.

    Raises
    ------
    CapstoneError
        When no run has a value.
    """
    shown = same_metric(compared)
    metric = shown[-1].run.metrics["primary_metric"]
    best = best_on_validation(shown)
    cards = _cards(shown, best)
    chosen = next((card for card in cards if card.is_best), cards[-1])
    against = verdicts(chosen.compared, shown)
    return render_page(
        "comparison.html",
        title="Runs side by side",
        project=shown[-1].settings["project.name"].strip('"'),
        cards=cards[::-1],
        chosen=chosen,
        by_validation=best is not None,
        left_out=len(compared) - len(shown),
        metric=METRIC_NAMES[metric],
        better=better(metric),
        against=against,
        beside=_beside(list(against.values())),
        tests=_test_scores(cards, metric),
        curves=_curves(cards),
        scores=_scores(cards),
        differences=_differences(cards),
        plotly=Plotly(path=charts.SCRIPT),
    )


def _beside(outcomes: list[str]) -> str:
    """How the chosen run does beside the others, in a sentence."""
    counts = Counter(outcomes)
    if len(outcomes) == 1:
        return f"On the same rows it is {OUTCOMES[outcomes[0]]} the other run."
    parts = [
        f"{words} {counts[outcome]:,}" for outcome, words in OUTCOMES.items() if counts[outcome]
    ]
    return f"On the same rows it is {', '.join(parts)} of the other runs."


def _cards(shown: list[ComparedRun], best: ComparedRun | None) -> list[RunCard]:
    """One card a run, the oldest first."""
    colours = _colours(shown, best)
    names = Counter(one.run.name for one in shown)
    labels = {
        one.run.id: one.run.name if names[one.run.name] == 1 else f"{one.run.name} ({one.run.id})"
        for one in shown
    }
    cards = []
    for place, one in enumerate(shown):
        before = run_before(shown[:place])
        run, info = one.run, one.run.info
        score = run.metrics["model"][run.metrics["primary_metric"]]
        took = [f"took {duration(one.seconds)}"] if one.seconds else []
        cards.append(
            RunCard(
                compared=one,
                label=labels[run.id],
                colour=colours.get(run.id, charts.GREY),
                report=f"{run.id}/{FILE}" if (run.folder / FILE).is_file() else "",
                facts=[
                    f"{info['finished'][:16].replace('T', ' ')} UTC",
                    *took,
                    f"{info['epochs']:,} epochs",
                ],
                score=number(score["value"]),
                interval=f"{number(score['low'])} to {number(score['high'])}",
                verdict=verdict(run.metrics["beats"]),
                before=labels[before.run.id] if before else "",
                changes=one.changes_since(before) if before else [],
                is_best=one is best,
            )
        )
    return cards


def _colours(shown: list[ComparedRun], best: ComparedRun | None) -> dict[str, str]:
    """A colour for the best run and the newest ones, by run id: the others stay grey."""
    newest = [one for one in shown[::-1] if one is not best]
    coloured = [*([best] if best else []), *newest][:MOST_CURVES]
    ids = sorted(one.run.id for one in coloured)
    return dict(zip(ids, charts.COLOURS, strict=False))


def _test_scores(cards: list[RunCard], metric: str) -> Chart:
    """The score of each run on the test rows, the newest first."""
    scores = {card.label: card.compared.run.metrics["model"][metric] for card in cards[::-1]}
    drawing = charts.dots(
        scores,
        "runs",
        f"{METRIC_NAMES[metric]} on test rows",
        colours={card.label: card.colour for card in cards},
    )
    numbers = [
        {"run": label, METRIC_NAMES[metric]: one["value"], "from": one["low"], "to": one["high"]}
        for label, one in scores.items()
    ]
    return Chart("Scores on the test rows", drawing, pd.DataFrame(numbers))


def _curves(cards: list[RunCard]) -> Chart:
    """The validation loss of the coloured runs over one another."""
    drawn = [card for card in cards if card.colour != charts.GREY]
    curves, lowest = {}, []
    for card in drawn:
        history = card.compared.history
        curves[card.label] = history["epoch"], history["validation_loss"]
        at = history.loc[history["validation_loss"].idxmin()]
        lowest.append(
            {
                "run": card.label,
                "lowest validation loss": at["validation_loss"],
                "at epoch": int(at["epoch"]),
            }
        )
    drawing = charts.lines(curves, "curves", ("epoch", "validation loss"), by_factors=True)
    return Chart("Learning curves on validation rows", drawing, pd.DataFrame(lowest))


def _scores(cards: list[RunCard]) -> pd.DataFrame:
    """Each metric on the test rows, the newest run first."""
    lines = []
    for card in cards[::-1]:
        metrics = card.compared.run.metrics
        scores = {
            METRIC_NAMES[name]: number(score["value"]) for name, score in metrics["model"].items()
        }
        metric = metrics["primary_metric"]
        lines.append(
            {
                "run": card.label,
                **scores,
                f"{METRIC_NAMES[metric]} on validation rows": number(card.compared.on_validation),
            }
        )
    return pd.DataFrame(lines)


def _differences(cards: list[RunCard]) -> pd.DataFrame:
    """One line for each setting, file or library that is not the same in all runs, one column for each run.

    Files are numbered by their contents: "version 1", "version 2".
    """
    runs = [card.compared for card in cards]
    files = {
        name: _numbered([run.files.get(name, "") for run in runs])
        for name in dict.fromkeys(name for run in runs for name in run.files)
    }
    facts = [run.settings | run.versions for run in runs]
    names = dict.fromkeys(name for values in facts for name in values)
    values = {name: [of_run.get(name, "") for of_run in facts] for name in names} | files
    lines = [[name, *in_each[::-1]] for name, in_each in values.items() if len(set(in_each)) > 1]
    return pd.DataFrame(lines, columns=["what", *(card.label for card in cards[::-1])])


def _numbered(hashes: list[str]) -> list[str]:
    known = [one for one in dict.fromkeys(hashes) if one]
    return [f"version {known.index(one) + 1}" if one else "" for one in hashes]
