"""A compact network in fewer bits: weights kept as float16, or layers computed in int8. Same inputs and outputs.

float16 halves the file: weights are widened again when the network is loaded, so it is as fast as before. int8
(dynamic quantisation: weights once, activations at run time) computes the perceptrons in whole numbers; scaling and
the open-set score stay as they are, because their numbers differ too much in size.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

LEAST_WEIGHTS = 256  # a smaller tensor stays as it is


def float16(graph: bytes) -> bytes:
    """Return the graph with its weights as float16, widened when it is loaded."""
    model = onnx.load_from_string(graph)
    widened = []
    for weight in list(model.graph.initializer):
        values = numpy_helper.to_array(weight)
        if values.dtype != np.float32 or values.size < LEAST_WEIGHTS:
            continue
        model.graph.initializer.remove(weight)
        small = numpy_helper.from_array(values.astype(np.float16), f"{weight.name}.float16")
        model.graph.initializer.append(small)
        widened.append(helper.make_node("Cast", [small.name], [weight.name], to=TensorProto.FLOAT))
    nodes = [*widened, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def int8(graph: bytes) -> bytes:
    """Return the graph with the layers of its perceptrons in int8."""
    # ONNX Runtime's tools are large, and needed only to shrink a network.
    from onnxruntime.quantization import QuantType, quantize_dynamic  # noqa: PLC0415

    model = onnx.load_from_string(_products(graph))
    layers = [node.name for node in model.graph.node if node.op_type == "MatMul" and node.name]
    with tempfile.TemporaryDirectory() as folder:
        before, after = Path(folder) / "before.onnx", Path(folder) / "after.onnx"
        onnx.save(model, before)
        quantize_dynamic(
            before, after, nodes_to_quantize=layers, weight_type=QuantType.QInt8, per_channel=True
        )
        return after.read_bytes()


def _products(graph: bytes) -> bytes:
    """Return the graph with the Gemm nodes of its perceptrons as named products and sums, which can be quantised."""
    model = onnx.load_from_string(graph)
    weights = {weight.name: weight for weight in model.graph.initializer}
    nodes = []
    for node in model.graph.node:
        if node.op_type != "Gemm" or not node.input[1].endswith(".weight"):
            nodes.append(node)
            continue
        taken, weight, bias = node.input
        turned = numpy_helper.from_array(
            np.ascontiguousarray(numpy_helper.to_array(weights[weight]).T), weight
        )
        weights[weight].CopyFrom(turned)
        product = f"{node.output[0]}.product"
        nodes.append(helper.make_node("MatMul", [taken, weight], [product], name=product))
        nodes.append(helper.make_node("Add", [product, bias], [node.output[0]]))
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return bytes(model.SerializeToString())


PRECISIONS: dict[str, Callable[[bytes], bytes]] = {"float16": float16, "int8": int8}
