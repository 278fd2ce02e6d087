"""What a report says in words agrees with its numbers: tried on many runs that never were."""

import copy
import re
from collections.abc import Callable
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from capstone.core.sealed_files import SealedFiles
from capstone.core.text import MODELS, short, verdict_sentence
from capstone.reporting.explanation_page import RowExplanation
from capstone.reporting.rendering import Chart
from capstone.reporting.report.reasons import reasons
from capstone.reporting.report.report import report_page
from capstone.runs.folder import Run, read_run
from capstone.runs.results import RunResults, read_results

SUITE, LONG = 5, 300  # made-up runs of each problem
OUTCOMES = ("better", "worse", "undecided")
AMOUNTS = st.integers(0, 90_000)
SHARES = st.floats(0, 1)


def made_up(draw: Callable[..., Any], given_: RunResults) -> RunResults:
    """The same run with other numbers, such as fit together."""
    metrics, info = copy.deepcopy(given_.metrics), copy.deepcopy(given_.run.info)
    for scores in (metrics["model"], *metrics["baselines"].values()):
        for score in scores.values():
            low, value, high = sorted(draw(st.lists(SHARES, min_size=3, max_size=3)))
            score.update(low=low, value=value, high=high)
    metrics["beats"] = {name: draw(st.sampled_from(OUTCOMES)) for name in metrics["beats"]}
    decisions = metrics["decisions"]
    for rule in decisions["cost"]:
        decisions["cost"][rule] = draw(AMOUNTS)
    for rule, saved in decisions["saved_against"].items():
        difference = decisions["cost"][rule] - decisions["cost"]["followed"]
        below, above = draw(AMOUNTS), draw(AMOUNTS)
        saved.update(value=difference, low=difference - below, high=difference + above)
    for compared in metrics["groups"].values():
        compared["too_small"] = {"groups": draw(st.integers(0, 3)), "rows": draw(st.integers(1, 9))}
        if "finding" in compared:
            finding = compared["finding"]
            finding["clear"] = draw(st.booleans())
            finding["residual"]["value"] = draw(st.sampled_from([-1, 1])) * draw(st.floats(0.01, 1))
            compared["groups"] = len(compared["by_group"]) + draw(st.integers(0, 2))
    if "calibration" in metrics:
        metrics["calibration"]["temperature"] = draw(st.sampled_from([0.8, 1, 1.3]))
    if "intervals" in metrics:
        low, value, high = sorted(draw(st.lists(SHARES, min_size=3, max_size=3)))
        metrics["intervals"]["coverage"] = {"low": low, "value": value, "high": high}
    info["test_looks"] = draw(st.integers(1, 4))
    return replace(given_, run=Run(SealedFiles(given_.run.folder, info), metrics))


def in_words(page: str) -> str:
    """What a reader sees of a page, on one line."""
    seen = re.sub(r"<(script|style|svg).*?</\1>", " ", page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", seen)))


def named_after(words: str, text: str) -> set[str]:
    """The models in the list that follows the words."""
    found = re.search(words + r" ([^.;:]*?)(?: on the same data|, beyond|\.|:)", text)
    return {name for name in MODELS.values() if found and name in found[1]}


def beaten(beats: dict[str, str], how: str) -> set[str]:
    return {MODELS[name] for name, outcome in beats.items() if outcome == how}


def check_verdict(metrics: dict[str, Any], text: str) -> None:
    beats = metrics["beats"]
    lost, unclear = beaten(beats, "worse"), beaten(beats, "undecided")
    assert named_after("The network loses to", text) == lost
    assert named_after("There is no clear difference from", text) == (
        unclear if not lost else set()
    )
    if not lost:
        assert named_after("It is better than", text) == beaten(beats, "better")
    counts = {how: list(beats.values()).count(how) for how in OUTCOMES}
    assert f"beats {counts['better']} of {len(beats)} simpler models" in text
    assert (f"and loses to {counts['worse']}" in text) is (counts["worse"] > 0)
    line = verdict_sentence(metrics)
    assert all(line.count(MODELS[name]) == 1 for name in beats)


def check_cost(metrics: dict[str, Any], text: str) -> None:
    decisions = metrics["decisions"]
    cost = decisions["cost"]
    rule = min(("nothing", "everyone"), key=lambda name: cost[name])
    difference, saved = cost[rule] - cost["followed"], decisions["saved_against"][rule]
    certain = saved["low"] > 0 or saved["high"] < 0
    amount = f"{short(abs(difference))} {decisions['unit']}"
    to_do = text.split("What to do")[1][:300]
    assert ("Follow the recommendations" in to_do) is (saved["low"] > 0)
    assert ("Do not follow the recommendations" in to_do) is (saved["high"] < 0)
    assert ("chance" in to_do) is (not certain and saved["low"] < saved["high"])
    if difference:
        assert amount in to_do
        word = "saved" if difference > 0 else "lost"
        assert f"{amount} {word} against the better simple rule" in text
    least = "Following the recommendations would have cost least"
    assert (least in text) is (saved["low"] > 0)


def check_rest(results: RunResults, text: str) -> None:
    metrics = results.metrics
    for name, compared in metrics["groups"].items():
        if "finding" in compared:
            leans = f'Predictions for {name} "{compared["finding"]["group"]}" lean one way'
            assert (leans in text) is compared["finding"]["clear"]
            if compared["finding"]["clear"]:
                way = "low" if compared["finding"]["residual"]["value"] > 0 else "high"
                assert re.search(rf"lean one way: .{{0,80}} too {way} there on average", text)
    if "calibration" in metrics:
        words = {0.8: "too cautious", 1: "No scaling was needed", 1.3: "too confident"}
        said = [temperature for temperature, phrase in words.items() if phrase in text]
        assert said == [metrics["calibration"]["temperature"]]
    if "intervals" in metrics:
        coverage, level = metrics["intervals"]["coverage"], metrics["intervals"]["level"]
        assert ("are too narrow" in text) is (coverage["high"] < level)
        assert ("are wider than they need be" in text) is (coverage["low"] > level)
    assert ("The test rows were looked at" in text) is (results.run.info["test_looks"] > 1)


@pytest.mark.parametrize("problem", ["regression", "binary", "multiclass"])
def test_each_sentence_agrees_with_its_numbers(
    problem: str, with_run: Callable[[str], Path]
) -> None:
    results = read_results(read_run(with_run(problem) / "runs"))

    @settings(
        max_examples=SUITE,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(data=st.data())
    def holds(data: st.DataObject) -> None:
        changed = made_up(data.draw, results)
        text = in_words(report_page(changed))
        check_verdict(changed.metrics, text)
        check_cost(changed.metrics, text)
        check_rest(changed, text)
        odd = r"(?<![\d.,])1 (?:rows|groups|smaller groups|networks|epochs|times|columns)\b|\b(?:nan|inf|None)\b"
        assert re.findall(odd, text) == []

    holds()


def explained(given_: RunResults, moves: dict[str, list[float]], gain: list[float]) -> RunResults:
    """A run in which each column moves three rows so far, and gains the score so much."""
    size = [float(np.abs(of_column).mean()) for of_column in moves.values()]
    shap = pd.DataFrame(
        {"column": list(moves), "mean_abs_shap": size, "permutation_importance": gain}
    ).sort_values("mean_abs_shap", ascending=False, kind="stable", ignore_index=True)
    values = pd.DataFrame({"row": [1, 2, 3], "base": 0.5})
    for name, of_column in moves.items():
        values[f"shap of {name}"] = of_column
        values[f"value of {name}"] = ["a", "b", "c"]
    return replace(given_, shap=shap, shap_values=values)


@pytest.mark.parametrize(
    ("moves", "gain", "said"),
    [
        ({"x": [0.1, 0.2, -0.1]}, [0.3], ["x alone moves the predictions", "Also for the score, x"]),
        (
            {"x": [0.1, 0.2, 0.3], "y": [0.0, 0.1, 0.1]},
            [0.1, 0.3],
            ["x moves the predictions most, y least", "But for the score, y"],
        ),
        ({"x": [0.1, 0.2, 0.3], "y": [0.1, 0.1, 0.1]}, [-0.1, 0.0], ["No column is missed when it is shuffled"]),
        ({"x": [0.1, 0.1, 0.1]}, [0.1], ["x: no difference between its values"]),
        ({"x": [0.0, 0.0, 0.0]}, [0.0], ["No column moves the predictions"]),
    ],
)  # fmt: skip
def test_titles_of_reasons_say_what_the_numbers_say(
    moves: dict[str, list[float]],
    gain: list[float],
    said: list[str],
    with_run: Callable[[str], Path],
) -> None:
    results = read_results(read_run(with_run("regression") / "runs"))
    charts = reasons(explained(results, moves, gain))
    assert charts is not None
    each = [chart for value in charts.values() for chart in np.ravel([value])]
    titles = [chart.title for chart in each if isinstance(chart, Chart)]
    assert all(any(words in title for title in titles) for words in said), titles


@pytest.mark.parametrize(
    ("moved", "words"), [(0.2, "raises"), (-0.2, "lowers"), (0.0, "No column")]
)
def test_a_row_is_told_what_moves_it(moved: float, words: str) -> None:
    columns = pd.DataFrame({"column": ["x"], "value": ["1"], "moved": [moved]})
    row = RowExplanation(
        row="7", part="test", output="price", base=1.0, predicted=1 + moved, truth="1",
        columns=columns, method="exact", is_share=False,
    )  # fmt: skip
    assert words in row.sentences[1]
