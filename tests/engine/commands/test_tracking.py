"""Runs can be logged for TensorBoard and MLflow as well; what goes wrong there never costs a run."""

import json
import os
import re
import shlex
import socket
import subprocess
import sys
import time
import tomllib
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest

from capstone.core.settings_file import load_settings
from tests.support.helpers import Capstone, Render, tool

TENSORBOARD = ("--set", "tracking.tensorboard=true")
LOCAL = ("--set", "tracking.mlflow=local")
# MLflow uses what its own library of databases calls old; Python doesn't show that to students.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy")


def latest(project: Path) -> Path:
    return project / "runs" / (project / "runs" / "LATEST").read_text(encoding="utf-8").strip()


def history(project: Path) -> list[tuple[int, float]]:
    table = pd.read_csv(latest(project) / "history.csv")
    return list(zip(table["epoch"], table["validation_loss"], strict=True))


def score(project: Path, name: str) -> float:
    metrics = json.loads((latest(project) / "metrics.json").read_text(encoding="utf-8"))
    return metrics["model"][name]["value"]


def get(address: str) -> bytes:
    with urllib.request.urlopen(address, timeout=10) as answer:
        return bytes(answer.read())


def test_tensorboard_reads_what_was_logged_for_it(copy_of: Render, capstone: Capstone) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    project = copy_of(problem="regression")
    code, _, error = capstone(project, "run", "--quick", *TENSORBOARD)
    assert (code, error) == (0, "")
    [folder] = (project / "runs" / "tensorboard").iterdir()
    assert folder.name == latest(project).name
    events = EventAccumulator(str(folder)).Reload()
    logged = [(event.step, event.value) for event in events.Scalars("loss/validation")]
    assert logged == [(epoch, pytest.approx(loss)) for epoch, loss in history(project)]
    assert events.Scalars("test/r2")[0].value == pytest.approx(score(project, "r2"))
    settings = events.Tensors("settings/text_summary")[0].tensor_proto.string_val[0].decode()
    assert "training.epochs = 3" in settings
    assert "email" not in settings
    # The line of the guide opens its pages.
    [line] = re.findall(
        r"`(tensorboard --logdir .*?)`", (project / "engine" / "guide.md").read_text("utf-8")
    )
    tensorboard = [sys.executable, "-m", "tensorboard.main", *line.split()[1:]]
    with serving(tensorboard, project, "/data/runs") as (address, _):
        assert json.loads(get(f"{address}/data/runs")) == [folder.name]


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A real MLflow server on a free port: its address, and its process."""
    folder = tmp_path_factory.mktemp("mlflow")
    command = [sys.executable, "-m", "mlflow", "server", "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{(folder / 'server.db').as_posix()}"]
    with serving(command, folder, "/health") as started:
        yield started


@contextmanager
def serving(
    command: list[str], folder: Path, ready: str
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A program that serves on a free port, once it answers there; its address, and its process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    log = folder.with_name(f"{folder.name}-log")
    with log.open("wb") as said:
        process = subprocess.Popen(
            [*command, "--port", str(port)],
            cwd=folder,
            env={**os.environ, **quiet},
            stdout=said,
            stderr=said,
        )
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(1800):
            try:
                get(f"{address}{ready}")
                break
            except OSError:
                assert process.poll() is None, log.read_text(encoding="utf-8")
                time.sleep(0.1)
        yield address, process
    finally:
        process.terminate()
        process.wait(20)


@pytest.mark.slow
def test_a_real_mlflow_server_gets_the_run_and_may_go_away(
    copy_of: Render,
    capstone: Capstone,
    server: tuple[str, subprocess.Popen[bytes]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from mlflow import MlflowClient

    import capstone.commands.tracking as tracking

    address, process = server
    project = copy_of(problem="regression", author_email="me@example.org")
    logged = ("run", "--quick", "--set", f"tracking.mlflow={address}")
    code, _, error = capstone(project, *logged)
    assert (code, error) == (0, "")
    client = MlflowClient(address)
    experiment = client.get_experiment_by_name(load_settings(project).project.name)
    assert experiment
    [run] = client.search_runs([experiment.experiment_id])
    assert (run.info.run_name, run.info.status) == (latest(project).name, "FINISHED")
    losses = client.get_metric_history(run.info.run_id, "loss/validation")
    assert [(metric.step, metric.value) for metric in losses] == [
        (epoch, pytest.approx(loss)) for epoch, loss in history(project)
    ]
    assert run.data.metrics["test/r2"] == pytest.approx(score(project, "r2"))
    assert run.data.params["training.epochs"] == "3"
    assert "example.org" not in str(run.to_dictionary()), "who the author is stays here"
    assert client.list_artifacts(run.info.run_id) == []

    def stop_the_server(epoch: tracking.Epoch) -> dict[str, float]:
        process.terminate()
        process.wait(20)
        return {"loss/train": epoch.train_loss}

    monkeypatch.setattr(tracking, "SEND_EVERY", 0.0)
    monkeypatch.setattr(tracking, "epoch_metrics", stop_the_server)
    before = latest(project)
    code, said, error = capstone(project, *logged)
    assert (code, error) == (0, "")
    assert len(re.findall(r"MLflow gets no more \(.*\); the run itself goes on", said)) == 1
    assert latest(project) != before

    code, _, error = capstone(project, *logged)
    assert (code, error.count("\n")) == (2, 1), error
    assert f"MLflow can't be used at {address} (" in error


def test_without_a_server_mlflow_uses_a_file_among_the_runs(
    copy_of: Render, capstone: Capstone, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient

    project = copy_of(problem="regression")
    before = {path.name for path in project.iterdir()}
    assert capstone(project, "run", "--quick", *LOCAL)[0] == 0
    assert {path.name for path in project.iterdir()} == before | {"runs"}

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("capstone.training.model.save", full)
        assert capstone(project, "run", "--quick", *LOCAL)[0] == 2
    client = MlflowClient(f"sqlite:///{(project / 'runs' / 'mlflow.db').as_posix()}")
    experiment = client.get_experiment_by_name(load_settings(project).project.name)
    assert experiment
    runs = client.search_runs([experiment.experiment_id])
    assert [run.info.status for run in runs] == ["FAILED", "FINISHED"]
    assert runs[1].info.run_name == latest(project).name

    (project / "runs" / "mlflow.db").write_bytes(b"no database")
    code, _, error = capstone(project, "run", "--quick", *LOCAL)
    assert (code, error.count("\n")) == (2, 1), error
    assert "MLflow can't be used at sqlite:///" in error


@pytest.mark.parametrize(
    ("options", "modules"),
    [(TENSORBOARD, ["tensorboard", "torch.utils.tensorboard"]), (LOCAL, ["mlflow"])],
)
def test_a_missing_library_is_said_with_the_line_that_installs_it(
    copy_of: Render,
    capstone: Capstone,
    monkeypatch: pytest.MonkeyPatch,
    options: tuple[str, ...],
    modules: list[str],
) -> None:
    project = copy_of(problem="regression")
    for module in modules:
        monkeypatch.setitem(sys.modules, module, None)
    code, _, error = capstone(project, "run", "--quick", *options)
    assert (code, error.count("\n")) == (2, 1), error
    assert f"[tracking] {modules[0]} needs a library that is not installed" in error
    assert '`uv sync --extra tracking` (or `pip install -e ".[tracking]"`)' in error
    extras = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert "tracking" in extras["optional-dependencies"]


@pytest.mark.parametrize(
    ("place", "sentence"),
    [
        ("lokal", 'mlflow is "lokal"; give "", "local" or an address such as "http://'),
        ("https://me:secret@example.org", "take it out and set MLFLOW_TRACKING_USERNAME"),
    ],
)
def test_a_place_that_is_none_or_holds_a_password_is_refused(
    copy_of: Render, capstone: Capstone, place: str, sentence: str
) -> None:
    code, _, error = capstone(copy_of(), "run", "--set", f"tracking.mlflow={place}")
    assert (code, error.count("\n")) == (2, 1), error
    assert sentence in error


def test_the_guide_shows_runs_with_the_version_that_wrote_them(render: Render) -> None:
    """Another minor version has other tables."""
    project = render()
    pins = (project / "pyproject.toml").read_text(encoding="utf-8")
    minor = re.findall(r'"mlflow-skinny~=(\d+\.\d+)\.\d+"', pins)[0]
    guide = (project / "engine" / "guide.md").read_text(encoding="utf-8")
    assert re.findall(r"mlflow~=(\d+\.\d+)\.0", guide) == [minor, minor]


@pytest.mark.long
@pytest.mark.network
def test_the_pages_of_mlflow_open_as_the_readme_says(copy_of: Render, capstone: Capstone) -> None:
    """With uv; pipx runs the same command in the same way."""
    project = copy_of(problem="regression")
    assert capstone(project, "run", "--quick", *LOCAL)[0] == 0
    guide = (project / "engine" / "guide.md").read_text(encoding="utf-8")
    [line] = re.findall(r'^ *uvx ("mlflow.*)$', guide, re.MULTILINE)
    with serving([tool("uvx"), *shlex.split(line)], project, "/health") as (address, _):
        assert b"MLflow" in get(address)
