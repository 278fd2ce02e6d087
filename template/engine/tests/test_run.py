"""A run leaves everything, and what it leaves is true."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from capstone.core.errors import CapstoneError
from capstone.core.step import STEPS
from capstone.pipeline import CapstonePipeline
from capstone.runs.folder import new_run, read_run
from capstone.serving.inference.frames import frame_for_graph
from capstone.serving.inference.onnx_session import OnnxSession
from capstone.training.model import TrainedModel

FILES = {
    *("settings.toml", "run.json", "history.csv", "metrics.json", "predictions.csv"),
    *("model.safetensors", "model.json", "preprocessing.skops", "schema.json"),
    *("model.onnx", "serving.json"),
    *("shap.csv", "shap_values.parquet", "report.html"),
}


def test_the_run_folder_is_complete(finished: CapstonePipeline) -> None:
    assert {file.name for file in finished.folder.iterdir()} == FILES
    assert read_run(finished.root / "runs").folder == finished.folder


def test_the_saved_model_repeats_its_predictions(finished: CapstonePipeline) -> None:
    model = TrainedModel.load(finished.folder, finished.root)
    test_part = finished.table.loc[finished.parts["test"], finished.features]
    np.testing.assert_allclose(model.predict(test_part), finished.prediction, rtol=1e-6)


def test_the_graph_that_is_served_repeats_them_too(finished: CapstonePipeline) -> None:
    session = OnnxSession((finished.folder / "model.onnx").read_bytes())
    serving = json.loads((finished.folder / "serving.json").read_text(encoding="utf-8"))
    test_part = finished.table.loc[finished.parts["test"], finished.features]
    served = session.predict(frame_for_graph(test_part, serving["columns"]))
    spread = finished.prediction.std()
    np.testing.assert_allclose(served / spread, finished.prediction / spread, atol=1e-4)


def test_the_metrics_can_be_computed_from_the_predictions(finished: CapstonePipeline) -> None:
    table = pd.read_csv(finished.folder / "predictions.csv")
    metrics = json.loads((finished.folder / "metrics.json").read_text(encoding="utf-8"))
    if metrics["problem"] == "regression":
        name, value = "mae", (table["truth"] - table["prediction"]).abs().mean()
    else:
        same = table["truth"].astype(str) == table["prediction"].astype(str)
        name, value = "accuracy", same.mean()
    assert metrics["model"][name]["value"] == pytest.approx(value)


def test_the_run_remembers_seed_data_and_versions(finished: CapstonePipeline) -> None:
    info = json.loads((finished.folder / "run.json").read_text(encoding="utf-8"))
    assert info["seed"] == finished.settings.seed
    assert len(info["data"]["sha256"]) == 64
    assert info["versions"]["torch"]
    assert info["test_looks"] == 1


def test_a_step_out_of_order_names_the_step_that_is_missing(finished: CapstonePipeline) -> None:
    fresh = CapstonePipeline(finished.settings, finished.root)
    with pytest.raises(CapstoneError, match=r"train\(\) needs load\(\) first"):
        fresh.train()
    assert STEPS[0] == "load"


def test_a_run_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    with pytest.raises(CapstoneError, match="can't be written"), new_run(runs) as folder:
        (folder / "metrics.json").write_text("{}", encoding="utf-8")
        raise OSError(28, "No space left on device")
    assert list(runs.iterdir()) == []
