"""The exported model: it answers as was measured, from the raw columns, without torch and pandas."""

import itertools
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pandas as pd
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from capstone.columns import tidy_text
from capstone.commands.predict import predict_file
from capstone.core.errors import CapstoneError
from capstone.core.settings_file import load_settings
from capstone.core.student_code import load_attribute
from capstone.data import chunks
from capstone.data.chunks import read_chunks
from capstone.data.kinds import find_date_format, to_dates
from capstone.data.preprocessing import Preprocessor
from capstone.data.reading import read_table
from capstone.export.onnx.export import check_agreement
from capstone.export.onnx.network_graph import OPSET, GraphBuilder, add_members
from capstone.export.onnx.preprocessing_graph import _date_parts, build_graph, preprocess
from capstone.export.onnx.steps_check import StepsCheck
from capstone.runs.folder import read_run
from capstone.serving.inference.arrays import arrays_for_graph, to_seconds
from capstone.serving.inference.frames import frame_for_graph, raw_kinds, to_arrays, to_frame
from capstone.serving.inference.onnx_session import OnnxSession
from capstone.serving.inference.served_model import ServedModel
from capstone.training.ensemble import build_ensemble
from capstone.training.model import TrainedModel
from capstone.training.piecewise_linear import fit_pieces
from capstone.training.target import Target
from tests.support.helpers import (
    PROBLEMS,
    Capstone,
    Render,
    must_run,
    python_path,
    run_of,
)
from tests.support.runs import reseal

SMALL = ("--quick", "--set", "evaluation.explained_rows=0", "--set", "network.members=3")


@pytest.fixture(scope="module")
def finished(with_run: Callable[[str], Path]) -> Callable[[str], Path]:
    """`finished("binary")` gives a project with one run. It is shared: only read it."""
    return with_run


@pytest.fixture
def project_of(
    finished: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], tuple[Path, Path]]:
    """A finished project and its run's folder; the student's package can be imported."""

    def enter(problem: str) -> tuple[Path, Path]:
        project = finished(problem)
        for name in [name for name in sys.modules if name.split(".")[0] == "my_capstone"]:
            del sys.modules[name]
        monkeypatch.setattr(sys, "dont_write_bytecode", True)
        monkeypatch.syspath_prepend(str(project / "src"))
        monkeypatch.chdir(project)
        return project, project / "runs" / (project / "runs" / "LATEST").read_text().strip()

    return enter


@pytest.mark.parametrize("problem", PROBLEMS)
def test_what_is_served_is_what_was_measured(
    problem: str, project_of: Callable[[str], tuple[Path, Path]]
) -> None:
    project, folder = project_of(problem)
    model = ServedModel.load(folder, project)
    assert model.serving["steps"]["tables"] == "arrays"
    assert model.serving["steps"]["notes"] == []
    data = load_settings(project).data
    raw = read_table(project / data.path, data)[0]
    told = pd.read_csv(folder / "predictions.csv")
    given = to_arrays(raw.loc[told["row"]], model.serving["raw"])
    prediction = model.predict(model.prepare(given))
    if problem == "regression":
        expected = told["prediction"].to_numpy()
        gap = np.abs(prediction - expected).max() / expected.std()
    else:
        gap = np.abs(prediction - told.filter(regex="^probability_").to_numpy()).max()
    assert gap < 1e-5
    answers = model.answers(prediction)
    assert [answer["recommendation"]["action"] for answer in answers] == told["action"].tolist()
    if problem == "regression":
        low = np.array([answer["low"] for answer in answers])
        np.testing.assert_allclose(low, told["low"], rtol=1e-5)
    one = {name: column[7:8] for name, column in given.items()}
    np.testing.assert_allclose(model.predict(model.prepare(one))[0], prediction[7], rtol=1e-6)
    background = model.predict(model.background())
    assert 50 < len(background) <= 100
    assert np.ptp(background.reshape(len(background), -1)[:, -1]) > 0


def test_what_clean_takes_for_unknown_is_no_number_that_training_saw(
    finished: Callable[[str], Path],
) -> None:
    """The churn table holds fees of -1 and a satisfaction of 99: ranges and examples are of the others."""
    project = finished("binary")
    schema = json.loads((run_of(project) / "schema.json").read_text(encoding="utf-8"))
    assert (schema["satisfaction"]["low"], schema["satisfaction"]["high"]) == (1, 10)
    assert schema["monthly_fee_eur"]["low"] > 0
    for about in (about for about in schema.values() if about["kind"] == "number"):
        assert about["low"] <= about["example"] <= about["high"]


def test_a_service_needs_neither_torch_nor_scikit_learn_nor_pandas(
    project_of: Callable[[str], tuple[Path, Path]],
) -> None:
    project, folder = project_of("regression")
    code = f"""
import sys
from pathlib import Path
import numpy as np
from capstone.serving.inference.served_model import ServedModel
model = ServedModel.load(Path({str(folder)!r}), Path("."))
row = {{name: about["example"] for name, about in model.schema.items()}}
row = {{name: np.array([value], dtype=object if isinstance(value, str) else float) for name, value in row.items()}}
print(model.answers(model.predict(model.prepare(row)))[0]["recommendation"]["action"])
print(sorted({{"torch", "sklearn", "scipy", "pandas", "onnx", "pyarrow"}} & set(sys.modules)))
"""
    said = must_run(sys.executable, "-B", "-c", code, cwd=project, PYTHONPATH=python_path(project))
    action, heavy = said.splitlines()
    assert action in ("send a valuer", "list at the predicted price")
    assert heavy == "[]"


def test_the_graph_prepares_columns_as_the_preprocessor_does() -> None:
    rng = np.random.default_rng(0)
    rows = 400
    days = pd.to_datetime("1600-02-27") + pd.to_timedelta(rng.integers(0, 5_000_000, rows), "h")
    table = pd.DataFrame(
        {
            "number": rng.normal(50, 9, rows),
            "whole": rng.integers(0, 9, rows),
            "gaps": np.where(rng.random(rows) < 0.2, np.nan, rng.normal(size=rows)),
            "yes": rng.random(rows) < 0.5,
            "maybe": pd.Series([True, False, None] * 133 + [True], dtype=object),
            "moment": days,
            "day": ["29.02.2024", "31.12.1999", "01.03.1900", None] * 100,
            "word": rng.choice(["a", "b", "c"], rows),
            "many": [*"abcdefghijklmnopqrst", "a", "b", "a", "a", None] * 16,
        }
    )
    preprocessor = Preprocessor(max_categories=10).fit(table.iloc[:300])
    table.loc[390:, "word"] = "never seen"
    table.loc[395:, "many"] = "never seen"
    table.loc[380:, "moment"] = pd.NaT
    columns = {
        name: {"kind": kind, "format": preprocessor.date_formats.get(name)}
        for name, kind in preprocessor.kinds.items()
    }
    assert len(columns) == 9
    builder = GraphBuilder()
    builder.add("Identity", preprocess(builder, preprocessor), name="matrix")
    inputs = [
        helper.make_tensor_value_info(name, 8, ["rows"])
        if about["kind"] == "category"
        else helper.make_tensor_value_info(name, 11, ["rows", 1])
        for name, about in columns.items()
    ]
    got = computed(builder, inputs, "matrix", frame_for_graph(table, columns))
    np.testing.assert_array_equal(got, preprocessor.transform(table))


def computed(
    builder: GraphBuilder,
    inputs: list[onnx.ValueInfoProto],
    output: str,
    given: dict[str, np.ndarray],
) -> np.ndarray:
    """What the nodes give."""
    outputs = [helper.make_tensor_value_info(output, 1, None)]
    constants = [numpy_helper.from_array(its, name) for name, its in builder.constants.items()]
    graph = helper.make_graph(builder.nodes, "part", inputs, outputs, constants)
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", 3)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    return np.asarray(
        onnxruntime.InferenceSession(model.SerializeToString()).run([output], given)[0]
    )


class Residual(nn.Module):
    """A block that adds to its input, with a weight of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(5, 5), nn.Linear(5, 2, bias=False)
        self.gain = nn.Parameter(torch.rand(5))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(x + self.gain * torch.tanh(self.first(x)))


def plain(*middle: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Linear(5, 8), *middle, nn.Linear(8, 2))


@pytest.mark.parametrize(
    ("make", "at_once"),
    [
        (lambda: plain(nn.SiLU(), nn.Dropout(0.5)), True),
        (lambda: plain(nn.ReLU(), nn.Linear(8, 8), nn.GELU()), True),
        (lambda: plain(nn.LeakyReLU(0.3), nn.BatchNorm1d(8)), True),
        (lambda: plain(nn.PReLU(8)), False),
        (lambda: plain(nn.LayerNorm(8), nn.Tanh()), True),
        (Residual, True),
    ],
)
@pytest.mark.parametrize("members", [1, 3])
def test_networks_side_by_side_give_the_scores_of_each(
    make: Callable[[], nn.Module], at_once: bool, members: int
) -> None:
    torch.manual_seed(1)
    networks = [make() for _ in range(members)]
    for network in networks:
        network.train()(torch.randn(50, 5) * 3 + 1)  # batch norm learns means and variances
    x = torch.randn(7, 5)
    expected = torch.stack([network.eval()(x) for network in networks]).detach().numpy()
    builder = GraphBuilder()
    builder.add("Identity", add_members(builder, networks, "x", 5), name="scores")
    inputs = [helper.make_tensor_value_info("x", 1, ["rows", 5])]
    got = computed(builder, inputs, "scores", {"x": x.numpy()})
    np.testing.assert_allclose(got, expected, atol=1e-6, rtol=1e-5)
    copies = any("member0/" in name for name in builder.constants)
    assert copies != at_once


@pytest.mark.parametrize(
    ("make", "bias_added"),
    [
        (lambda: nn.Sequential(nn.Linear(5, 8), nn.SiLU(), nn.Linear(8, 2)), 1),
        (lambda: nn.Sequential(nn.Linear(5, 8, bias=False), nn.SiLU(), nn.Linear(8, 2)), 1),
        (lambda: nn.Sequential(nn.LayerNorm(5), nn.Linear(5, 2)), None),
        (lambda: plain(nn.PReLU(8)), None),
    ],
    ids=["bias", "no bias", "another layer first", "copies"],
)
def test_with_a_column_of_ones_the_first_layers_add_their_bias_in_the_product(
    make: Callable[[], nn.Module], bias_added: int | None
) -> None:
    torch.manual_seed(1)
    networks = [make().eval() for _ in range(3)]
    x = torch.randn(7, 5)
    expected = torch.stack([network(x) for network in networks]).detach().numpy()
    builder = GraphBuilder()
    scores = add_members(builder, networks, "x", 5, with_ones=True)
    builder.add("Identity", scores, name="scores")
    inputs = [helper.make_tensor_value_info("x", 1, ["rows", 6])]
    given = np.column_stack([x.numpy(), np.ones(7, np.float32)])
    got = computed(builder, inputs, "scores", {"x": given})
    np.testing.assert_allclose(got, expected, atol=1e-6, rtol=1e-5)
    if bias_added is not None:
        assert sum(node.op_type == "Add" for node in builder.nodes) == bias_added


def test_every_day_of_the_years_1_to_9999_is_split_as_pandas_splits_it() -> None:
    days = np.arange("0001-01-01", "9999-12-31", dtype="datetime64[D]").astype("datetime64[s]")
    moments = days + np.random.default_rng(0).integers(0, 86_400, len(days))
    builder = GraphBuilder()
    builder.add("Cast", _date_parts(builder, ["moment"]), name="parts", to=TensorProto.FLOAT)
    inputs = [helper.make_tensor_value_info("moment", TensorProto.DOUBLE, ["rows", 1])]
    seconds = moments.astype(np.int64).astype(np.float64).reshape(-1, 1)
    got = computed(builder, inputs, "parts", {"moment": seconds})
    known = pd.DatetimeIndex(moments)
    by_pandas = [known.year, known.month, known.day, known.day_of_week, known.hour]
    np.testing.assert_array_equal(got, np.column_stack(by_pandas))


def small_model(problem: str, pieces: bool = False) -> tuple[TrainedModel, pd.DataFrame]:
    """A model that has learnt nothing, and rows."""
    rng = np.random.default_rng(3)
    table = pd.DataFrame({"x": rng.normal(size=90), "y": rng.normal(size=90)})
    preprocessor = Preprocessor().fit(table)
    encoding = fit_pieces(preprocessor.transform(table)) if pieces else None
    classes = [] if problem == "regression" else ["a", "b", "c"][: 2 + (problem == "multiclass")]
    target = Target("z", problem, classes, mean=1e6, scale=20.0, temperature=1.3)
    width = 2 + (len(encoding.column) if encoding else 0)
    torch.manual_seed(0)
    members = build_ensemble([nn.Linear(width, target.outputs) for _ in range(4)], width)
    network = nn.Sequential(encoding, members) if encoding else members
    return TrainedModel(preprocessor, network, target, {"members": 4, "pieces": None}), table


NUMBERS = {name: {"kind": "number", "format": None} for name in ("x", "y")}


@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("pieces", [False, True])
def test_average_link_function_and_temperature_are_in_the_graph(problem: str, pieces: bool) -> None:
    model, table = small_model(problem, pieces)
    session = OnnxSession(build_graph(model, NUMBERS).SerializeToString())
    gap = check_agreement(session, model, table, frame_for_graph(table, NUMBERS))
    assert gap < 1e-6


def test_a_column_may_be_called_as_the_graph_calls_its_own() -> None:
    model, table = small_model("binary")
    names = {"x": "prediction", "y": "/MatMul_9"}
    renamed = table.rename(columns=names)
    model.preprocessor = Preprocessor().fit(renamed)
    columns = {names[name]: about for name, about in NUMBERS.items()}
    session = OnnxSession(build_graph(model, columns).SerializeToString())
    assert check_agreement(session, model, renamed, frame_for_graph(renamed, columns)) < 1e-6


def test_a_graph_that_answers_otherwise_is_refused() -> None:
    model, table = small_model("regression")
    session = OnnxSession(build_graph(model, NUMBERS).SerializeToString())
    given = frame_for_graph(table, NUMBERS)
    next(model.network.parameters()).data += 1e-3
    with pytest.raises(CapstoneError, match=r"model\.onnx differs from your network by .* in row"):
        check_agreement(session, model, table, given)


def test_a_number_too_large_is_named() -> None:
    model, _ = small_model("regression")
    session = OnnxSession(build_graph(model, NUMBERS).SerializeToString())
    with pytest.raises(CapstoneError, match='Column "y" holds a number too large for the model'):
        session.predict({"x": np.zeros((2, 1)), "y": np.array([[0.0], [np.inf]])})


@pytest.mark.parametrize(
    "written",
    [
        ["2024-02-29", "1969-12-31", "", "2026-01-01"],
        ["2024-02-29T23:59:59.75Z", "2024-03-31 01:30:00+02:00"],
        ["2024-02", "2023-11"],
        ["29.02.2024", "31.12.1969"],
        ["2/28/2024 23:15", "12/31/1969 00:00"],
        ["Feb 03, 2024", "Dec 31, 1969"],
    ],
)
def test_dates_are_read_without_pandas_as_with_it(written: list[str]) -> None:
    column = pd.Series([value or None for value in written], dtype="str")
    shape = find_date_format(column)
    assert shape
    expected = frame_for_graph(
        pd.DataFrame({"d": column}), {"d": {"kind": "date", "format": shape}}
    )["d"]
    given = np.array([value or None for value in written] + ["nonsense"], dtype=object)
    got = to_seconds(given, shape)
    np.testing.assert_array_equal(got[:-1], expected[:, 0])
    assert np.isnan(got[-1])
    moments = to_dates(column, shape).to_numpy()
    np.testing.assert_array_equal(to_seconds(moments, None), expected[:, 0])


def test_columns_of_every_type_come_out_alike_from_a_table_and_from_arrays() -> None:
    days = pd.to_datetime(["2020-02-29 13:00", None, "1969-12-31 23:59:59.5"], format="ISO8601")
    table = pd.DataFrame(
        {
            "moment": days,
            "zoned": days.tz_localize("Europe/Berlin"),
            "flag": pd.Series([True, None, False], dtype=object),
            "yes": [True, False, True],
            "count": pd.array([1, None, 3], dtype="Int64"),
            "whole": np.array([1, 2, 3], dtype="int8"),
            "number": np.array([0.1, np.nan, -3], dtype="float32"),
            "kind": pd.Categorical(["a", None, "b"]),
            "word": ["a", None, ""],
        }
    )
    kinds = ["date", "date", "boolean", "boolean", "number", "number", "number"] + ["category"] * 2
    columns = {
        name: {"kind": kind, "format": None} for name, kind in zip(table, kinds, strict=True)
    }
    expected = frame_for_graph(table, columns)
    given = to_arrays(table, raw_kinds(table))
    for found in (
        arrays_for_graph(given, columns, 3),
        frame_for_graph(to_frame(given, raw_kinds(table)), columns),
    ):
        for name in columns:
            np.testing.assert_array_equal(found[name], expected[name], err_msg=name)
    assert expected["moment"][:, 0].tolist()[::2] == [1582981200, -1]


def test_text_is_tidied_alike_on_both_kinds_of_table() -> None:
    words = [" Gas", "gas", "  ", None, "OIL "]
    on_pandas = tidy_text(pd.Series(words, dtype="str"), lower=True)
    on_arrays = tidy_text(np.array(words, dtype=object), lower=True)
    assert on_arrays.tolist() == ["gas", "gas", None, None, "oil"]
    assert on_pandas.astype(object).where(on_pandas.notna(), None).tolist() == on_arrays.tolist()
    for column in (pd.Series([1.0, np.nan]), np.array([1.0, np.nan]), np.array([True, None])):
        assert tidy_text(column) is column


def twice_x(table: Any) -> Any:
    table = table.copy()
    table["x"] = 2 * table["x"]
    return table


def centred(table: Any) -> Any:
    table = table.copy()
    table["x"] = table["x"] - np.nanmean(table["x"])
    return table


@pytest.mark.parametrize(
    ("clean", "engineer", "tables", "said"),
    [
        (lambda t: t, twice_x, "arrays", ""),
        (
            lambda t: t,
            lambda t: t.assign(x=t["x"].rank()),
            "pandas",
            "can't be applied to new rows",
        ),
        (
            lambda t: t,
            centred,
            "pandas",
            """can't be applied to new rows ("x" of row""",
        ),
        (lambda t: t.drop_duplicates(), lambda t: t, "pandas", "set [data] drop_copies = true"),
        (lambda t: t.dropna(), lambda t: t, "pandas", "a row of missing values alone can't be"),
        (lambda t: t, lambda t: t.assign(x=t["x"].clip(0)), "pandas", "needs pandas, also when"),
    ],
)
def test_steps_that_a_service_can_not_do_are_named(
    monkeypatch: pytest.MonkeyPatch, clean: Any, engineer: Any, tables: str, said: str
) -> None:
    functions = {"clean": clean, "engineer": engineer}
    for place in ("data.user_steps", "serving.inference.student_steps"):
        monkeypatch.setattr(f"capstone.{place}.load_attribute", lambda r, m, name: functions[name])
    for place in ("data.user_steps", "serving.inference.student_steps", "export.onnx.steps_check"):
        monkeypatch.setattr(f"capstone.{place}.package_name", lambda root: "mine")
    rng = np.random.default_rng(0)
    raw = pd.DataFrame({"x": rng.normal(size=40), "y": rng.normal(size=40)})
    raw.index = pd.RangeIndex(1, 41, name="row")
    raw.loc[40, "x"] = np.nan
    ready = engineer(clean(raw))
    lost = raw.index.difference(ready.index)
    check = StepsCheck(Path("."), raw, NUMBERS)
    result = check.check(frame_for_graph(ready, NUMBERS), ready.index, lost)
    messages = " | ".join([*result.notes, result.refused])
    assert (result.tables, said in messages) == (tables, True), messages
    assert bool(said) == bool(result.notes or result.refused)


def test_a_file_is_predicted_in_chunks_as_it_was_at_once(
    project_of: Callable[[str], tuple[Path, Path]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    project, folder = project_of("binary")
    data = load_settings(project).data
    raw = read_table(project / data.path, data)[0].iloc[:500]
    once = TrainedModel.load(folder, project)
    table = raw.drop(columns="churned")
    for step in ("clean", "engineer"):
        table = load_attribute(project, "features", step)(table)
    expected = once.predict(table)
    monkeypatch.setattr(chunks, "ROWS", 170)
    raw.to_csv(tmp_path / "new.csv", index=False)
    raw.to_csv(tmp_path / "german.csv", index=False, sep=";", decimal=",", encoding="cp1252")
    raw.to_parquet(tmp_path / "new.parquet", index=False)
    for name in ("new.csv", "german.csv", "new.parquet"):
        written, actions, notes = predict_file(
            tmp_path / name, read_run(project / "runs", folder.name), project
        )
        told = pd.read_csv(written)
        assert (actions.total(), len(told)) == (500, 500)
        np.testing.assert_allclose(
            told.filter(regex="^probability_"), expected, atol=1e-6, err_msg=name
        )
        pd.testing.assert_series_equal(
            told["monthly_fee_eur"], raw["monthly_fee_eur"].reset_index(drop=True)
        )
        assert notes == ["this model is from a quick run, which learned next to nothing"]
    first = (tmp_path / "new.csv").read_text().splitlines()[1]
    assert (tmp_path / "new_predictions.csv").read_text().splitlines()[1].startswith(first + ",")


def test_a_chunk_is_read_only_when_it_is_asked_for(tmp_path: Path) -> None:
    data = load_settings_of("x")
    path = tmp_path / "long.csv"
    good = "x,code\n" + "1,01\n" * 50_000
    path.write_text(good + "1,2,3\n", encoding="utf-8")
    found = read_chunks(path, data, ["code"])
    first, second = itertools.islice(found, 2)
    assert (first.table.index[-1], second.table.index[0]) == (20_000, 20_001)
    assert set(second.table["code"]) == {"01"}, "a word stays as it is written"
    with pytest.raises(CapstoneError, match="line 50002: 3 fields where the header has 2"):
        list(found)


def load_settings_of(target: str) -> Any:
    from capstone.core.settings import Data

    return Data(path="data.csv", target=target, problem="regression")


def test_a_model_that_is_not_the_one_that_was_written_is_one_sentence(
    finished: Callable[[str], Path], tmp_path: Path, capstone: Capstone
) -> None:
    project = Path(shutil.copytree(finished("regression"), tmp_path / "my-capstone"))
    folder = project / "runs" / (project / "runs" / "LATEST").read_text().strip()
    table = "data/raw/house_prices.csv"
    other = finished("binary")
    foreign = other / "runs" / (other / "runs" / "LATEST").read_text().strip()
    shutil.copytree(foreign, project / "runs" / foreign.name)
    files = {
        name: (folder / name).read_bytes() for name in ("model.onnx", "serving.json", "run.json")
    }
    older = {k: v for k, v in json.loads(files["run.json"]).items() if k != "files"}
    changed = bytearray(files["model.onnx"])
    changed[len(changed) // 2] ^= 1
    for name, content, sentence in (
        ("model.onnx", files["model.onnx"][:-100], "model.onnx is not the file that the run wrote"),
        ("model.onnx", bytes(changed), "model.onnx is not the file that the run wrote"),
        ("model.onnx", None, "model.onnx is missing"),
        ("serving.json", (foreign / "serving.json").read_bytes(), "serving.json is not the file"),
        ("run.json", json.dumps(older).encode(), 'run.json does not say "files"'),
    ):
        path = folder / name
        path.unlink() if content is None else path.write_bytes(content)
        code, _, error = capstone(project, "predict", table)
        assert (code, error.count("\n")) == (2, 1), error
        assert sentence in error
        path.write_bytes(files[name])
    code, _, error = capstone(project, "predict", table, "--run", foreign.name)
    assert (code, error.count("\n")) == (2, 1), error
    assert 'predicts "churned" (binary), but capstone.toml asks for "price" (regression)' in error
    assert not list((project / "data" / "raw").glob("*_predictions.csv"))
    assert capstone(project, "predict", table)[0] == 0


def test_a_service_tells_that_the_steps_have_changed_and_doctor_what_they_cost(
    finished: Callable[[str], Path], tmp_path: Path, capstone: Capstone
) -> None:
    project = Path(shutil.copytree(finished("regression"), tmp_path / "my-capstone"))
    assert "a service starts without pandas" in capstone(project, "doctor")[1]
    features = project / "src" / "my_capstone" / "features.py"
    features.write_text(features.read_text(encoding="utf-8") + "# new\n", encoding="utf-8")
    code, told, _ = capstone(project, "predict", "data/raw/house_prices.csv")
    assert code == 0
    assert "Note: features.py has changed since this run" in told
    folder = project / "runs" / (project / "runs" / "LATEST").read_text().strip()
    path = folder / "serving.json"
    serving = json.loads(path.read_text(encoding="utf-8"))
    for key, value, said in (
        ("tables", "pandas", "ok     a service needs pandas for clean() and engineer(), about"),
        ("refused", "it looks at other rows", "WRONG  the newest run can't be served: it looks at"),
    ):
        serving["steps"][key] = value
        path.write_text(json.dumps(serving), encoding="utf-8")
        reseal(folder)
        assert said in capstone(project, "doctor")[1]


def test_a_run_whose_model_can_not_be_exported_is_not_saved(
    copy_of: Render, capstone: Capstone
) -> None:
    project = copy_of(problem="regression")
    network = project / "src" / "my_capstone" / "network.py"
    text = network.read_text(encoding="utf-8")
    by_count = "return self.layers(x) + (len(x) if not self.training and len(x) > 3 else 0)"
    network.write_text(text.replace("return self.layers(x)", by_count), encoding="utf-8")
    code, _, error = capstone(project, "run", *SMALL)
    assert (code, error.count("\n")) == (2, 1), error
    assert "model.onnx differs from your network by" in error
    assert not list((project / "runs").glob("[0-9]*"))


def test_copies_are_dropped_after_clean_and_older_steps_still_do_it_themselves(
    copy_of: Render, capstone: Capstone
) -> None:
    project = copy_of(problem="regression")
    first = capstone(project, "run", *SMALL)
    assert "45 of 3,045 rows dropped as copies of others" in first[1]
    settings = project / "capstone.toml"
    settings.write_text(
        settings.read_text(encoding="utf-8").replace("drop_copies = true", "drop_copies = false"),
        encoding="utf-8",
    )
    assert "nothing dropped" in capstone(project, "run", *SMALL)[1]
    features = project / "src" / "my_capstone" / "features.py"
    text = features.read_text(encoding="utf-8")
    features.write_text(
        text.replace("    return table\n", "    return table.drop_duplicates()\n", 1),
        encoding="utf-8",
    )
    code, told, error = capstone(project, "run", *SMALL)
    assert code == 0, error
    assert "45 of 3,045 rows dropped (" in told
    assert "take drop_duplicates() out of clean(), and set [data] drop_copies = true" in told
    runs = sorted((project / "runs").glob("[0-9]*"))
    predictions = [(run / "predictions.csv").read_bytes() for run in runs]
    assert predictions[0] == predictions[2] != predictions[1]
    model = ServedModel.load(runs[2], project)
    raw = pd.read_csv(project / "data" / "raw" / "house_prices.csv")
    some = to_arrays(pd.concat([raw.head(2), raw.head(2)]), model.serving["raw"])
    some.pop("price", None)
    answers = model.predict(model.prepare(some))
    np.testing.assert_array_equal(answers[:2], answers[2:])
