"""report.html: a run as a page for a reader without statistics, the answer first, the details last."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pandas as pd

from capstone.core.files import write_text
from capstone.core.sealed_files import Unreadable, read_file
from capstone.core.text import MODELS
from capstone.evaluation.plausibility import doubt_sentence
from capstone.reporting import charts
from capstone.reporting.charts import Plotly
from capstone.reporting.rendering import Chart, made_by_this_version, render_page
from capstone.reporting.report.decisions import decision_charts
from capstone.reporting.report.details import details
from capstone.reporting.report.failures import failures
from capstone.reporting.report.reasons import reasons
from capstone.reporting.report.sentences import MEANINGS, METRIC_NAMES, better, better_rule, verdict
from capstone.runs.folder import Run
from capstone.runs.provenance import what_was_sampled
from capstone.runs.results import RunResults, read_results

FILE, STANDALONE = "report.html", "report_standalone.html"


def write_report(run: Run, standalone: bool = False) -> Path:
    """Write the report into the run's folder.

    Parameters
    ----------
    run : Run
        A finished run. Its files are read; none but the report is written.
    standalone : bool
        Put plotly's script (5 MB) inside the page, so that it can be sent by mail. Otherwise the
        script goes into runs/, once for all reports.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    CapstoneError
        When a file of the run is missing, cut short or of another run, or of another version.
    """
    results = read_results(run)
    if not standalone:
        charts.write_script(run.folder.parent)
    path = run.folder / (STANDALONE if standalone else FILE)
    with made_by_this_version(run):
        html = report_page(results, standalone)
    write_text(path, html)
    return path


def report_is_true(run: Run) -> bool:
    """Whether report.html is the page that the run wrote, or the one that `capstone report` would write now.

    Its figures could be edited like those of any other file. Where release 0.1.0 made the run, nobody can know.
    """
    path = run.folder / FILE
    if not run.files.all_hashed or not path.exists():
        return True
    try:
        content = read_file(path)
    except Unreadable:
        return False
    if hashlib.sha256(content).hexdigest() == run.files.hashes.get(FILE):
        return True
    with made_by_this_version(run):
        return content == report_page(read_results(run)).encode()


def report_page(results: RunResults, standalone: bool = False) -> str:
    """The whole page."""
    project, metrics, info = results.settings.project, results.metrics, results.run.info
    return render_page(
        "report/page.html",
        title=project.question or project.name,
        run_id=results.run.id,
        name=results.run.name,
        note=results.run.note,
        info=info,
        settings=results.settings,
        metrics=metrics,
        problem=results.problem,
        target=results.target,
        rows=len(results.rows),
        sampled=what_was_sampled(info),
        verdict=verdict(metrics["beats"]),
        doubt=doubt_sentence(metrics, results.target.name),
        better_rule=better_rule(metrics["decisions"]),
        meanings=MEANINGS,
        metric_names=METRIC_NAMES,
        decided=decision_charts(results),
        models=_models(metrics, metrics["primary_metric"]),
        better=better(metrics["primary_metric"]),
        plotly=charts.plotly_inside() if standalone else Plotly(path=f"../{charts.SCRIPT}"),
        reasons=reasons(results),
        **failures(results),
        **details(results),
    )


def _models(metrics: dict[str, Any], metric: str) -> Chart:
    """The network beside the simpler models, by the metric that decides."""
    models = {"model": metrics["model"], **metrics["baselines"]}
    scores = {MODELS[name]: score[metric] for name, score in models.items()}
    drawing = charts.dots(
        scores,
        "models",
        f"{METRIC_NAMES[metric]} on test rows",
        highlighted=MODELS["model"],
    )
    outcomes = list(metrics["beats"].values())
    table = pd.DataFrame(
        {
            "model": list(scores),
            METRIC_NAMES[metric]: [score["value"] for score in scores.values()],
            "95% interval from": [score["low"] for score in scores.values()],
            "to": [score["high"] for score in scores.values()],
            "your network is": ["-", *outcomes],
        }
    )
    loses = f" and loses to {outcomes.count('worse')}" if "worse" in outcomes else ""
    title = (
        f"Your network beats {outcomes.count('better')} of {len(outcomes)} simpler models{loses}"
    )
    return Chart(title, drawing, table)
