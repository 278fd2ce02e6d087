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


class GraphBuilder:
    """Collects the nodes and constants of a graph, and names them.

    reserved  names that it must not use: those of the columns
    """

    def __init__(self, reserved: Collection[str] = ()) -> None:
        self.prefix = "/"  # of the names that it makes
        while any(name.startswith(self.prefix) for name in reserved):
            self.prefix += "/"
        self.nodes: list[NodeProto] = []
        self.constants: dict[str, np.ndarray] = {}
        self.count = 0

    def add(self, operation: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        """Add a node with one output; returns the output's name."""
        self.count += 1
        name = name or f"{self.prefix}{operation}_{self.count}"
        self.nodes.append(helper.make_node(operation, list(inputs), [name], **attributes))
        return name

    def constant(self, values: Any, name: str = "") -> str:
        """Add a constant array; returns its name."""
        self.count += 1
        name = name or f"{self.prefix}constant_{self.count}"
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
            warnings.simplefilter("ignore")  # it warns that it is the older one
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
    except Exception as error:  # the exporter has many kinds of errors
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise CapstoneError(
            f"Your NeuralNetwork can't be exported to ONNX ({first[:200]}): use layers and functions of torch "
            "that don't depend on the values in forward()."
        ) from None
    return onnx.load_from_string(file.getvalue())


def add_members(
    builder: GraphBuilder,
    networks: Sequence[nn.Module],
    x: str,
    inputs: int,
    with_ones: bool = False,
) -> str:
    """Add all networks; returns the name of their scores, shape (members, rows, outputs).

    x          name of their input, shape (rows, inputs)
    with_ones  whether x has one more column, of ones: the first layers then add their bias within the product
    """
    first = export_member(networks[0], inputs)
    stack = MemberStack(first.graph, [network.cpu().state_dict() for network in networks])
    nodes = [node for node in first.graph.node if not stack.absorb_transpose(node)]
    stackable = all(stack.supports(node) for node in nodes)
    readers = [node for node in nodes if INPUT in node.input]
    if with_ones and not (stackable and all(_has_bias(node) for node in readers)):
        start, stop, axis = (builder.constant(np.array([n])) for n in (0, inputs, 1))
        x, with_ones = builder.add("Slice", x, start, stop, axis), False
    if stackable:
        return stack.add_nodes(builder, nodes, x, with_ones)
    graphs = [first.graph, *(export_member(network, inputs).graph for network in networks[1:])]
    scores = [_add_copy(builder, graph, x, number) for number, graph in enumerate(graphs)]
    axis = builder.constant(np.array([0], dtype=np.int64))
    unsqueezed = [builder.add("Unsqueeze", one, axis) for one in scores]
    return builder.add("Concat", *unsqueezed, axis=0)


class MemberStack:
    """The weights of all members, and the nodes that compute them together.

    weights  the arrays of the first member's graph, by name
    stacks   those that the members' state_dicts hold, of all members: shape (members, ...)
    """

    def __init__(self, graph: onnx.GraphProto, states: Sequence[dict[str, torch.Tensor]]) -> None:
        self.weights = {one.name: numpy_helper.to_array(one) for one in graph.initializer}
        self.stacks = {
            name: np.stack([state[name].numpy() for state in states])
            for name in self.weights
            if name in states[0]
        }

    def absorb_transpose(self, node: NodeProto) -> bool:
        """Whether the node only transposes a weight; then the transposed one is kept as a weight."""
        name = node.input[0] if node.input else ""
        if node.op_type != "Transpose" or name not in self.stacks or self.weights[name].ndim != 2:
            return False
        self.weights[node.output[0]] = self.weights[name].T
        self.stacks[node.output[0]] = self.stacks[name].transpose(0, 2, 1)
        return True

    def supports(self, node: NodeProto) -> bool:
        """Whether this node can be computed for all members at once."""
        stacked = all(name in self.stacks for name in node.input[1:])
        if node.op_type in ELEMENTWISE or node.op_type == "Constant":
            return all(self.weights[n].ndim <= 2 for n in node.input if n in self.weights)
        if node.op_type == "Gemm":
            options = _attributes(node)
            factors = options.get("alpha", 1), options.get("beta", 1)
            return stacked and options.get("transA", 0) == 0 and factors == (1, 1)
        if node.op_type == "MatMul":
            return stacked and self.weights[node.input[1]].ndim == 2
        if node.op_type == "BatchNormalization":
            return stacked and len(node.output) == 1
        if node.op_type == "LayerNormalization":
            return stacked and all(self.weights[name].ndim == 1 for name in node.input[1:])
        return False

    def add_nodes(
        self, builder: GraphBuilder, nodes: list[NodeProto], x: str, with_ones: bool
    ) -> str:
        """Add the nodes, each for all members; returns the name of the scores.

        with_ones  whether x has a last column of ones, which only linear layers with a bias read
        """
        names = {INPUT: x}  # in the built graph, by the name in the first member's graph
        for node in nodes:
            if node.op_type == "Constant":
                name = builder.constant(numpy_helper.to_array(_attributes(node)["value"]))
            elif node.op_type == "Gemm":
                ones = with_ones and node.input[0] == INPUT
                name = self._add_linear(builder, node, names[node.input[0]], ones)
            elif node.op_type == "BatchNormalization":
                name = self._add_batch_norm(builder, node, names[node.input[0]])
            elif node.op_type == "LayerNormalization":
                name = self._add_layer_norm(builder, node, names[node.input[0]])
            else:
                inputs = [
                    names[n] if n in names else self._add_weight(builder, n) for n in node.input
                ]
                name = builder.add(node.op_type, *inputs, **_attributes(node))
            names[node.output[0]] = name
        return names[OUTPUT]

    def _add_linear(self, builder: GraphBuilder, node: NodeProto, x: str, ones: bool) -> str:
        weight = self.stacks[node.input[1]]
        weight = weight.transpose(0, 2, 1) if _attributes(node).get("transB", 0) else weight
        if ones:  # the bias is the weight of the column of ones
            weight = np.concatenate([weight, self.stacks[node.input[2]][:, None]], axis=1)
        product = builder.add("MatMul", x, builder.constant(weight))
        if ones or not _has_bias(node):
            return product
        return builder.add("Add", product, self._add_weight(builder, node.input[2]))

    def _add_batch_norm(self, builder: GraphBuilder, node: NodeProto, x: str) -> str:
        """Batch normalization as a product and a sum, for its mean and variance are constant by now."""
        scale, shift, mean, variance = (self.stacks[name] for name in node.input[1:])
        epsilon = _attributes(node).get("epsilon", 1e-5)
        factor = scale / np.sqrt(variance + np.float32(epsilon))
        scaled = builder.add("Mul", x, builder.constant(factor[:, None]))
        return builder.add("Add", scaled, builder.constant((shift - mean * factor)[:, None]))

    def _add_layer_norm(self, builder: GraphBuilder, node: NodeProto, x: str) -> str:
        """Layer normalization without its weights, which differ between members and follow after it."""
        ones = builder.constant(np.ones_like(self.weights[node.input[1]]))
        options = _attributes(node) | {"axis": -1}
        result = builder.add("LayerNormalization", x, ones, **options)
        result = builder.add("Mul", result, self._add_weight(builder, node.input[1]))
        if len(node.input) > 2:
            result = builder.add("Add", result, self._add_weight(builder, node.input[2]))
        return result

    def _add_weight(self, builder: GraphBuilder, name: str) -> str:
        """A weight of all members, shape (members, 1, outputs); "" stands for an input left out."""
        if not name:
            return ""
        values = self.stacks.get(name)
        if values is None:
            return builder.constant(self.weights[name])
        gap = (1,) * (3 - values.ndim)
        return builder.constant(values.reshape(values.shape[0], *gap, *values.shape[1:]))


def _attributes(node: NodeProto) -> dict[str, Any]:
    return {one.name: helper.get_attribute_value(one) for one in node.attribute}


def _has_bias(node: NodeProto) -> bool:
    """Whether it is a linear layer with a bias."""
    return node.op_type == "Gemm" and len(node.input) > 2


def _add_copy(builder: GraphBuilder, graph: onnx.GraphProto, x: str, number: int) -> str:
    """Add the nodes of one member, under names that no other member has."""
    prefix = f"{builder.prefix}member{number}/"
    for weight in graph.initializer:
        builder.constant(numpy_helper.to_array(weight), prefix + weight.name)
    for node in graph.node:
        copied = NodeProto()
        copied.CopyFrom(node)
        copied.name = ""
        inputs = [x if name == INPUT else name and prefix + name for name in node.input]
        del copied.input[:], copied.output[:]
        copied.input.extend(inputs)
        copied.output.extend([name and prefix + name for name in node.output])
        builder.nodes.append(copied)
    return prefix + OUTPUT
