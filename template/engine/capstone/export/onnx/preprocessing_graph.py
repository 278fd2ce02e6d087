"""One graph from columns to the prediction: preprocessing, networks, average, link function, temperature.

Numbers are computed in float64 up to the network and after it, as scikit-learn and NumPy do, and in float32 within.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from capstone.data.preprocessing import DATE_PARTS, Preprocessor
from capstone.export.onnx.network_graph import OPSET, GraphBuilder, add_members
from capstone.training.model import TrainedModel
from capstone.training.network import encoding_of, members_of
from capstone.training.piecewise_linear import PiecewiseLinear
from capstone.training.target import Target

DAY = 86_400.0  # seconds
MARCH_OF_0 = 719_468  # days from 1 March of the year 0 to 1 January 1970


def build_graph(model: TrainedModel, columns: dict[str, Any]) -> onnx.ModelProto:
    """Build the complete graph of a model.

    Parameters
    ----------
    model : TrainedModel
        On the CPU.
    columns : dict of str to dict
        The inputs of the graph: see arrays.arrays_for_graph().

    Returns
    -------
    onnx.ModelProto
        Its one output, `prediction`, has the shape (rows,), or (rows, classes) for classes.
    """
    builder = GraphBuilder(columns)
    matrix = preprocess(builder, model.preprocessor)
    encoding, networks = encoding_of(model.network), members_of(model.network)
    width = len(model.preprocessor.inputs)
    with_ones = False
    if isinstance(encoding, PiecewiseLinear):
        matrix, with_ones = _encode(builder, encoding, matrix, width), True
        width += len(encoding.column)
    scores = add_members(builder, networks, matrix, width, with_ones)
    name = "prediction" if "prediction" not in columns else f"{builder.prefix}prediction"
    prediction = _predict(builder, model.target, scores)
    builder.add("Identity", prediction, name=name)
    classes = len(model.target.classes)
    shape: list[Any] = ["rows", classes] if classes else ["rows"]
    inputs = [
        helper.make_tensor_value_info(column, TensorProto.STRING, ["rows"])
        if column_info["kind"] == "category"
        else helper.make_tensor_value_info(column, TensorProto.DOUBLE, ["rows", 1])
        for column, column_info in columns.items()
    ]
    output = helper.make_tensor_value_info(name, TensorProto.DOUBLE, shape)
    constants = [
        numpy_helper.from_array(np.ascontiguousarray(values), name)
        for name, values in builder.constants.items()
    ]
    graph = helper.make_graph(builder.nodes, "capstone", inputs, [output], constants)
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", 3)]
    onnx_model = helper.make_model(
        graph, producer_name="capstone", opset_imports=opsets, ir_version=8
    )
    onnx.checker.check_model(onnx_model)
    return onnx_model


def preprocess(builder: GraphBuilder, preprocessor: Preprocessor) -> str:
    """Preprocessor.transform() as nodes: the matrix, float32 of shape (rows, inputs)."""
    fitted = {step: (fit, names) for step, fit, names in preprocessor.transformer.transformers_}
    blocks = []
    numbers = [name for name, kind in preprocessor.kinds.items() if kind == "number"]
    dates = [name for name, kind in preprocessor.kinds.items() if kind == "date"]
    booleans = [name for name, kind in preprocessor.kinds.items() if kind == "boolean"]
    plain = [*numbers, *([_date_parts(builder, dates)] if dates else []), *booleans]
    if plain:
        fill, mean, scale = [], [], []
        if "number" in fitted:
            imputer, scaler = (step for _, step in fitted["number"][0].steps)
            fill, mean, scale = [imputer.statistics_], [scaler.mean_], [scaler.scale_]
        if "boolean" in fitted:
            most = fitted["boolean"][0].statistics_.astype(np.float64)
            fill, mean, scale = [*fill, most], [*mean, 0 * most], [*scale, 0 * most + 1]
        values = builder.add("Concat", *plain, axis=1)
        gaps = builder.add("IsNaN", values)
        filled = builder.add("Where", gaps, builder.constant(np.concatenate(fill)), values)
        centred = builder.add("Sub", filled, builder.constant(np.concatenate(mean)))
        scaled = builder.add("Div", centred, builder.constant(np.concatenate(scale)))
        blocks.append(builder.add("Cast", scaled, to=TensorProto.FLOAT))
        if "missing" in fitted:
            order = [*fitted.get("number", (0, []))[1], *fitted.get("boolean", (0, []))[1]]
            places = [order.index(name) for name in fitted["missing"][1]]
            flags = builder.add("Gather", gaps, builder.constant(np.array(places)), axis=1)
            blocks.append(builder.add("Cast", flags, to=TensorProto.FLOAT))
    if "category" in fitted:
        one_hot, names = fitted["category"]
        blocks += [_one_hot(builder, one_hot, place, name) for place, name in enumerate(names)]
    return builder.add("Concat", *blocks, axis=1) if len(blocks) > 1 else blocks[0]


def _one_hot(builder: GraphBuilder, one_hot: Any, place: int, name: str) -> str:
    """One-hot encoding of a category: rare and unknown ones share an input, if there is one."""
    known = [str(value) for value in one_hot.categories_[place]]
    infrequent = one_hot.infrequent_categories_[place]
    rare = set() if infrequent is None else {str(value) for value in infrequent}
    frequent = [value for value in known if value not in rare]
    rows = np.eye(len(frequent) + 1, len(frequent) + bool(rare), dtype=np.float32)
    number = builder.add(
        "LabelEncoder",
        name,
        domain="ai.onnx.ml",
        keys_strings=frequent,
        values_int64s=list(range(len(frequent))),
        default_int64=len(frequent),
    )
    return builder.add("Gather", builder.constant(rows), number, axis=0)


def _date_parts(builder: GraphBuilder, dates: list[str]) -> str:
    """Year, month, day, day of the week and hour of each date, by integers held as float64.

    Days are counted from 1 March of the year 0, so that a leap day comes last in its year, its 4 years and its
    century. After Neri and Schneider, "Euclidean affine functions and their application to calendar
    algorithms" (2023).
    """

    def scalar(operation: str, left: str, right: float) -> str:
        # Of shape (1, 1): with a scalar onnxruntime takes 20 times as long, where rows hold one number each.
        return builder.add(
            operation, left, builder.constant(np.full((1, 1), right, dtype=np.float64))
        )

    def floor_divide(left: str, right: float) -> str:
        return builder.add("Floor", scalar("Div", left, right))

    def divide(left: str, right: float) -> tuple[str, str]:
        """Quotient and remainder. Exact for these numbers, and quicker than Mod."""
        quotient = floor_divide(left, right)
        return quotient, builder.add("Sub", left, scalar("Mul", quotient, right))

    moment = scalar("Add", builder.add("Concat", *dates, axis=1), MARCH_OF_0 * DAY)
    day, of_day = divide(moment, DAY)
    hour = floor_divide(of_day, 3600)
    _, weekday = divide(scalar("Add", day, 2), 7)  # that 1 March would have been a Wednesday
    place = scalar(
        "Add", day, 0.75
    )  # centuries have 36,524.25 days: the leap day of each fourth one
    century, of_century = divide(place, 36_524.25)
    place = scalar("Add", builder.add("Floor", of_century), 0.75)
    year, of_year = divide(place, 365.25)
    of_year = builder.add("Floor", of_year)
    # Months from March have 30.6 days on average.
    place = scalar("Add", scalar("Mul", of_year, 2141), 197_913)
    month, of_month = divide(place, 65_536)
    day_of_month = scalar("Add", floor_divide(of_month, 2141), 1)
    late = floor_divide(of_year, 306)  # 1 in January and February, which belong to the next year
    month = builder.add("Sub", month, scalar("Mul", late, 12))
    year = builder.add("Sum", scalar("Mul", century, 100), year, late)
    day_parts = [year, month, day_of_month, weekday, hour]
    by_part = builder.add("Concat", *day_parts, axis=1)
    count = len(dates)
    order = [part * count + date for date in range(count) for part in range(len(DATE_PARTS))]
    return builder.add("Gather", by_part, builder.constant(np.array(order)), axis=1)


def _encode(builder: GraphBuilder, encoding: PiecewiseLinear, matrix: str, inputs: int) -> str:
    """PiecewiseLinear.forward() as nodes, and a last column of ones."""
    # Each segment reads one column: a product with zeros and ones is quicker than picking columns. It also subtracts
    # the start of the segment, with the same bits as a subtraction would, and a factor is quicker than a division.
    column = encoding.column.cpu().numpy()
    picks = np.zeros((inputs, len(column) + 1), dtype=np.float32)
    picks[column, np.arange(len(column))] = 1
    # The ones are one more segment, of no column: it starts at -1 and has a width of 1.
    start = np.append(encoding.start.cpu().numpy(), np.float32(-1))
    width = np.append(encoding.width.cpu().numpy(), np.float32(1))
    from_start = builder.add("Gemm", matrix, builder.constant(picks), builder.constant(-start))
    reached = builder.add("Mul", from_start, builder.constant(1 / width))
    zero, one = builder.constant(np.float32(0)), builder.constant(np.float32(1))
    return builder.add("Concat", matrix, builder.add("Clip", reached, zero, one), axis=1)


def _predict(builder: GraphBuilder, target: Target, scores: str) -> str:
    """TrainedModel.predict_matrix() as nodes, from scores of shape (members, rows, outputs)."""
    scores = builder.add("Cast", scores, to=TensorProto.DOUBLE)
    first = builder.constant(np.array([0], dtype=np.int64))
    if target.problem == "regression":
        mean = builder.add("ReduceMean", scores, first, keepdims=0)
        last = builder.constant(np.array([1], dtype=np.int64))
        scaled = builder.add(
            "Mul", builder.add("Squeeze", mean, last), builder.constant(np.float64(target.scale))
        )
        return builder.add("Add", scaled, builder.constant(np.float64(target.mean)))
    if target.problem == "binary":
        positive = builder.add("ReduceMean", builder.add("Sigmoid", scores), first, keepdims=0)
        negative = builder.add("Sub", builder.constant(np.ones((1, 1))), positive)
        probabilities = builder.add("Concat", negative, positive, axis=1)
    else:
        softmax = builder.add("Softmax", scores, axis=2)
        probabilities = builder.add("ReduceMean", softmax, first, keepdims=0)
    if target.temperature != 1:
        low, high = builder.constant(np.float64(1e-12)), builder.constant(np.float64(1))
        logarithm = builder.add("Log", builder.add("Clip", probabilities, low, high))
        temperature = builder.constant(np.float64(target.temperature))
        scaled = builder.add("Div", logarithm, temperature)
        probabilities = builder.add("Softmax", scaled, axis=1)
    return probabilities
