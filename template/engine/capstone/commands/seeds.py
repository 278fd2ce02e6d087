"""`capstone run --seeds 5`: how much the scores depend on chance."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from capstone.evaluation.metrics import LOWER_IS_BETTER

FILE = "seeds.csv"


def over_seeds(runs: list[dict[str, Any]]) -> pd.DataFrame:
    """Mean and spread of each metric of each model over the metrics of several runs.

    `spread` is the standard deviation: another seed means another split and another start, so the
    difference of two models should be larger than it. `best_in` counts the runs a model came out first in.
    """
    first = runs[0]
    names = ["model", *first["baselines"]]
    lines = []
    for metric in first["model"]:
        values = {
            name: np.array([_scores(metrics, name)[metric]["value"] for metrics in runs], float)
            for name in names
        }
        lower = metric in LOWER_IS_BETTER
        best = np.array(list(values.values()))
        winners = (np.nanargmin if lower else np.nanargmax)(best, axis=0)
        for number, (name, scores) in enumerate(values.items()):
            lines.append(
                {
                    "metric": metric,
                    "model": name,
                    "mean": scores.mean(),
                    "spread": scores.std(ddof=1),
                    "lowest": scores.min(),
                    "highest": scores.max(),
                    "best_in": int((winners == number).sum()),
                    "seeds": len(scores),
                }
            )
    return pd.DataFrame(lines)


def _scores(metrics: dict[str, Any], name: str) -> dict[str, Any]:
    return metrics["model"] if name == "model" else metrics["baselines"][name]
