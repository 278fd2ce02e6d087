"""One graph from columns to the prediction: preprocessing, networks, average, link function, temperature.

Numbers are computed in float64 up to the network and after it, as scikit-learn and NumPy do, and in float32 within.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from capstone.data.preprocessing import DATE_PARTS, Preprocessor
from capstone.export.onnx.network_graph import OPSET, Parts, add_members
from capstone.training.model import TrainedModel
from capstone.training.network import encoding_of, members_of
from capstone.training.piecewise_linear import PiecewiseLinear
from capstone.training.target import Target

DAY = 86_400.0  # seconds
MARCH_OF_0 = 719_468  # days from 1 March of the year 0 to 1 January 1970


def build_graph(model: TrainedModel, columns: dict[str, Any]) -> onnx.ModelProto:
    """The whole graph. Inputs are the columns, see serving/inference/arrays.py; the one output is `prediction`."""
    parts = Parts(columns)
    matrix = preprocess(parts, model.preprocessor)
    encoding, networks = encoding_of(model.network), members_of(model.network)
    width = len(model.preprocessor.inputs)
    with_ones = False
    if isinstance(encoding, PiecewiseLinear):
        matrix, with_ones = _in_pieces(parts, encoding, matrix, width), True
        width += len(encoding.column)
    scores = add_members(parts, networks, matrix, width, with_ones)
    name = "prediction" if "prediction" not in columns else f"{parts.mark}prediction"
    prediction = _predict(parts, model.target, scores)
    parts.add("Identity", prediction, name=name)
    classes = len(model.target.classes)
    shape: list[Any] = ["rows", classes] if classes else ["rows"]
    inputs = [
        helper.make_tensor_value_info(column, TensorProto.STRING, ["rows"])
        if about["kind"] == "category"
        else helper.make_tensor_value_info(column, TensorProto.DOUBLE, ["rows", 1])
        for column, about in columns.items()
    ]
    output = helper.make_tensor_value_info(name, TensorProto.DOUBLE, shape)
    constants = [
        numpy_helper.from_array(np.ascontiguousarray(values), name)
        for name, values in parts.constants.items()
    ]
    graph = helper.make_graph(parts.nodes, "capstone", inputs, [output], constants)
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", 3)]
    made = helper.make_model(graph, producer_name="capstone", opset_imports=opsets, ir_version=8)
    onnx.checker.check_model(made)
    return made


def preprocess(parts: Parts, preprocessor: Preprocessor) -> str:
    """What Preprocessor.transform does: the matrix, float32 of shape (rows, inputs)."""
    fitted = {step: (its, names) for step, its, names in preprocessor.transformer.transformers_}
    made = []
    numbers = [name for name, kind in preprocessor.kinds.items() if kind == "number"]
    dates = [name for name, kind in preprocessor.kinds.items() if kind == "date"]
    booleans = [name for name, kind in preprocessor.kinds.items() if kind == "boolean"]
    plain = [*numbers, *([_date_parts(parts, dates)] if dates else []), *booleans]
    if plain:
        fill, mean, scale = [], [], []
        if "number" in fitted:
            imputer, scaler = (its for _, its in fitted["number"][0].steps)
            fill, mean, scale = [imputer.statistics_], [scaler.mean_], [scaler.scale_]
        if "boolean" in fitted:
            most = fitted["boolean"][0].statistics_.astype(np.float64)
            fill, mean, scale = [*fill, most], [*mean, 0 * most], [*scale, 0 * most + 1]
        values = parts.add("Concat", *plain, axis=1)
        gaps = parts.add("IsNaN", values)
        filled = parts.add("Where", gaps, parts.constant(np.concatenate(fill)), values)
        centred = parts.add("Sub", filled, parts.constant(np.concatenate(mean)))
        scaled = parts.add("Div", centred, parts.constant(np.concatenate(scale)))
        made.append(parts.add("Cast", scaled, to=TensorProto.FLOAT))
        if "missing" in fitted:
            order = [*fitted.get("number", (0, []))[1], *fitted.get("boolean", (0, []))[1]]
            places = [order.index(name) for name in fitted["missing"][1]]
            flags = parts.add("Gather", gaps, parts.constant(np.array(places)), axis=1)
            made.append(parts.add("Cast", flags, to=TensorProto.FLOAT))
    if "category" in fitted:
        one_hot, names = fitted["category"]
        made += [_one_hot(parts, one_hot, place, name) for place, name in enumerate(names)]
    return parts.add("Concat", *made, axis=1) if len(made) > 1 else made[0]


def _one_hot(parts: Parts, one_hot: Any, place: int, name: str) -> str:
    """A category to its row of a table of zeros and ones: rare and unknown ones share an input, if there is one."""
    known = [str(value) for value in one_hot.categories_[place]]
    rare = one_hot.infrequent_categories_[place]
    rare = set() if rare is None else {str(value) for value in rare}
    frequent = [value for value in known if value not in rare]
    rows = np.eye(len(frequent) + 1, len(frequent) + bool(rare), dtype=np.float32)
    number = parts.add(
        "LabelEncoder",
        name,
        domain="ai.onnx.ml",
        keys_strings=frequent,
        values_int64s=list(range(len(frequent))),
        default_int64=len(frequent),
    )
    return parts.add("Gather", parts.constant(rows), number, axis=0)


def _date_parts(parts: Parts, dates: list[str]) -> str:
    """Year, month, day, day of the week and hour of each date, by whole numbers held as float64.

    Days are counted from 1 March of the year 0, so that a leap day comes last in its year, its 4 years and its
    century. After Neri and Schneider, "Euclidean affine functions and their application to calendar
    algorithms" (2023).
    """

    def by(operation: str, left: str, right: float) -> str:
        # Of shape (1, 1): with a plain number onnxruntime takes 20 times as long, where rows hold one number each.
        return parts.add(operation, left, parts.constant(np.full((1, 1), right, dtype=np.float64)))

    def whole(left: str, right: float) -> str:
        return parts.add("Floor", by("Div", left, right))

    def split(left: str, right: float) -> tuple[str, str]:
        """How often `right` goes into it, and what is left. Exact for these numbers, and quicker than Mod."""
        times = whole(left, right)
        return times, parts.add("Sub", left, by("Mul", times, right))

    moment = by("Add", parts.add("Concat", *dates, axis=1), MARCH_OF_0 * DAY)
    day, of_day = split(moment, DAY)
    hour = whole(of_day, 3600)
    _, weekday = split(by("Add", day, 2), 7)  # that 1 March would have been a Wednesday
    place = by("Add", day, 0.75)  # centuries have 36,524.25 days: the leap day of each fourth one
    century, of_century = split(place, 36_524.25)
    place = by("Add", parts.add("Floor", of_century), 0.75)
    year, of_year = split(place, 365.25)
    of_year = parts.add("Floor", of_year)
    # Months from March have 30.6 days on average.
    place = by("Add", by("Mul", of_year, 2141), 197_913)
    month, of_month = split(place, 65_536)
    day_of_month = by("Add", whole(of_month, 2141), 1)
    late = whole(of_year, 306)  # 1 in January and February, which belong to the next year
    month = parts.add("Sub", month, by("Mul", late, 12))
    year = parts.add("Sum", by("Mul", century, 100), year, late)
    day_parts = [year, month, day_of_month, weekday, hour]
    by_part = parts.add("Concat", *day_parts, axis=1)
    count = len(dates)
    order = [part * count + date for date in range(count) for part in range(len(DATE_PARTS))]
    return parts.add("Gather", by_part, parts.constant(np.array(order)), axis=1)


def _in_pieces(parts: Parts, encoding: PiecewiseLinear, matrix: str, inputs: int) -> str:
    """What PiecewiseLinear.forward does, and a last column of ones."""
    # Which column each piece is cut from: a product with zeros and ones is quicker than picking columns. It also
    # takes off where the piece starts, to the last bit as a subtraction would, and a factor is quicker than a division.
    column = encoding.column.cpu().numpy()
    picks = np.zeros((inputs, len(column) + 1), dtype=np.float32)
    picks[column, np.arange(len(column))] = 1
    # The ones are one more piece, of no column: it starts at -1 and has a width of 1.
    start = np.append(encoding.start.cpu().numpy(), np.float32(-1))
    width = np.append(encoding.width.cpu().numpy(), np.float32(1))
    from_start = parts.add("Gemm", matrix, parts.constant(picks), parts.constant(-start))
    reached = parts.add("Mul", from_start, parts.constant(1 / width))
    zero, one = parts.constant(np.float32(0)), parts.constant(np.float32(1))
    return parts.add("Concat", matrix, parts.add("Clip", reached, zero, one), axis=1)


def _predict(parts: Parts, target: Target, scores: str) -> str:
    """What TrainedModel.predict_matrix does with scores of shape (members, rows, outputs)."""
    scores = parts.add("Cast", scores, to=TensorProto.DOUBLE)
    first = parts.constant(np.array([0], dtype=np.int64))
    if target.problem == "regression":
        mean = parts.add("ReduceMean", scores, first, keepdims=0)
        last = parts.constant(np.array([1], dtype=np.int64))
        scaled = parts.add(
            "Mul", parts.add("Squeeze", mean, last), parts.constant(np.float64(target.scale))
        )
        return parts.add("Add", scaled, parts.constant(np.float64(target.mean)))
    if target.problem == "binary":
        positive = parts.add("ReduceMean", parts.add("Sigmoid", scores), first, keepdims=0)
        negative = parts.add("Sub", parts.constant(np.ones((1, 1))), positive)
        shares = parts.add("Concat", negative, positive, axis=1)
    else:
        softmax = parts.add("Softmax", scores, axis=2)
        shares = parts.add("ReduceMean", softmax, first, keepdims=0)
    if target.temperature != 1:
        low, high = parts.constant(np.float64(1e-12)), parts.constant(np.float64(1))
        logarithm = parts.add("Log", parts.add("Clip", shares, low, high))
        by = parts.constant(np.float64(target.temperature))
        shares = parts.add("Softmax", parts.add("Div", logarithm, by), axis=1)
    return shares
