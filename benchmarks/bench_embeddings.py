"""What embeddings of categories would bring: `nox -s bench -- embeddings [--quick] [--json FILE]`.

The default network on tables with columns of many categories: the twenty most frequent one-hot, as it comes;
every category one-hot; every category as a vector of numbers that is learnt. Five folds, the same rows for all.
Decision 0053 quotes the figures.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import copier
import numpy as np
import pandas as pd
import torch
from sklearn.model_selection import KFold, StratifiedKFold
from torch import Tensor, nn

from benchmarks.bench_quality import (
    FOLDS,
    METRIC,
    ROOT,
    SEED,
    TABLES,
    Table,
    from_r,
    ours,
    score,
    verdict,
)
from capstone.core.settings import Settings
from capstone.core.settings_file import load_settings
from capstone.core.student_code import load_module
from capstone.data.preprocessing import Preprocessor

EVERY = 10_000  # categories of a column that get an input of their own
WIDE = 20  # categories: a column of more is embedded
CASES: dict[str, Callable[[], Table]] = {
    "telecom": TABLES["telecom"],  # 51 states
    "ames": TABLES["ames"],  # 28 neighbourhoods, and twenty columns more
    "homes": lambda: from_r("modeldata", "Sacramento", "price", "regression"),  # 37 towns, 68 zips
    "loans": lambda: from_r("modeldata", "lending_club", "int_rate", "regression"),  # 50 states
    "flights": lambda: from_r(  # 105 airports, 16 airlines
        *("nycflights13", "flights", "arr_delay", "regression"),
        *("dep_time", "dep_delay", "arr_time", "tailnum", "time_hour"),
    ),
}


def made() -> Table:
    """A few rows for a look at whether this works: a town of sixty, and a number."""
    chance = np.random.default_rng(SEED)
    towns, numbers = chance.integers(0, 60, 300), chance.normal(size=300)
    features = pd.DataFrame({"town": np.char.add("t", towns.astype(str)), "number": numbers})
    return Table("regression", features, pd.Series(towns % 5 + numbers, name="target"))


class Embedded(nn.Module):
    """The student's network, with a vector in place of each wide column's one-hot inputs.

    A one-hot input times a matrix is a row of the matrix: what torch.nn.Embedding looks up.
    """

    def __init__(
        self,
        make: Callable[..., nn.Module],
        wide: list[list[int]],
        inputs: int,
        *rest: Any,
        **more: Any,
    ):
        super().__init__()
        self.wide = wide
        self.others = sorted(set(range(inputs)).difference(*wide))
        sizes = [min(16, round(len(its) ** 0.5) + 1) for its in wide]
        self.vectors = nn.ModuleList(
            nn.Linear(len(its), size, bias=False) for its, size in zip(wide, sizes, strict=True)
        )
        for weight in self.vectors.parameters():
            nn.init.normal_(weight)
        self.network = make(len(self.others) + sum(sizes), *rest, **more)

    def forward(self, x: Tensor) -> Tensor:
        """Shape (rows, inputs) to (rows, outputs)."""
        looked_up = [
            vectors(x[:, its]) for vectors, its in zip(self.vectors, self.wide, strict=True)
        ]
        return self.network(torch.cat([x[:, self.others], *looked_up], dim=1))


def wide_columns(preprocessor: Preprocessor) -> list[list[int]]:
    """The places of the one-hot inputs of each column with many categories."""
    hot = [place for place, name in enumerate(preprocessor.inputs) if " = " in name]
    columns: dict[str, list[int]] = {}
    for place in hot:
        columns.setdefault(preprocessor.origins[place], []).append(place)
    return [places for places in columns.values() if len(places) > WIDE]


def compare(table: Table, root: Path, settings: Settings) -> dict[str, list[float]]:
    """The scores of the three ways on every fold."""
    data = settings.data.model_copy(
        update={"problem": table.problem, "id": "", "leave_out": [], "sensitive": []}
    )
    settings = settings.model_copy(update={"data": data})
    network: Any = load_module(root, "network")
    plain = network.NeuralNetwork
    classes = table.problem != "regression"
    cutter = (StratifiedKFold if classes else KFold)(FOLDS, shuffle=True, random_state=SEED)
    labels = sorted(set(table.target)) if classes else []
    found: dict[str, list[float]] = {"twenty": [], "one-hot": [], "embedded": []}
    for learn, judge in cutter.split(table.features, table.target):
        train = Table(table.problem, table.features.iloc[learn], table.target.iloc[learn])
        truth = table.target.iloc[judge].to_numpy()
        if classes:
            truth = np.array([labels.index(value) for value in truth])
        for way, scores in found.items():
            most = settings.preprocessing.max_categories if way == "twenty" else EVERY
            preprocessor = Preprocessor(most).fit(train.features)
            if way == "embedded":
                network.NeuralNetwork = partial(Embedded, plain, wide_columns(preprocessor))
            matrix = preprocessor.transform(train.features)
            model = ours(root, settings)(preprocessor, train, matrix)
            network.NeuralNetwork = plain
            unseen = preprocessor.transform(table.features.iloc[judge])
            scores.append(
                score(table.problem, truth, np.asarray(model.predict_matrix(unseen)).squeeze())
            )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one table, 500 rows of it")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep every score here")
    parser.add_argument("--tiny", action="store_true", help=argparse.SUPPRESS)  # for the tests
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    kept: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "project"
        copier.run_copy(str(ROOT), root, defaults=True, quiet=True, vcs_ref="HEAD")
        sys.path.insert(0, str(root / "src"))
        # In pieces the inputs have other places; and the trial is not what is measured.
        few = ["training.epochs=2", "network.members=2"] if options.tiny else []
        settings = load_settings(root, ["preprocessing.numbers=plain", *few])
        print(
            "| table | measure | twenty one-hot | every one-hot | embedded | embedded against twenty |"
        )
        print("|---|---|---:|---:|---:|---|", flush=True)
        chosen = {"made": made} if options.tiny else CASES
        for name, load in list(chosen.items())[: 1 if options.quick else None]:
            table = load()
            if options.quick:
                table = Table(table.problem, table.features.head(500), table.target.head(500))
            kept[name] = compare(table, root, settings)
            means = " | ".join(f"{statistics.mean(scores):.4f}" for scores in kept[name].values())
            said = verdict(kept[name]["embedded"], kept[name]["twenty"])
            print(f"| {name} | {METRIC[table.problem]} | {means} | {said} |", flush=True)
    if options.json:
        options.json.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
