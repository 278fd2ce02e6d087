"""The seven steps from a table to a saved model: load, clean, engineer, split, train, evaluate, save."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from capstone.core.files import PARTIAL, write_csv, write_json, write_text
from capstone.core.project import package_name
from capstone.core.sealed_files import SealedFiles, hash_files
from capstone.core.settings import Settings
from capstone.core.step import step
from capstone.core.text import count, say
from capstone.data.kinds import feature_columns
from capstone.data.preprocessing import Preprocessor
from capstone.data.reading import fingerprint, patience, read_table
from capstone.data.schema import describe_columns
from capstone.data.splitting import assign_folds, split_rows
from capstone.data.user_steps import apply_step, clean_table
from capstone.data.validation import (
    check_columns,
    check_enough_rows,
    check_named_columns,
    check_target,
    notes_on_columns,
)
from capstone.evaluation.analysis import PredictedRows, analyze
from capstone.evaluation.calibration import calibrate
from capstone.evaluation.evaluate import (
    baseline_predictions,
    evaluate_model,
    point_metrics,
    primary_metric,
)
from capstone.evaluation.plausibility import find_doubt
from capstone.export.onnx.export import ModelExport, RunRows
from capstone.export.rehearsal import rehearse
from capstone.reporting.report.report import write_report
from capstone.runs.folder import Run, count_test_looks, finished_trainings, new_run, read_run
from capstone.runs.provenance import describe_run, resolved_toml, training_identity
from capstone.runs.verify import predictions_table
from capstone.training.batches import Batch
from capstone.training.checkpoint import Checkpoint
from capstone.training.devices import choose_device, on_device
from capstone.training.fit import train_model
from capstone.training.health import check_health
from capstone.training.loop import CRITERIA, Callback, Trainer
from capstone.training.model import TrainedModel
from capstone.training.network import NetworkBuilder, encoding_of, members_of
from capstone.training.seed import set_seed
from capstone.training.target import Target, rescale
from capstone.training.training_data import TrainingData, data_for_ensemble, data_for_one
from capstone.training.transfer import check_source


@dataclass(frozen=True)
class RunOptions:
    """How a run is made, beyond what capstone.toml says.

    Parameters
    ----------
    quick : bool
        Noted in run.json: the run was only to see that every step works.
    resume : bool
        Go on from the checkpoint of a run that was stopped.
    name, note : str
        What a person calls the run, and says about it: kept in run.json.
    keep_checkpoints : bool
        Write checkpoints while training.
    keep_row : str
        The row with this id or number is read in any case, also of a table that is only sampled.
    streamed : bool, optional
        Whether the table is read in blocks; None chooses by its size.
    trainer : type of Trainer
        What trains the network.
    """

    quick: bool = False
    resume: bool = False
    name: str = ""
    note: str = ""
    keep_checkpoints: bool = True
    keep_row: str = ""
    streamed: bool | None = None
    trainer: type[Trainer] = Trainer


DEFAULTS = RunOptions()


class CapstonePipeline:
    """The project's whole path. Each step returns self, so that the steps can be written as a chain:

    CapstonePipeline(settings).load().clean().engineer().split().train().evaluate().save()

    Parameters
    ----------
    settings : Settings
        capstone.toml, as `load_settings` reads it.
    root : Path
        The project's folder.
    options : RunOptions
        Whether to resume, for example.
    say : callable
        Is given each line to print.
    """

    def __init__(
        self,
        settings: Settings,
        root: Path | str = ".",
        options: RunOptions = DEFAULTS,
        say: Callable[[str], object] = say,
    ) -> None:
        self.settings, self.root = settings, Path(root)
        self.options, self.say = options, say
        self.show: Callable[[str], object] = lambda what: None  # told what is under way
        self.callbacks: list[Callback] = []  # told when an epoch of training ends
        self.rehearsed = False
        self.seconds: dict[str, float] = {}
        self.about: dict[str, Any] = {}  # what run.json says besides
        self.place = f"src/{package_name(self.root)}/features.py"
        self.primary = primary_metric(settings.data.problem, settings.evaluation.primary_metric)
        # One seed decides the split, the first weights and the order of rows. Change it, and see how far scores move
        # by luck.
        set_seed(settings.seed)

    @step
    def load(self) -> str:
        """Read the table; forget the columns to leave out, so that no later step can use them."""
        data = self.settings.data
        table, description = self.read()
        named = {
            "[data] target": [data.target],
            "[data] id": [data.id] if data.id else [],
            "[data] leave_out": data.leave_out,
            "[data] sensitive": data.sensitive,
        }
        # A slip in capstone.toml is named here, before anything has taken time.
        check_named_columns(table, named, data.path)
        # What is dropped here can leak into nothing: no later step has ever seen it.
        self.raw = table.drop(columns=data.leave_out)
        return description

    def read(self) -> tuple[pd.DataFrame, str]:
        """The table, and a line on it."""
        data = self.settings.data
        path = self.root / data.path
        table, how = read_table(path, data)
        self.sha256 = fingerprint(path)
        size = f"{count(len(table), 'row')}, {count(len(table.columns), 'column')}"
        return table, f"{size} from {data.path} ({how}){patience(len(table.columns))}"

    @step
    def clean(self) -> str:
        """The student's clean(): mend what is wrong in the table; then drop copies of rows."""
        # Your clean() in features.py sees the whole table, test rows too. So it may mend and drop, but must not
        # learn anything from the values, such as a mean: that would be known in training before the exam.
        self.table, changes = clean_table(self.raw, self.root, self.settings.data)
        return "; ".join(changes) or "nothing dropped"

    @step
    def engineer(self) -> str:
        """The student's engineer(): new columns made from a row's own values."""
        # Your engineer() makes new columns of a row from that row alone, for the same reason.
        self.table, changes = apply_step(
            "engineer", self.table, self.root, self.settings.data.target
        )
        return "; ".join(changes) or "no new columns"

    @step
    def split(self) -> str:
        """Divide the rows into training, validation and test parts that share nothing."""
        data = self.settings.data
        # A row without a target teaches nothing and can't be marked, so it is left out of every part.
        check_enough_rows(self.table, len(self.raw))
        self.target = check_target(self.table[data.target], data)
        without_target = len(self.table) - len(self.target)
        self.table = self.table.loc[self.target.index]
        self.features = feature_columns(self.table, data)
        check_columns(self.table[self.features], data, self.place)
        self._tell(notes_on_columns(self.table[self.features]))
        # Three parts: one to learn from, one to choose by (when to stop, which threshold), and one for the exam.
        # Rows that belong together, such as copies, lie in one part: else the exam would ask what was taught.
        self.parts = split_rows(self.table, self.target, self.settings)
        # With several networks there is no validation part: each leaves out a fold of the training rows and chooses
        # by that.
        self.folds = assign_folds(self.table, self.target, self.parts["train"], self.settings)
        said = ", ".join(f"{part} {len(rows):,}" for part, rows in self.parts.items())
        unknown = f"; left out without a target: {without_target:,}" if without_target else ""
        copies = len(self.table) - sum(map(len, self.parts.values()))
        later = f"; {copies:,} copies of earlier rows left out" if copies else ""
        held_out = "; each network keeps its own part of train for validation"
        held_out = "" if self.folds is None else held_out
        return f"{said} rows ({self.settings.split.method}){held_out}{unknown}{later}"

    @step
    def train(self) -> str:
        """Fit the preprocessing on the training part, then train the network."""
        settings, builder = self.settings, self.prepare()
        callbacks = [*self._checkpoints(), *self.callbacks]
        # The next stop on the path: train_model in training/fit.py.
        with self.training_data(builder.preprocessor, builder.target) as data:
            self._tell(settings.training.notes(len(data.train), self.options.quick))
            self.model, self.history = train_model(
                builder, data, settings, self.options.trainer, callbacks, self._tell
            )
        self._check_health()
        return (
            f"{count(len(self.history.epochs), 'epoch')} on {self.device}, "
            f"best epoch {self.history.best_epoch} ({self.history.ended}); "
            f"{self.model.parameters():,} parameters in all"
        )

    def prepare(self) -> NetworkBuilder:
        """Fit the preprocessing; the first time, also try all that comes after training."""
        self.device = choose_device(self.settings.training.device)
        # Means, spreads and categories are learned from the training part alone, and then used on all parts.
        preprocessor, target = self.fit_preprocessing()
        # From here on a row is a list of numbers, and a category is a 1 among zeros ("one-hot").
        self.matrices = {part: preprocessor.transform(self._features(part)) for part in self.parts}
        source = self._source(preprocessor)
        # It knows how to build your network.py for these columns, as often as it takes, always with the same weights.
        builder = NetworkBuilder(self.root, self.settings, preprocessor, target, source)
        if not self.rehearsed:
            # A slip in network.py or decisions.py is told now, and not when an hour of training is over.
            rows = RunRows(self.raw, self.table, self.features, self.parts)
            truth = target.truth(self.target[self.parts["train"]])
            rehearse(builder, rows, self.matrices["train"], truth)
            self.rehearsed = True
        return builder

    def fit_preprocessing(self) -> tuple[Preprocessor, Target]:
        """Learn from the training part how columns become numbers, and what the target's are."""
        data = self.settings.data
        preprocessor = Preprocessor(self.settings.preprocessing.max_categories, data.date_format)
        # "fit" is where leaks happen: it may see training rows and nothing else.
        preprocessor.fit(self._features("train"))
        self._tell(preprocessor.notes(len(self.parts["train"])))
        target = Target.fit(self.target[self.parts["train"]], data.problem, data.positive)
        return preprocessor, target

    @contextmanager
    def training_data(self, preprocessor: Preprocessor, target: Target) -> Iterator[TrainingData]:
        """What to learn from: with several members, they share the training part among them."""
        train = self._tensors("train", target)
        if self.folds is not None:
            yield data_for_ensemble(train, self.folds, target.problem)
        else:
            yield data_for_one(train, self._tensors("validation", target), target.problem)

    @step
    def evaluate(self) -> str:
        """Measure network and baselines on the test part: the one look at it in this run."""
        settings, problem = self.settings, self.settings.data.problem
        truth = {
            part: self.model.target.truth(self.target[rows]) for part, rows in self.parts.items()
        }
        # What to choose by: rows that the networks were not fitted on, their truth and their predictions.
        held_out = "validation" if self.folds is None else "train"
        predictions = self.model.predict_matrix(self.matrices[held_out], self.folds)
        # Networks are often too sure of themselves. A temperature divides their scores: which class comes first stays
        # the same, but then about 80% of the rows that get 80% come true.
        self.model.target = calibrate(
            self.model.target, truth[held_out], predictions, settings.seed
        )
        predictions = rescale(predictions, self.model.target.temperature)
        validation = PredictedRows(
            self.table.loc[self.parts[held_out]], truth[held_out], predictions
        )
        # Here the test part is looked at.
        self.prediction = self.model.predict_matrix(self.matrices["test"])
        test = PredictedRows(self.table.loc[self.parts["test"]], truth["test"], self.prediction)
        train = (self.matrices["train"], truth["train"])
        self.show("evaluate: simpler models to compare with")
        # A score means little by itself: would a mean, a straight line or boosted trees have done as well?
        baselines = baseline_predictions(*train, self.matrices["test"], problem, settings.seed)
        # Each score gets an interval: with other test rows it would have come out a little different.
        self.metrics = evaluate_model(
            test.truth,
            {"model": test.prediction, **baselines},
            problem,
            self.primary,
            settings.evaluation.bootstrap,
            settings.seed,
        )
        # Compare your own ideas by this score. A test score that you choose by is no exam any more, but one more
        # lesson.
        self.metrics["validation"] = point_metrics(truth[held_out], predictions, problem)
        # A score too good to be true mostly is: a column says what nobody knows yet when it counts.
        seen = validation.table[list(dict.fromkeys(self.model.preprocessor.origins))]
        known, tested = self.target[seen.index], len(test.truth)
        if doubt := find_doubt(seen, known, self.metrics, tested, settings.data):
            self.metrics["doubt"] = doubt
        self.show("evaluate: errors, groups and the SHAP values of each column")
        # A score says how good; this says why, for whom, and what following decisions.py would have cost.
        self.analysis = analyze(self.model, settings, self.root, train, validation, test)
        self.metrics |= self.analysis.metrics
        self._tell(self.analysis.notes)
        score = self.metrics["model"][self.primary]
        return f"{self.primary} {score['value']:.3f} (95% interval {score['low']:.3f} to {score['high']:.3f})"

    @step
    def save(self) -> str:
        """Write the run folder: complete or absent."""
        runs = self.root / "runs"
        info = describe_run(self.root, self.settings, self.sha256, self.device, self.history)
        info["rows"] = {part: len(rows) for part, rows in self.parts.items()}
        info["seconds"] = {name: round(seconds, 3) for name, seconds in self.seconds.items()}
        info |= {"health": self.health, "quick": self.options.quick, **self.about}
        info |= {"name": self.options.name, "note": self.options.note}
        info["trained_from"] = self.checkpoint.digest()
        # Every look at the test part tempts to try again, so the looks are counted, and the report tells how many
        # there were.
        info["test_looks"] = count_test_looks(runs) + 1
        # Everything is written into a folder beside, which gets its name when it is complete: there is never half a
        # run.
        with new_run(runs, self.checkpoint.how_to_go_on()) as folder:
            self.write_to(folder)
            rows = RunRows(self.raw, self.table, self.features, self.parts)
            export = ModelExport(self.root, self.settings, self.model, rows)
            self._tell(export.write(folder, self.analysis.context, self.metrics))
            # Who reads a file later compares it with its SHA-256 here: an edited score is not believed.
            info["files"] = hash_files(folder)
            self.show("save: the report")
            write_report(Run(SealedFiles(folder, info), self.metrics))
            write_json(folder / "run.json", info | {"files": hash_files(folder)})
        self.checkpoint.remove()
        self.folder = runs / folder.name.removeprefix(PARTIAL)
        return str(self.folder.relative_to(self.root))

    def write_to(self, folder: Path) -> None:
        """Write what the run has made: settings, history, metrics, predictions, schema, model."""
        write_text(folder / "settings.toml", resolved_toml(self.settings))
        write_csv(folder / "history.csv", self.history.table())
        write_json(folder / "metrics.json", self.metrics)
        test = self.parts["test"]
        columns = self.model.target.columns(self.prediction) | self.analysis.columns
        rows, data = self.table.loc[test], self.settings.data
        table = predictions_table(rows, self.target[test], data, columns)
        write_csv(folder / "predictions.csv", table)
        self.analysis.write(folder)
        schema = describe_columns(self.raw, self.table, self.parts["train"], self.settings)
        write_json(folder / "schema.json", schema)
        self.model.save(folder)

    @cached_property
    def checkpoint(self) -> Checkpoint:
        """Where unfinished training is kept."""
        seconds = self.settings.training.checkpoint_seconds
        identity, resume = self.training_identity(), self.options.resume
        return Checkpoint.among(self.root / "runs", identity, seconds, resume)

    def training_identity(self) -> dict[str, Any]:
        """What the weights depend on."""
        return training_identity(self.root, self.settings, self.sha256)

    def _checkpoints(self) -> list[Callback]:
        """The checkpoint, if one is kept."""
        if not self.options.keep_checkpoints:
            return []
        self._tell(self.checkpoint.prepare(finished_trainings(self.root / "runs")))
        return [self.checkpoint]

    def _source(self, preprocessor: Preprocessor) -> TrainedModel | None:
        """The model of the earlier run to start from, if one is set (transfer learning)."""
        place = self.settings.training.start_from
        if not place:
            return None
        run = read_run(self.root / "runs", place)
        source = TrainedModel.load(run.folder, self.root)
        self._tell(check_source(source, run.id, preprocessor.inputs))
        return source

    def _check_health(self) -> None:
        """Look for dead neurons and vanished gradients, and say what to do."""
        inputs, targets = self._tensors("train", self.model.target)
        network = self.model.network
        part = (encoding_of(network)(inputs), targets)
        criterion = CRITERIA[self.model.target.problem]()
        self.health = check_health(members_of(network), part, criterion)
        self._tell(self.health)

    def _tell(self, notes: list[str]) -> None:
        """Say something on the way, below the step that is under way."""
        for note in notes:
            self.say(f"  {note}")

    def _features(self, part: str) -> pd.DataFrame:
        return self.table.loc[self.parts[part], self.features]

    def _tensors(self, part: str, target: Target) -> Batch:
        """Inputs and targets of a part, on the device."""
        inputs = on_device(self.matrices[part], self.device)
        return inputs, target.tensor(self.target[self.parts[part]], self.device)
