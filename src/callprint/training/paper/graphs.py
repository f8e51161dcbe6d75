"""The paper's networks as ONNX graphs, written node by node: k-matrices in, deep features and logits out."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from callprint.core.identify.card import INPUT_MATRIX, MATRIX_COLUMNS
from callprint.training.export import IR_VERSION, OPSET
from callprint.training.paper.networks import Inception, PaperNetwork

FEATURES = "features"
LOGITS = "logits"
ML_DOMAIN = "ai.onnx.ml"
ML_OPSET = 3


class GraphWriter:
    """Nodes and constants of a graph that grows; every method returns the name of what it wrote."""

    def __init__(self, prefix: str = "") -> None:
        """Begin an empty graph; `prefix` keeps the names of two writers of one graph apart."""
        self.prefix = prefix
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, values: np.ndarray | np.float32) -> str:
        """Add a constant."""
        name = f"{self.prefix}constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(values, order="C"), name))
        return name

    def node(self, operator: str, taken: Sequence[str], name: str = "", **attributes: Any) -> str:
        """Add a node with one output."""
        name = name or f"{self.prefix}{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(taken), [name], **attributes))
        return name

    def model(self, taken: onnx.ValueInfoProto, given: list[onnx.ValueInfoProto]) -> onnx.ModelProto:
        """Return the finished model."""
        graph = helper.make_graph(self.nodes, "paper", [taken], given, self.constants)
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(ML_DOMAIN, ML_OPSET)]
        model = helper.make_model(graph, opset_imports=opsets, producer_name="callprint")
        model.ir_version = IR_VERSION
        return model


def _pair(value: object) -> list[int]:
    return [int(one) for one in value] if isinstance(value, tuple) else [int(value), int(value)]  # type: ignore[call-overload]


def _values(tensor: object) -> np.ndarray:
    values: np.ndarray = tensor.detach().cpu().contiguous().numpy()  # type: ignore[attr-defined]
    return values


def write_module(writer: GraphWriter, module: nn.Module, taken: str) -> str:
    """Write a module of a trained network; returns its output. Raises TypeError for a layer that it does not know."""
    if isinstance(module, nn.Sequential):
        for part in module:
            taken = write_module(writer, part, taken)
        return taken
    if isinstance(module, Inception):
        return writer.node("Concat", [write_module(writer, way, taken) for way in module.ways], axis=1)
    if isinstance(module, nn.Conv2d):
        weights = [writer.constant(_values(module.weight))]
        if module.bias is not None:
            weights.append(writer.constant(_values(module.bias)))
        pads = _pair(module.padding) * 2
        return writer.node(
            "Conv",
            [taken, *weights],
            kernel_shape=_pair(module.kernel_size),
            pads=pads,
            strides=_pair(module.stride),
        )
    if isinstance(module, nn.BatchNorm2d):
        parts = (module.weight, module.bias, module.running_mean, module.running_var)
        constants = [writer.constant(_values(part)) for part in parts]
        return writer.node("BatchNormalization", [taken, *constants], epsilon=module.eps)
    if isinstance(module, nn.MaxPool2d):
        pads = _pair(module.padding) * 2
        return writer.node(
            "MaxPool",
            [taken],
            kernel_shape=_pair(module.kernel_size),
            pads=pads,
            strides=_pair(module.stride),
            ceil_mode=int(module.ceil_mode),
        )
    if isinstance(module, nn.AdaptiveAvgPool2d):
        return writer.node("GlobalAveragePool", [taken])
    if isinstance(module, nn.Linear):
        constants = [writer.constant(_values(module.weight)), writer.constant(_values(module.bias))]
        return writer.node("Gemm", [taken, *constants], transB=1)
    if isinstance(module, nn.ReLU):
        return writer.node("Relu", [taken])
    if isinstance(module, nn.Dropout):
        return taken
    raise TypeError(f"no ONNX form is written for {type(module).__name__}")


def write_features(writer: GraphWriter, network: PaperNetwork) -> str:
    """Write everything up to the deep features and give them their name."""
    image = write_module(writer, network.convolutions, INPUT_MATRIX)
    deep = write_module(writer, network.deep, writer.node("Flatten", [image], axis=1))
    return writer.node("Identity", [deep], FEATURES)


def network_model(network: PaperNetwork) -> onnx.ModelProto:
    """Return the graph of a trained network: k-matrices (n, 1, k, 256) -> logits (n, classes), features (n, units)."""
    writer = GraphWriter()
    features = write_features(writer, network)
    scores = write_module(writer, network.last, features)
    writer.node("Identity", [scores], LOGITS)
    return writer.model(
        matrix_input(network.k),
        [
            helper.make_tensor_value_info(LOGITS, TensorProto.FLOAT, ["n", network.last.out_features]),
            helper.make_tensor_value_info(FEATURES, TensorProto.FLOAT, ["n", network.last.in_features]),
        ],
    )


def matrix_input(k: int) -> onnx.ValueInfoProto:
    """Return the input of every graph here."""
    return helper.make_tensor_value_info(INPUT_MATRIX, TensorProto.FLOAT, ["n", 1, k, MATRIX_COLUMNS])


def save_model(model: onnx.ModelProto, path: Path) -> None:
    """Write a graph; an interruption leaves no half of one."""
    partial = path.with_suffix(".partial")
    partial.write_bytes(model.SerializeToString())
    partial.replace(path)


def convolution_weights(graph: Path) -> list[np.ndarray]:
    """Return weights and biases of the convolutions of a graph, in the order of its layers."""
    model = onnx.load(graph)
    values = {one.name: one for one in model.graph.initializer}
    names = [name for node in model.graph.node if node.op_type == "Conv" for name in node.input[1:]]
    return [numpy_helper.to_array(values[name]) for name in names]
