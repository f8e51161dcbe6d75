"""Networks as ONNX graphs with their cards."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from callprint.core.identify.card import INPUT_FEATURES, ModelCard, card_text
from callprint.core.identify.feature_row import FEATURE_NAMES, GROUPS
from callprint.inference.onnx_identifier import card_path
from callprint.training.network import CLIP, LEAST_LENGTH, CompactNetwork
from callprint.training.novelty import EMBEDDING_CLIP, FLOOR, Novelty, Space, Spaces
from callprint.training.sampling import HORIZON

OPSET = 18
IR_VERSION = 10


class _Graph:
    """A graph that grows node by node: the same weights give the same bytes whatever exporter is installed."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def constant(self, name: str, values: "np.ndarray | np.float32") -> str:
        """Keep a tensor and return its name."""
        self.weights.append(numpy_helper.from_array(np.asarray(values, order="C"), name))
        return name

    def node(self, operator: str, taken: list[str], gives: str, **attributes: Any) -> str:
        """Append a node with one output and return the output's name."""
        self.nodes.append(helper.make_node(operator, taken, [gives], **attributes))
        return gives


def _perceptron(graph: _Graph, state: dict[str, np.ndarray], prefix: str, taken: str) -> str:
    before = taken
    for layer in (0, 3, 6):
        name = f"{prefix}.{layer}"
        weight = graph.constant(f"{name}.weight", state[f"{name}.weight"])
        bias = graph.constant(f"{name}.bias", state[f"{name}.bias"])
        before = graph.node("Gemm", [before, weight, bias], name, transB=1)
        if layer != 6:
            before = graph.node("Relu", [name], f"{name}.relu")
    return before


def _rows(graph: _Graph, taken: str, chosen: str) -> str:
    """Append a node that keeps those rows of `taken` (n, columns) for which `chosen` (n,) is true."""
    return graph.node("Compress", [taken, chosen], f"{taken}.{chosen}", axis=0)


def _whitened(graph: _Graph, name: str, taken: str, space: Space) -> str:
    whitening = graph.constant(f"{name}.whitening", space.whitening)
    return graph.node("MatMul", [taken, whitening], f"{name}.whitened")


def _strangeness(graph: _Graph, name: str, whitened: str, named: str, space: Space) -> str:
    """Append what `Space.strangeness` computes, with the square of |whitening' x - centre| expanded."""
    squares = graph.constant(f"{name}.centre_squares", (space.centres**2).sum(1).astype(np.float32))
    centres = graph.constant(f"{name}.centres", space.centres)
    columns = graph.constant(f"{name}.columns", np.float32(len(space.whitening)))
    middle = graph.constant(f"{name}.middle", space.middle)
    spread = graph.constant(f"{name}.spread", space.spread)
    length = graph.node("ReduceSumSquare", [whitened, "last_axis"], f"{name}.length")
    to_centres = graph.node("Gemm", [whitened, centres, squares], f"{name}.to_centres", alpha=-2.0, transB=1)
    to_named = graph.node("GatherElements", [to_centres, named], f"{name}.to_named", axis=1)
    squared = graph.node("Add", [length, to_named], f"{name}.squared")
    distance = graph.node("Div", [squared, columns], f"{name}.distance")
    positive = graph.node("Max", [distance, "nothing"], f"{name}.positive")
    raised = graph.node("Add", [positive, "floor"], f"{name}.raised")
    logarithm = graph.node("Log", [raised], f"{name}.logarithm")
    centred = graph.node("Sub", [logarithm, middle], f"{name}.centred")
    return graph.node("Div", [centred, spread], f"{name}.strangeness")


def _score(graph: _Graph, name: str, chosen: str, whitened: str, spaces: Spaces) -> str:
    """Append what `Spaces.score` computes for the chosen rows, whose whitened features are `whitened`."""
    named = _rows(graph, "named", chosen)
    features = _strangeness(graph, name, whitened, named, spaces.features)
    hidden_whitened = _whitened(graph, f"{name}.hidden", _rows(graph, "hidden", chosen), spaces.hidden)
    hidden = _strangeness(graph, f"{name}.hidden", hidden_whitened, named, spaces.hidden)
    return graph.node("Max", [features, hidden], f"{name}.score")


def _hidden(graph: _Graph, members: int) -> None:
    """Append what `CompactNetwork.hidden` computes."""
    least = graph.constant("least_length", np.float32(LEAST_LENGTH))
    layers = [f"members.{i}.joint.3.relu" for i in range(members)]
    graph.node("Concat", layers, "hidden_layers", axis=1)
    graph.node("ReduceL2", ["hidden_layers", "last_axis"], "hidden_length")
    graph.node("Max", ["hidden_length", least], "hidden_divisor")
    graph.node("Div", ["hidden_layers", "hidden_divisor"], "hidden")


def _open_set(graph: _Graph, novelty: Novelty, members: int) -> None:
    """Append what `Novelty.score` computes, and the embedding."""
    graph.constant("last_axis", np.array([1], np.int64))
    graph.constant("nothing", np.float32(0.0))
    graph.constant("floor", FLOOR)
    _hidden(graph, members)
    graph.node("ArgMax", ["logits"], "named", axis=1, keepdims=1)
    column = graph.constant("packets_column", np.array([FEATURE_NAMES.index("packets_log2")], np.int64))
    least = graph.constant("horizon_log2", np.float32(np.log2(HORIZON + 0.5)))  # it is log2(packets + 1)
    graph.node("Gather", [INPUT_FEATURES, column], "packets", axis=1)
    graph.node("GreaterOrEqual", ["packets", least], "judged_at_horizon")
    graph.node("Squeeze", ["judged_at_horizon", "last_axis"], "at_horizon")
    graph.node("Not", ["at_horizon"], "before_horizon")
    # A row is measured only in the spaces for its own number of packets: the distances are half of all the work.
    before = _rows(graph, "scaled", "before_horizon")
    early_whitened = _whitened(graph, "early", before, novelty.early.features)
    early = _score(graph, "early", "before_horizon", early_whitened, novelty.early)
    whitened = _whitened(
        graph, "horizon", "scaled", novelty.horizon.features
    )  # of all rows: the embedding needs them
    horizon_whitened = _rows(graph, whitened, "at_horizon")
    horizon = _score(graph, "horizon", "at_horizon", horizon_whitened, novelty.horizon)
    places = []
    for chosen in ("before_horizon", "at_horizon"):
        graph.node("NonZero", [chosen], f"{chosen}.columns")
        places.append(graph.node("Transpose", [f"{chosen}.columns"], f"{chosen}.places", perm=[1, 0]))
    graph.node("Concat", places, "places", axis=0)
    graph.node("Concat", [early, horizon], "scores", axis=0)
    graph.node("ScatterND", ["packets", "places", "scores"], "score")
    graph.node("Squeeze", ["score", "last_axis"], "novelty")
    low = graph.constant("embedding_low", np.float32(-EMBEDDING_CLIP))
    high = graph.constant("embedding_high", np.float32(EMBEDDING_CLIP))
    graph.node("Clip", [whitened, low, high], "embedding")


def compact_graph(network: CompactNetwork, novelty: Novelty) -> bytes:
    """Return the ONNX graph of a compact network: features (n, F) -> logits (n, classes), novelty (n,), embedding.

    The embedding (n, F) is the space of the novelty score at the horizon: flows of one application lie near each
    other in it, whether the network knows the application or not.
    """
    graph = _Graph()
    state = {name: value.detach().cpu().numpy() for name, value in network.state_dict().items()}
    graph.node("Sub", [INPUT_FEATURES, graph.constant("mean", state["mean"])], "centred")
    graph.node("Div", ["centred", graph.constant("deviation", state["deviation"])], "standard")
    low, high = graph.constant("low", np.float32(-CLIP)), graph.constant("high", np.float32(CLIP))
    graph.node("Clip", ["standard", low, high], "scaled")
    sizes = np.array([len(names) for names in GROUPS.values()], np.int64)
    parts = [f"group_{name}" for name in GROUPS]
    split = ["scaled", graph.constant("columns_of_groups", sizes)]
    graph.nodes.append(helper.make_node("Split", split, parts, axis=1))
    members = []
    for i in range(len(network.members)):
        scores = [_perceptron(graph, state, f"members.{i}.joint", "scaled")]
        scores += [_perceptron(graph, state, f"members.{i}.groups.{j}", part) for j, part in enumerate(parts)]
        members.append(graph.node("Sum", scores, f"member_{i}"))
    graph.node("Mean", members, "logits")
    _open_set(graph, novelty, len(network.members))
    columns = len(FEATURE_NAMES)
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "compact",
            [helper.make_tensor_value_info(INPUT_FEATURES, TensorProto.FLOAT, ["n", columns])],
            [
                helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", network.classes]),
                helper.make_tensor_value_info("novelty", TensorProto.FLOAT, ["n"]),
                helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["n", columns]),
            ],
            graph.weights,
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        producer_name="callprint",
    )
    model.ir_version = IR_VERSION
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def sha256(data: bytes) -> str:
    """Return the digest that a card holds of its graph."""
    return hashlib.sha256(data).hexdigest()


def write_model(graph: bytes, card: ModelCard, path: Path) -> None:
    """Write graph and card side by side. The card comes last: without it nothing serves the graph."""
    path.write_bytes(graph)
    card_path(path).write_text(card_text(card), encoding="utf-8")
