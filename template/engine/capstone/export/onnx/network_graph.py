"""The student's networks as ONNX: all members at once where their operations allow it, else one by one."""

from __future__ import annotations

import io
import warnings
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import onnx
import torch
from onnx import NodeProto, helper, numpy_helper
from torch import nn

from capstone.core.errors import CapstoneError

OPSET = 18
# These treat every number alone, so a further axis in front, of the members, changes nothing.
# fmt: off
ELEMENTWISE = {
    "Abs", "Add", "Cast", "Celu", "Clip", "Cos", "Div", "Elu", "Erf", "Exp", "Floor", "HardSigmoid",
    "HardSwish", "Identity", "LeakyRelu", "Log", "Max", "Min", "Mish", "Mul", "Neg", "Pow", "Reciprocal",
    "Relu", "Round", "Selu", "Sigmoid", "Sign", "Sin", "Softplus", "Softsign", "Sqrt", "Sub", "Tanh",
}
# fmt: on
INPUT, OUTPUT = "inputs", "scores"


class Parts:
    """What a graph is made of, with a short way to add to it.

    taken  names that its own must not have: those of the columns
    """

    def __init__(self, taken: Collection[str] = ()) -> None:
        self.mark = "/"  # how its own names begin
        while any(name.startswith(self.mark) for name in taken):
            self.mark += "/"
        self.nodes: list[NodeProto] = []
        self.constants: dict[str, np.ndarray] = {}
        self.count = 0

    def add(self, operation: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        """A node with one output; returns the output's name."""
        self.count += 1
        name = name or f"{self.mark}{operation}_{self.count}"
        self.nodes.append(helper.make_node(operation, list(inputs), [name], **attributes))
        return name

    def constant(self, values: Any, name: str = "") -> str:
        """A constant array; returns its name."""
        self.count += 1
        name = name or f"{self.mark}constant_{self.count}"
        self.constants[name] = np.asarray(values)
        return name


def export_member(network: nn.Module, inputs: int) -> onnx.ModelProto:
    """One network as torch exports it. The names of its weights are those in its state_dict.

    The older exporter is used (dynamo=False): for such a network it takes a tenth of a second, the newer one
    two seconds and two libraries more.
    """
    file = io.BytesIO()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # that it is the older one; the agreement is checked later
            torch.onnx.export(
                network.cpu().eval(),
                (torch.zeros(2, inputs),),
                file,  # type: ignore[arg-type]  # the older exporter takes an open file too
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamic_axes={INPUT: {0: "rows"}, OUTPUT: {0: "rows"}},
                opset_version=OPSET,
                do_constant_folding=False,
                dynamo=False,
            )
    except Exception as error:  # the exporter has many errors of its own
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise CapstoneError(
            f"Your NeuralNetwork can't be exported to ONNX ({first[:200]}): use layers and functions of torch "
            "that don't depend on the values in forward()."
        ) from None
    return onnx.load_from_string(file.getvalue())


def add_members(
    parts: Parts, networks: Sequence[nn.Module], x: str, inputs: int, with_ones: bool = False
) -> str:
    """Add all networks; returns the name of their scores, shape (members, rows, outputs).

    x          name of their input, shape (rows, inputs)
    with_ones  whether x has one column more, of ones: by it the first layers add their bias in the product itself
    """
    first = export_member(networks[0], inputs)
    states = [its.cpu().state_dict() for its in networks]
    weights = {its.name: numpy_helper.to_array(its) for its in first.graph.initializer}
    stacks = {
        name: np.stack([state[name].numpy() for state in states])
        for name in weights
        if name in states[0]
    }
    nodes = [node for node in first.graph.node if not _turned(node, weights, stacks)]
    at_once = all(_can_be_stacked(node, weights, stacks) for node in nodes)
    readers = [node for node in nodes if INPUT in node.input]
    if with_ones and not (at_once and all(_has_bias(node) for node in readers)):
        start, stop, axis = (parts.constant(np.array([its])) for its in (0, inputs, 1))
        x, with_ones = parts.add("Slice", x, start, stop, axis), False
    if at_once:
        return _add_stacked(parts, nodes, x, weights, stacks, with_ones)
    each = [
        _add_copy(parts, graph, x, number)
        for number, graph in enumerate(
            [first.graph, *(export_member(its, inputs).graph for its in networks[1:])]
        )
    ]
    axis = parts.constant(np.array([0], dtype=np.int64))
    return parts.add("Concat", *[parts.add("Unsqueeze", one, axis) for one in each], axis=0)


def _turned(node: NodeProto, weights: dict[str, np.ndarray], stacks: dict[str, np.ndarray]) -> bool:
    """Whether the node only turns a weight's rows into columns; then the turned one is added to the weights."""
    name = node.input[0] if node.input else ""
    if node.op_type != "Transpose" or name not in stacks or weights[name].ndim != 2:
        return False
    weights[node.output[0]] = weights[name].T
    stacks[node.output[0]] = stacks[name].transpose(0, 2, 1)
    return True


def _can_be_stacked(
    node: NodeProto, weights: dict[str, np.ndarray], stacks: dict[str, np.ndarray]
) -> bool:
    """Whether this node can be computed for all members at once."""
    known = all(weights[name].ndim <= 2 for name in node.input if name in weights)
    if node.op_type in ELEMENTWISE or node.op_type == "Constant":
        return known
    if node.op_type == "Gemm":
        its = {one.name: helper.get_attribute_value(one) for one in node.attribute}
        plain = its.get("transA", 0) == 0 and its.get("alpha", 1) == its.get("beta", 1) == 1
        return plain and all(name in stacks for name in node.input[1:])
    if node.op_type == "MatMul":
        return node.input[1] in stacks and weights[node.input[1]].ndim == 2
    if node.op_type == "BatchNormalization":
        return len(node.output) == 1 and all(name in stacks for name in node.input[1:])
    if node.op_type == "LayerNormalization":
        return all(name in stacks and weights[name].ndim == 1 for name in node.input[1:])
    return False


def _has_bias(node: NodeProto) -> bool:
    """Whether it is a linear layer with a bias."""
    return node.op_type == "Gemm" and len(node.input) > 2


def _add_stacked(
    parts: Parts,
    nodes: list[NodeProto],
    x: str,
    weights: dict[str, np.ndarray],
    stacks: dict[str, np.ndarray],
    with_ones: bool,
) -> str:
    """One graph for all members: each weight becomes a stack, shape (members, ...).

    with_ones  whether x has a last column of ones, which only linear layers with a bias read
    """
    names = {INPUT: x}

    def given(name: str) -> str:
        """An input of a node: computed before, or a weight, whose axes are (members, 1, outputs)."""
        if name in names or not name:
            return names.get(name, "")
        values = stacks.get(name)
        if values is None:
            return parts.constant(weights[name])
        gap = (1,) * (3 - values.ndim)
        return parts.constant(values.reshape(values.shape[0], *gap, *values.shape[1:]))

    for node in nodes:
        its = {one.name: helper.get_attribute_value(one) for one in node.attribute}
        if node.op_type == "Constant":
            names[node.output[0]] = parts.constant(numpy_helper.to_array(its["value"]))
        elif node.op_type == "Gemm":
            weight = stacks[node.input[1]]
            weight = weight.transpose(0, 2, 1) if its.get("transB", 0) else weight
            by_ones = with_ones and node.input[0] == INPUT
            if by_ones:
                weight = np.concatenate([weight, stacks[node.input[2]][:, None]], axis=1)
            made = parts.add("MatMul", names[node.input[0]], parts.constant(weight))
            if _has_bias(node) and not by_ones:
                made = parts.add("Add", made, given(node.input[2]))
            names[node.output[0]] = made
        elif node.op_type == "BatchNormalization":
            scale, shift, mean, variance = (stacks[name] for name in node.input[1:])
            factor = scale / np.sqrt(variance + np.float32(its.get("epsilon", 1e-5)))
            scaled = parts.add("Mul", names[node.input[0]], parts.constant(factor[:, None]))
            moved = parts.constant((shift - mean * factor)[:, None])
            names[node.output[0]] = parts.add("Add", scaled, moved)
        elif node.op_type == "LayerNormalization":
            ones = parts.constant(np.ones_like(weights[node.input[1]]))
            its["axis"] = -1
            normal = parts.add("LayerNormalization", names[node.input[0]], ones, **its)
            made = parts.add("Mul", normal, given(node.input[1]))
            if len(node.input) > 2:
                made = parts.add("Add", made, given(node.input[2]))
            names[node.output[0]] = made
        else:
            inputs = [given(name) for name in node.input]
            names[node.output[0]] = parts.add(node.op_type, *inputs, **its)
    return names[OUTPUT]


def _add_copy(parts: Parts, graph: onnx.GraphProto, x: str, number: int) -> str:
    """One member's own nodes, their names made unlike those of the others."""
    mark = f"{parts.mark}member{number}/"
    for weight in graph.initializer:
        parts.constant(numpy_helper.to_array(weight), mark + weight.name)
    for node in graph.node:
        copied = NodeProto()
        copied.CopyFrom(node)
        copied.name = ""
        inputs = [x if name == INPUT else name and mark + name for name in node.input]
        del copied.input[:], copied.output[:]
        copied.input.extend(inputs)
        copied.output.extend([name and mark + name for name in node.output])
        parts.nodes.append(copied)
    return mark + OUTPUT
