"""report.html: a run as a page for a reader without statistics, the answer first, the details last."""

from __future__ import annotations

from html import escape
from pathlib import Path

import pandas as pd

from capstone.core.files import write_text
from capstone.reporting import charts
from capstone.reporting.pages import chart, page, scrolling, section, short, text, tiles
from capstone.reporting.report.details import details
from capstone.reporting.report.groups import whom_it_fails
from capstone.reporting.report.reasons import why
from capstone.reporting.report.sentences import (
    MEANINGS,
    NAMES,
    better,
    better_rule,
    decision,
    limits,
    quality,
    verdict,
)
from capstone.runs.folder import Run
from capstone.runs.results import Story, read_story

FILE, STANDALONE = "report.html", "report_standalone.html"


def write_report(run: Run, standalone: bool = False) -> Path:
    """Write the report into the run's folder; plotly's script goes into runs/, or inside the page."""
    story = read_story(run)
    html = as_page(story, standalone)
    if not standalone:
        charts.write_script(run.folder.parent)
    target = run.folder / (STANDALONE if standalone else FILE)
    write_text(target, html)
    return target


def as_page(story: Story, standalone: bool = False) -> str:
    """The whole page."""
    project = story.settings.project
    by = f"By {project.author}" if project.author else ""
    course = f", for {project.course}" if project.course else ""
    return page(
        project.question or project.name,
        text(f"{project.name}. {by}{course}. {story.run.info['finished'][:10]}."),
        text(_answer(story), lead=True),
        _tiles(story),
        _what_to_do(story),
        _how_sure(story),
        whom_it_fails(story),
        why(story),
        _limits(story),
        details(story),
        _again(story),
        report=True,
        head=charts.script(standalone),
    )


def _answer(story: Story) -> str:
    """The first paragraph: how good it is; where it loses to a simpler model, that comes first."""
    said = [quality(story), verdict(story)]
    loses = "worse" in story.metrics["beats"].values()
    return " ".join(reversed(said) if loses else said)


def _tiles(story: Story) -> str:
    """Three or four numbers to remember."""
    metrics, model = story.metrics, story.metrics["model"]
    shown = []
    if story.problem == "regression":
        shown.append((short(model["mae"]["value"]), "average error"))
        shown.append((f"{model['r2']['value']:.0%}", "of the differences explained"))
        inside = metrics["intervals"]["coverage"]["value"]
        shown.append((f"{inside:.0%}", "of the truths inside the intervals, 90 % promised"))
    else:
        shown.append((f"{model['accuracy']['value']:.0%}", "of the rows named rightly"))
        if story.problem == "binary":
            cut = metrics["threshold"]
            found = f'of the "{story.target.classes[1]}" found, acting from {cut["value"]:.0%} on'
            shown.append((f"{cut['test']['recall']:.0%}", found))
        gap = max(metrics["calibration"]["ece"].values())
        shown.append((f"{gap * 100:.1f} points", "between said and true probabilities"))
    told = metrics["decisions"]
    rule = better_rule(told)
    saved, sure = told["cost"][rule] - told["cost"]["followed"], told["saved_against"][rule]
    word = f"{'saved' if saved >= 0 else 'lost'} against the better simple rule"
    chance = "; it may be chance" * (sure["low"] <= 0 <= sure["high"])
    shown.append((f"{short(abs(saved))} {told['unit']}", word + chance))
    return tiles(shown)


def _what_to_do(story: Story) -> str:
    told = story.metrics["decisions"]
    cost, unit = told["cost"], told["unit"]
    labels = ["following decisions.py", f"all: {told['nothing']}", f"all: {told['everyone']}"]
    values = [cost["followed"], cost["nothing"], cost["everyone"]]
    rule = better_rule(told)
    sure = told["saved_against"][rule]
    table = pd.DataFrame({"rule": labels, f"cost in {unit}": values})
    drawn = charts.bars(labels, values, "costs", f"cost on the test rows, {unit}", labels[0])
    title = f'"{told[rule]}" for all would have cost about as much'
    if sure["low"] > 0:
        title = "Following the recommendations would have cost least"
    elif sure["high"] < 0:
        title = f'"{told[rule]}" for all would have cost least'
    return section("What to do", decision(story)) + chart(title, drawn, table)


def _how_sure(story: Story) -> str:
    """The network beside the simpler models, by the metric that decides."""
    metrics = story.metrics
    metric = metrics["primary_metric"]
    scores = {"model": metrics["model"], **metrics["baselines"]}
    its = {NAMES[name]: models[metric] for name, models in scores.items()}
    drawn = charts.dots(
        list(its),
        [score["value"] for score in its.values()],
        [score["low"] for score in its.values()],
        [score["high"] for score in its.values()],
        "models",
        f"{metric} on the test rows, with 95 % intervals ({better(metric)} is better)",
        NAMES["model"],
    )
    table = pd.DataFrame(
        {
            "model": list(its),
            metric: [score["value"] for score in its.values()],
            "95 % interval from": [score["low"] for score in its.values()],
            "to": [score["high"] for score in its.values()],
            "your network is": ["-", *metrics["beats"].values()],
        }
    )
    how = list(metrics["beats"].values())
    title = f"Your network beats {how.count('better')} of {len(how)} simpler models"
    if "worse" in how:
        title += f" and loses to {how.count('worse')}"
    explained = (
        f"{metric}: {MEANINGS[metric]}. All models saw the same training rows. The intervals show how the score "
        "may vary with other rows; each simpler model is compared on the same resamples, so two intervals may "
        "overlap and the difference be sure all the same."
    )
    return section("How sure are we?", explained) + chart(title, drawn, table)


def _limits(story: Story) -> str:
    points = "".join(f"<li>{escape(point)}</li>\n" for point in limits(story))
    return f"<h2>What it can't tell</h2>\n<ul>\n{points}</ul>\n"


def _again(story: Story) -> str:
    """Where it comes from, and the command that makes it again."""
    info = story.run.info
    facts = pd.DataFrame(
        {
            "what": ["run", "seed", "data", "data, SHA-256", "rows", "commit"],
            "is": [
                story.run.id,
                str(info["seed"]),
                info["data"]["path"],
                info["data"]["sha256"],
                ", ".join(f"{part} {rows:,}" for part, rows in info["rows"].items()),
                (info["git"]["commit"] or "none")[:12],
            ],
        }
    )
    return (
        section("Make it again")
        + "<p>This command runs it again and compares every bit: "
        + f"<code>capstone reproduce {escape(story.run.id)}</code></p>\n"
        + scrolling(facts, "Where this report comes from")
    )
