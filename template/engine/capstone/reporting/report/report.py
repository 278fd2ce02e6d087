"""report.html: a run as a page for a reader without statistics, the answer first, the details last."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from capstone.core.files import write_text
from capstone.core.settings import Project
from capstone.core.text import MODELS
from capstone.reporting import charts
from capstone.reporting.charts import Plotly
from capstone.reporting.pages import Chart, render_page, short
from capstone.reporting.report.details import details
from capstone.reporting.report.failures import failures
from capstone.reporting.report.reasons import reasons
from capstone.reporting.report.sentences import (
    MEANINGS,
    answer,
    better,
    better_rule,
    decision,
    limits,
)
from capstone.runs.folder import Run
from capstone.runs.results import RunResults, read_results

FILE, STANDALONE = "report.html", "report_standalone.html"


@dataclass(frozen=True)
class Tile:
    """One of the few numbers to remember, and what it means."""

    figure: str
    meaning: str


def write_report(run: Run, standalone: bool = False) -> Path:
    """Write the report into the run's folder.

    Parameters
    ----------
    run
        A finished run. Its files are read; none but the report is written.
    standalone
        Put plotly's script (5 MB) inside the page, so that it can be sent by mail. Otherwise the
        script goes into runs/, once for all reports.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    CapstoneError
        When a file of the run is missing, cut short or of another run.
    """
    results = read_results(run)
    if not standalone:
        charts.write_script(run.folder.parent)
    path = run.folder / (STANDALONE if standalone else FILE)
    write_text(path, report_page(results, standalone))
    return path


def report_page(results: RunResults, standalone: bool = False) -> str:
    """The whole page."""
    project, metrics = results.settings.project, results.metrics
    metric = metrics["primary_metric"]
    return render_page(
        "report.html",
        title=project.question or project.name,
        byline=_byline(project, results.run.info["finished"]),
        answer=answer(results),
        tiles=tiles(results),
        decision=decision(metrics["decisions"]),
        costs=costs(metrics["decisions"]),
        metric=metric,
        meaning=MEANINGS[metric],
        models=_models(metrics, metric),
        failures=failures(results),
        reasons=reasons(results),
        limits=limits(results),
        details=details(results),
        run_id=results.run.id,
        origin=_origin(results.run),
        plotly=charts.plotly_inside() if standalone else Plotly(path=f"../{charts.SCRIPT}"),
    )


def _byline(project: Project, finished: str) -> str:
    by = f"By {project.author}" if project.author else ""
    course = f", for {project.course}" if project.course else ""
    return f"{project.name}. {by}{course}. {finished[:10]}."


def tiles(results: RunResults) -> list[Tile]:
    """Three or four numbers to remember."""
    metrics = results.metrics
    if results.problem == "regression":
        shown = _regression_tiles(metrics)
    else:
        shown = _class_tiles(metrics, results.target.classes)
    return [*shown, _saved(metrics["decisions"])]


def _regression_tiles(metrics: dict[str, Any]) -> list[Tile]:
    model, intervals = metrics["model"], metrics["intervals"]
    return [
        Tile(short(model["mae"]["value"]), "average error"),
        Tile(f"{model['r2']['value']:.0%}", "of the differences explained"),
        Tile(
            f"{intervals['coverage']['value']:.0%}",
            f"of the truths inside the intervals, {intervals['level'] * 100:.0f} % promised",
        ),
    ]


def _class_tiles(metrics: dict[str, Any], classes: list[str]) -> list[Tile]:
    shown = [
        Tile(f"{metrics['model']['accuracy']['value']:.0%}", "of the rows predicted correctly")
    ]
    if threshold := metrics.get("threshold"):
        found = f'of the "{classes[1]}" found, acting from {threshold["value"]:.0%} on'
        shown.append(Tile(f"{threshold['test']['recall']:.0%}", found))
    error = max(metrics["calibration"]["ece"].values())
    return [*shown, Tile(f"{error * 100:.1f} points", "between predicted and true probabilities")]


def _saved(decisions: dict[str, Any]) -> Tile:
    """What following decisions.py saves or loses."""
    rule = better_rule(decisions)
    saved = decisions["cost"][rule] - decisions["cost"]["followed"]
    interval = decisions["saved_against"][rule]
    meaning = f"{'saved' if saved >= 0 else 'lost'} against the better simple rule"
    if interval["low"] <= 0 <= interval["high"]:
        meaning += "; it may be chance"
    return Tile(f"{short(abs(saved))} {decisions['unit']}", meaning)


def costs(decisions: dict[str, Any]) -> Chart:
    """What following decisions.py would have cost, beside the two simple rules."""
    cost, unit = decisions["cost"], decisions["unit"]
    table = pd.DataFrame(
        {
            "rule": [
                "following decisions.py",
                f"all: {decisions['nothing']}",
                f"all: {decisions['everyone']}",
            ],
            f"cost in {unit}": [cost["followed"], cost["nothing"], cost["everyone"]],
        }
    )
    rule = better_rule(decisions)
    saved = decisions["saved_against"][rule]
    title = f'"{decisions[rule]}" for all would have cost about as much'
    if saved["low"] > 0:
        title = "Following the recommendations would have cost least"
    elif saved["high"] < 0:
        title = f'"{decisions[rule]}" for all would have cost least'
    drawing = charts.bars(
        table.set_index("rule")[f"cost in {unit}"],
        "costs",
        f"cost on the test rows, {unit}",
        table["rule"].iloc[0],
    )
    return Chart(title, drawing, table)


def _models(metrics: dict[str, Any], metric: str) -> Chart:
    """The network beside the simpler models, by the metric that decides."""
    models = {"model": metrics["model"], **metrics["baselines"]}
    scores = {MODELS[name]: score[metric] for name, score in models.items()}
    drawing = charts.dots(
        scores,
        "models",
        f"{metric} on the test rows, with 95 % intervals ({better(metric)} is better)",
        highlighted=MODELS["model"],
    )
    outcomes = list(metrics["beats"].values())
    table = pd.DataFrame(
        {
            "model": list(scores),
            metric: [score["value"] for score in scores.values()],
            "95 % interval from": [score["low"] for score in scores.values()],
            "to": [score["high"] for score in scores.values()],
            "your network is": ["-", *outcomes],
        }
    )
    title = f"Your network beats {outcomes.count('better')} of {len(outcomes)} simpler models"
    if "worse" in outcomes:
        title += f" and loses to {outcomes.count('worse')}"
    return Chart(title, drawing, table)


def _origin(run: Run) -> pd.DataFrame:
    """Where the report comes from."""
    info = run.info
    facts = {
        "run": run.id,
        "seed": str(info["seed"]),
        "data": info["data"]["path"],
        "data, SHA-256": info["data"]["sha256"],
        "rows": ", ".join(f"{part} {rows:,}" for part, rows in info["rows"].items()),
        "commit": (info["git"]["commit"] or "none")[:12],
    }
    return pd.DataFrame(facts.items(), columns=["what", "is"])
