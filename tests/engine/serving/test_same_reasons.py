"""A row has one set of SHAP values: in the report, by `capstone explain`, and from a service."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from capstone.commands.explain import explain_row
from capstone.runs.folder import read_run, read_settings
from capstone.serving.http.explaining import explain_row as explain_served
from capstone.serving.inference.frames import frame_for_graph
from capstone.serving.inference.served_model import ServedModel
from capstone.streaming.pipeline import open_pipeline


def test_a_row_is_explained_alike_wherever_it_is_asked(
    tiny_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tiny_run / "src"))
    monkeypatch.setattr("capstone.serving.http.explaining.MAX_SECONDS", 60)
    run = read_run(tiny_run / "runs")
    stored = pd.read_parquet(run.folder / "shap_values.parquet").set_index("row")
    pipeline = open_pipeline(read_settings(run), tiny_run, say=lambda line: None)
    table = pipeline.load().clean().engineer().split().table
    served = ServedModel.load(run.folder, tiny_run)
    for row in stored.index[:3]:
        reported = stored.loc[row].filter(like="shap of ").astype(float)
        reported.index = reported.index.str.removeprefix("shap of ")
        asked = explain_row(tiny_run, run, str(table.loc[row, pipeline.settings.data.id]))
        inputs = frame_for_graph(table.loc[[row]], served.serving["columns"])
        answer = explain_served(served, inputs)
        for found in (
            asked.columns.set_index("column")["moved"],
            pd.DataFrame(answer["columns"]).set_index("column")["moved"],
        ):
            assert set(found.index) == set(reported.index)
            np.testing.assert_allclose(found[reported.index], reported, atol=1e-5)
        assert asked.base == pytest.approx(stored.loc[row, "base"], abs=1e-5)
        assert answer["base"] == pytest.approx(stored.loc[row, "base"], abs=1e-5)
