"""Optional logs of a run for TensorBoard and MLflow: section [tracking] of capstone.toml.

A run folder holds everything; a log is a copy of its numbers, to look at. So a log that can't be begun is
said before training, and one that breaks later never ends the run.
"""

from __future__ import annotations

import logging
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from capstone.core.errors import CapstoneError
from capstone.core.files import database, move, remove, told
from capstone.core.settings import Settings, flatten
from capstone.runs.folder import Run
from capstone.training.history import Epoch

SEND_EVERY = (
    5.0  # seconds between two messages to MLflow: one for each epoch would slow training down
)
LONGEST_VALUE = 6000  # characters of a setting that MLflow takes


class Log(Protocol):
    """One place where a run is logged."""

    name: str

    def epoch(self, epoch: Epoch) -> None:
        """After each epoch."""

    def finish(self, run: Run) -> None:
        """The run is complete and saved."""

    def stop(self, interrupted: bool) -> None:
        """The run has ended without a result."""


class Logs:
    """All logs that [tracking] asks for. One that breaks is left out from then on, with a note."""

    def __init__(self, say: Callable[[str], object], draw: Callable[[Epoch], object]) -> None:
        self.logs: list[Log] = []
        self.say, self.draw = say, draw

    def epoch(self, epoch: Epoch) -> None:
        self.draw(epoch)
        self._each(lambda log: log.epoch(epoch))

    def finish(self, run: Run) -> None:
        self._each(lambda log: log.finish(run))

    def stop(self, interrupted: bool) -> None:
        self._each(lambda log: log.stop(interrupted))

    def _each(self, call: Callable[[Log], None]) -> None:
        for log in list(self.logs):
            try:
                call(log)
            except Exception as error:  # a server gone, a full disk: each library has its own
                self.logs.remove(log)
                self.say(f"  {log.name} gets no more ({_reason(error)}); the run itself goes on")


@contextmanager
def tracking(
    settings: Settings,
    root: Path,
    say: Callable[[str], object],
    draw: Callable[[Epoch], object],
) -> Iterator[Logs]:
    """The logs of one run. Raises CapstoneError when one of them can't be begun.

    say   prints a line
    draw  shows the progress of training, and is called for each epoch too
    """
    logs, usual = Logs(say, draw), threading.excepthook
    threading.excepthook = lambda args: None if _is_told(args.thread) else usual(args)
    try:
        if settings.tracking.tensorboard:
            logs.logs.append(TensorBoard(settings, root))
        if settings.tracking.mlflow:
            logs.logs.append(MLflow(settings, root))
        yield logs
    except BaseException as error:
        logs.stop(interrupted=isinstance(error, KeyboardInterrupt))
        raise
    finally:
        threading.excepthook = usual


class TensorBoard:
    """Curves in runs/tensorboard/<run>, drawn while training goes on: `tensorboard --logdir runs/tensorboard`."""

    name = "TensorBoard"

    def __init__(self, settings: Settings, root: Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise _missing("tensorboard") from None
        # The run gets its name when it is saved; until then the folder is called after its beginning.
        name = f"unfinished-{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"
        self.folder = root / "runs" / "tensorboard" / name
        lines = [f"    {name} = {value}" for name, value in logged_settings(settings).items()]
        try:
            with told(self.folder, "or set [tracking] tensorboard = false"):
                self.writer = SummaryWriter(str(self.folder), flush_secs=5)
                self.writer.add_text("settings", "\n".join(lines))
                self.writer.flush()
        except CapstoneError:
            remove(self.folder)
            raise

    def epoch(self, epoch: Epoch) -> None:
        for name, value in epoch_metrics(epoch).items():
            self.writer.add_scalar(name, value, epoch.epoch)

    def finish(self, run: Run) -> None:
        for name, value in result_metrics(run).items():
            self.writer.add_scalar(name, value, run.info["best_epoch"])
        self.writer.close()
        move(self.folder, self.folder.with_name(run.id))

    def stop(self, interrupted: bool) -> None:
        self.writer.close()


class MLflow:
    """A run of the experiment that is called like the project, in runs/mlflow.db or on a server.

    Settings and scores are sent, files are not: predictions may hold what others must not see.
    """

    name = "MLflow"

    def __init__(self, settings: Settings, root: Path) -> None:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # tell nobody that it is used
        os.environ.setdefault(
            "MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1"
        )  # else minutes, when it is gone
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
        try:
            from mlflow import MlflowClient
        except ImportError:
            raise _missing("mlflow") from None
        for talkative in ("mlflow", "alembic"):
            logging.getLogger(talkative).setLevel(logging.WARNING)
        self.waiting: list[Any] = []
        self.sent = time.monotonic()
        address, otherwise = settings.tracking.mlflow, 'set [tracking] mlflow = ""'
        store, files = root / "runs" / "mlflow.db", None
        place: AbstractContextManager[None] = nullcontext()
        if address == "local":
            address = f"sqlite:///{store.resolve().as_posix()}"
            files = (root / "runs" / "mlflow").resolve().as_uri()
            place = database(store, f"or {otherwise}")
        try:
            with place:
                self.client = MlflowClient(address)
                self._begin(settings, files)
        except CapstoneError:
            raise
        except Exception as error:  # no server, a damaged file, another version's tables, no rights
            raise CapstoneError(
                f"MLflow can't be used at {address} ({_reason(error)}): start or mend it, or {otherwise}."
            ) from None

    def _begin(self, settings: Settings, files: str | None) -> None:
        """A run of the project's experiment, with the settings."""
        name = settings.project.name
        known = self.client.get_experiment_by_name(name)
        experiment = known.experiment_id if known else self.client.create_experiment(name, files)
        self.run_id: str = self.client.create_run(experiment).info.run_id
        for key, value in logged_settings(settings).items():
            self.client.log_param(self.run_id, key, str(value)[:LONGEST_VALUE])

    def epoch(self, epoch: Epoch) -> None:
        self._add(epoch_metrics(epoch), epoch.epoch)
        if time.monotonic() - self.sent > SEND_EVERY:
            self._send()

    def finish(self, run: Run) -> None:
        self._add(result_metrics(run), run.info["best_epoch"])
        self._send()
        tags = {"data_sha256": run.info["data"]["sha256"], "git_commit": run.info["git"]["commit"]}
        for key, value in {**tags, "quick": run.info["quick"]}.items():
            self.client.set_tag(self.run_id, f"capstone.{key}", str(value))
        self.client.update_run(self.run_id, name=run.id)
        self.client.set_terminated(self.run_id, "FINISHED")

    def stop(self, interrupted: bool) -> None:
        self._send()
        self.client.set_terminated(self.run_id, "KILLED" if interrupted else "FAILED")

    def _add(self, metrics: dict[str, float], step: int) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        self.waiting += [Metric(name, value, now, step) for name, value in metrics.items()]

    def _send(self) -> None:
        for first in range(0, len(self.waiting), 1000):  # MLflow takes no more at once
            self.client.log_batch(self.run_id, self.waiting[first : first + 1000])
        self.waiting, self.sent = [], time.monotonic()


def logged_settings(settings: Settings) -> dict[str, Any]:
    """The settings as "section.key", without who the author is."""
    return flatten(settings.model_dump(exclude={"project", "tracking"}))


def epoch_metrics(epoch: Epoch) -> dict[str, float]:
    """What is logged after an epoch."""
    return {
        "loss/train": epoch.train_loss,
        "loss/validation": epoch.validation_loss,
        "learning_rate": epoch.learning_rate,
        "seconds": epoch.seconds,
    }


def result_metrics(run: Run) -> dict[str, float]:
    """The scores of a finished run: on the test part with their intervals, and on the validation part."""
    scores = {f"validation/{name}": value for name, value in run.metrics["validation"].items()}
    for name, score in run.metrics["model"].items():
        scores |= {f"test/{name}": score["value"]}
        scores |= {f"test/{name}_{end}": score[end] for end in ("low", "high")}
    return {name: value for name, value in scores.items() if value is not None}


def _missing(library: str) -> CapstoneError:
    return CapstoneError(
        f"[tracking] {library} needs a library that is not installed: run `uv sync --extra tracking` "
        '(or `pip install -e ".[tracking]"`).'
    )


def _is_told(thread: threading.Thread | None) -> bool:
    """Whether what ends a thread, such as a full disk, is raised once more where the log is written to."""
    return type(thread).__name__ == "_AsyncWriterThread"  # TensorBoard's


def _reason(error: Exception) -> str:
    """The first line of what a library says, without its inner exceptions and its full stop."""
    lines = str(getattr(error, "message", "") or error).splitlines() or [type(error).__name__]
    return lines[0].partition(" with exception")[0][:200].rstrip(".: ")
