"""The seven steps from a table to a saved model: load, clean, engineer, split, train, evaluate, save."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from capstone.core.files import PARTIAL, write_csv, write_json, write_text
from capstone.core.project import apply_step, clean_table, package_name
from capstone.core.settings import Settings
from capstone.core.step import step
from capstone.data.kinds import feature_columns
from capstone.data.preprocessing import Preprocessor
from capstone.data.reading import fingerprint, read_table
from capstone.data.schema import describe_columns
from capstone.data.splitting import deal_folds, split_rows
from capstone.data.validation import (
    check_columns,
    check_enough_rows,
    check_named_columns,
    check_target,
)
from capstone.evaluation.analysis import Part, gather
from capstone.evaluation.evaluate import (
    baseline_predictions,
    evaluate_model,
    point_metrics,
    primary_metric,
)
from capstone.export.onnx.export import Rows, export_run
from capstone.reporting.report.report import write_report
from capstone.runs.folder import Run, count_test_looks, new_run, newest_run
from capstone.runs.provenance import describe_run, resolved_toml, training_identity
from capstone.runs.verify import predictions_table
from capstone.training.checkpoint import Checkpoint
from capstone.training.devices import choose_device, on_device
from capstone.training.fit import Lesson, fit_model, lesson_with_folds
from capstone.training.health import check_health
from capstone.training.loop import LOSS_FUNCTIONS, Epoch, set_seed
from capstone.training.model import Target, all_members


class CapstonePipeline:
    """The project's whole path. Each step returns self, so that the steps can be written as a chain:

    CapstonePipeline(settings).load().clean().engineer().split().train().evaluate().save()
    """

    def __init__(
        self,
        settings: Settings,
        root: Path | str = ".",
        quick: bool = False,
        resume: bool = False,
        keep_checkpoints: bool = True,
        say: Callable[[str], Any] = print,
        on_epoch: Callable[[Epoch], None] = lambda epoch: None,
    ) -> None:
        self.settings = settings
        self.root = Path(root)
        self.quick = quick
        self.resume, self.keep_checkpoints = resume, keep_checkpoints
        self.say = say
        self.on_epoch = on_epoch
        self.seconds: dict[str, float] = {}
        self.about: dict[str, Any] = {}  # what run.json says besides
        self.place = f"src/{package_name(self.root)}/features.py"
        self.primary = primary_metric(settings.data.problem, settings.evaluation.primary_metric)
        set_seed(settings.seed)

    @step
    def load(self) -> str:
        """Read the table; forget the columns to leave out, so that no later step can use them."""
        data = self.settings.data
        path = self.root / data.path
        table, how = read_table(path, data)
        named = {
            "[data] target": [data.target],
            "[data] id": [data.id] if data.id else [],
            "[data] leave_out": data.leave_out,
            "[data] sensitive": data.sensitive,
        }
        check_named_columns(table, named, data.path)
        self.sha256 = fingerprint(path)
        self.raw = table.drop(columns=data.leave_out)
        return f"{len(table):,} rows, {len(table.columns)} columns from {data.path} ({how})"

    @step
    def clean(self) -> str:
        """The student's clean(): mend what is wrong in the table; then drop copies of rows."""
        self.table, changes = clean_table(self.raw, self.root, self.settings.data)
        return "; ".join(changes) or "nothing dropped"

    @step
    def engineer(self) -> str:
        """The student's engineer(): new columns made from a row's own values."""
        self.table, changes = apply_step(
            "engineer", self.table, self.root, self.settings.data.target
        )
        return "; ".join(changes) or "no new columns"

    @step
    def split(self) -> str:
        """Divide the rows into training, validation and test parts that share nothing."""
        data = self.settings.data
        check_enough_rows(self.table, len(self.raw))
        self.target = check_target(self.table[data.target], data)
        without_target = len(self.table) - len(self.target)
        self.table = self.table.loc[self.target.index]
        self.features = feature_columns(self.table, data)
        check_columns(self.table[self.features], data, self.place)
        self.parts = split_rows(self.table, self.target, self.settings)
        self.folds = deal_folds(self.table, self.target, self.parts["train"], self.settings)
        said = ", ".join(f"{part} {len(rows):,}" for part, rows in self.parts.items())
        unknown = f"; {without_target:,} rows without a target left out" if without_target else ""
        copies = len(self.table) - sum(map(len, self.parts.values()))
        later = f"; {copies:,} copies of earlier rows left out" if copies else ""
        return f"{said} rows ({self.settings.split.method}){unknown}{later}"

    @step
    def train(self) -> str:
        """Fit the preprocessing on the training part, then train the network."""
        settings, data = self.settings, self.settings.data
        self.device = choose_device(settings.training.device)
        preprocessor = Preprocessor(settings.preprocessing.max_categories, data.date_format)
        preprocessor.fit(self._features("train"))
        self._tell(preprocessor.notes(len(self.parts["train"])))
        target = Target.fit(self.target[self.parts["train"]], data.problem, data.positive)
        self.matrices = {part: preprocessor.transform(self._features(part)) for part in self.parts}
        self.unfinished = self.checkpoint() if self.keep_checkpoints else None
        if self.unfinished:
            self._tell(self.unfinished.notes(self.resume, newest_run(self.root / "runs")))
        self._tell(settings.training.notes())
        return self._learn(preprocessor, target, self._lesson(target))

    @step
    def evaluate(self) -> str:
        """Measure network and baselines on the test part: the one look at it in this run."""
        settings, problem = self.settings, self.settings.data.problem
        truth = {p: self.model.target.truth(self.target[self.parts[p]]) for p in self.parts}
        # Rows by models that were not fitted on them, their truth and prediction: to choose by.
        held_out = "validation" if self.folds is None else "train"
        rows, known = self.parts[held_out], truth[held_out]
        said = self.model.predict_matrix(self.matrices[held_out], self.folds)
        said = self.model.calibrate(known, said, settings.seed)
        self.prediction = self.model.predict_matrix(self.matrices["test"])
        train = (self.matrices["train"], truth["train"])
        others = baseline_predictions(*train, self.matrices["test"], problem, settings.seed)
        predictions = {"model": self.prediction, **others}
        judged = (truth["test"], predictions, problem, self.primary)
        self.metrics = evaluate_model(*judged, settings.evaluation.bootstrap, settings.seed)
        self.metrics["validation"] = point_metrics(known, said, problem)
        validation = Part(self.table.loc[rows], known, said)
        test = Part(self.table.loc[self.parts["test"]], truth["test"], self.prediction)
        given = (self.model, settings, self.root, self.primary)
        self.evidence = gather(*given, train, validation, test)
        self.metrics |= self.evidence.metrics
        self._tell(self.evidence.notes)
        score = self.metrics["model"][self.primary]
        return f"{self.primary} {score['value']:.3f} (95 % interval {score['low']:.3f} to {score['high']:.3f})"

    @step
    def save(self) -> str:
        """Write the run folder: complete or absent."""
        runs = self.root / "runs"
        info = describe_run(self.root, self.settings, self.sha256, self.device, self.history)
        info["rows"] = {part: len(rows) for part, rows in self.parts.items()}
        info["seconds"] = {name: round(seconds, 3) for name, seconds in self.seconds.items()}
        info |= {"health": self.health, "quick": self.quick, **self.about}
        info["trained_from"] = self.checkpoint().digest()
        info["test_looks"] = count_test_looks(runs) + 1
        with new_run(runs) as folder:
            self.write_to(folder)
            rows = Rows(self.raw, self.table, self.features, self.parts)
            given = (folder, self.root, self.settings, self.model, rows)
            info["files"], notes = export_run(*given, self.evidence.known, self.metrics)
            self._tell(notes)
            write_json(folder / "run.json", info)
            write_report(Run(folder, info, self.metrics))
        self.checkpoint().remove()
        self.folder = runs / folder.name.removeprefix(PARTIAL)
        return str(self.folder.relative_to(self.root))

    def write_to(self, folder: Path) -> None:
        """Write what the run has made: settings, history, metrics, predictions, schema, model."""
        write_text(folder / "settings.toml", resolved_toml(self.settings))
        write_csv(folder / "history.csv", self.history.table())
        write_json(folder / "metrics.json", self.metrics)
        test = self.parts["test"]
        columns = self.model.target.columns(self.prediction) | self.evidence.columns
        rows, data = self.table.loc[test], self.settings.data
        told = predictions_table(rows, self.target[test], data, columns)
        write_csv(folder / "predictions.csv", told)
        self.evidence.write(folder)
        schema = describe_columns(self.raw, self.table, self.parts["train"], self.settings)
        write_json(folder / "schema.json", schema)
        self.model.save(folder)

    def checkpoint(self) -> Checkpoint:
        """Where unfinished training is kept."""
        identity = training_identity(self.root, self.settings, self.sha256)
        seconds = self.settings.training.checkpoint_seconds
        return Checkpoint(self.root / "runs" / "checkpoint.pt", identity, seconds)

    def _tell(self, notes: list[str]) -> None:
        """Say something on the way, below the step that is under way."""
        for note in notes:
            self.say(f"  {note}")

    def _features(self, part: str) -> pd.DataFrame:
        return self.table.loc[self.parts[part], self.features]

    def _tensors(self, part: str, target: Target) -> tuple[torch.Tensor, torch.Tensor]:
        """Inputs and targets of a part, on the device."""
        inputs = on_device(self.matrices[part], self.device)
        return inputs, target.tensor(self.target[self.parts[part]], self.device)

    def _learn(self, preprocessor: Preprocessor, target: Target, lesson: Lesson) -> str:
        """Train the network, look at its health, and say how training went."""
        given = (self.root, self.settings, preprocessor, target, lesson)
        watched = (self._tell, self.on_epoch, self.unfinished, self.resume)
        self.model, self.history = fit_model(*given, *watched)
        encoding, networks = all_members(self.model.network)
        inputs, targets = self._tensors("train", target)
        self.health = check_health(networks, (encoding(inputs), targets), self.loss_function)
        self._tell(self.health)
        return (
            f"{len(self.history.epochs)} epochs on {self.device}, "
            f"best {self.history.best_epoch} ({self.history.ended}); "
            f"{len(preprocessor.inputs)} inputs, {self.model.parameters():,} parameters"
        )

    def _lesson(self, target: Target) -> Lesson:
        """What to learn from: with several members, they share the training part among them."""
        self.loss_function = LOSS_FUNCTIONS[target.problem]()
        train = self._tensors("train", target)
        if self.folds is not None:
            return lesson_with_folds(train, self.folds, self.loss_function)
        return Lesson(train, self._tensors("validation", target), self.loss_function)
