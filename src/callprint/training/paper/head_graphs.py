"""Heads as ONNX nodes, and network + head as ONE graph: k-matrices in, logits out. No pickle, no converter."""

import numpy as np
import onnx
from onnx import TensorProto, helper

from callprint.training.paper.graphs import FEATURES, LOGITS, ML_DOMAIN, GraphWriter
from callprint.training.paper.heads import ABSENT, LEAST_PROBABILITY, NAIVE_BAYES, SVM, Head


def write_head(writer: GraphWriter, head: Head, features: str) -> str:
    """Write a head behind deep features (n, units); returns the name of its logits (n, classes)."""
    centred = writer.node("Sub", [features, writer.constant(head.mean)])
    rows = writer.node("Div", [centred, writer.constant(head.deviation)])
    if head.name == SVM:
        return writer.node("Identity", [_kernel_machine(writer, head, rows)], LOGITS)
    probabilities = (
        _naive_bayes(writer, head, rows) if head.name == NAIVE_BAYES else _trees(writer, head, rows)
    )
    least = writer.constant(np.float32(LEAST_PROBABILITY))
    return writer.node("Log", [writer.node("Max", [probabilities, least])], LOGITS)


def _kernel_machine(writer: GraphWriter, head: Head, rows: str) -> str:
    # decision = sum over support vectors s of weight(s, class) exp(-gamma |x - s|^2) + bias(class)
    machines = head.classifier.estimators_
    used = [machine.support_ for machine in machines]
    every = np.unique(np.concatenate(used))
    place = np.full(int(every.max()) + 1, -1)
    place[every] = np.arange(len(every))
    vectors = np.zeros((len(every), len(head.mean)), np.float64)
    weights = np.zeros((len(every), head.classes), np.float64)
    bias = np.full(head.classes, ABSENT, np.float64)
    # Two classes have one machine, whose decision is for the second and against the first.
    columns = [(i, 1.0) for i in head.present] if len(machines) > 1 else [(head.present[1], 1.0)]
    for machine, support, (column, sign) in zip(machines, used, columns, strict=True):
        vectors[place[support]] = machine.support_vectors_
        weights[place[support], column] = sign * machine.dual_coef_[0]
        bias[column] = machine.intercept_[0]
    if len(machines) == 1:
        weights[:, head.present[0]] = -weights[:, head.present[1]]
        bias[head.present[0]] = -bias[head.present[1]]
    gamma = float(machines[0]._gamma)
    last = writer.constant(np.array([1], np.int64))
    squares = writer.node("ReduceSumSquare", [rows, last])  # (n, 1)
    centres = writer.constant(vectors.astype(np.float32))
    lengths = writer.constant((vectors**2).sum(1).astype(np.float32))
    crossed = writer.node("Gemm", [rows, centres, lengths], alpha=-2.0, transB=1)
    distances = writer.node("Add", [squares, crossed])  # (n, support vectors)
    kernel = writer.node("Exp", [writer.node("Mul", [distances, writer.constant(np.float32(-gamma))])])
    return writer.node(
        "Gemm",
        [kernel, writer.constant(weights.astype(np.float32)), writer.constant(bias.astype(np.float32))],
    )


def _naive_bayes(writer: GraphWriter, head: Head, rows: str) -> str:
    # log p(class) + sum over units of log N(x; mean, variance), with the square expanded.
    # In double precision, since the terms cancel.
    model = head.classifier
    inverse = 1.0 / model.var_  # (present, units)
    constant = (
        np.log(model.class_prior_)
        - 0.5 * np.log(2 * np.pi * model.var_).sum(1)
        - 0.5 * (model.theta_**2 * inverse).sum(1)
    )
    exact = writer.node("Cast", [rows], to=TensorProto.DOUBLE)
    linear = writer.node("MatMul", [exact, writer.constant((model.theta_ * inverse).T)])
    squares = writer.node("Mul", [exact, exact])
    quadratic = writer.node("MatMul", [squares, writer.constant(-0.5 * inverse.T)])
    joint = writer.node("Add", [writer.node("Add", [linear, quadratic]), writer.constant(constant)])
    likely = writer.node("Softmax", [joint], axis=1)
    return _spread(writer, head, writer.node("Cast", [likely], to=TensorProto.FLOAT))


def _spread(writer: GraphWriter, head: Head, present: str) -> str:
    # Moves the columns of the classes that the head knows to where they are among all classes.
    places = np.zeros((len(head.present), head.classes), np.float32)
    places[np.arange(len(head.present)), head.present] = 1.0
    return writer.node("MatMul", [present, writer.constant(places)])


def _rounded_down(thresholds: np.ndarray) -> np.ndarray:
    # x <= t for float32 x and float64 t is x <= the largest float32 that is not above t.
    single = thresholds.astype(np.float32)
    above = single.astype(np.float64) > thresholds
    single[above] = np.nextafter(single[above], np.float32(-np.inf))
    return single


def _trees(writer: GraphWriter, head: Head, rows: str) -> str:
    model = head.classifier
    trees = [tree.tree_ for tree in getattr(model, "estimators_", [model])]
    table: dict[str, list[np.ndarray]] = {
        name: [] for name in ("tree", "node", "unit", "value", "yes", "no", "leaf")
    }
    leaves: dict[str, list[np.ndarray]] = {name: [] for name in ("tree", "node", "class", "share")}
    for i, tree in enumerate(trees):
        leaf = tree.children_left < 0
        table["tree"].append(np.full(tree.node_count, i))
        table["node"].append(np.arange(tree.node_count))
        table["unit"].append(np.where(leaf, 0, tree.feature))
        table["value"].append(np.where(leaf, 0.0, _rounded_down(tree.threshold)))
        table["yes"].append(np.where(leaf, 0, tree.children_left))
        table["no"].append(np.where(leaf, 0, tree.children_right))
        table["leaf"].append(leaf)
        shares = tree.value[:, 0, :] / tree.value[:, 0, :].sum(1, keepdims=True) / len(trees)
        node, column = np.nonzero(leaf[:, np.newaxis] & (shares > 0))
        leaves["tree"].append(np.full(len(node), i))
        leaves["node"].append(node)
        leaves["class"].append(head.present[column])
        leaves["share"].append(shares[node, column])
    found = {name: np.concatenate(parts) for name, parts in table.items()}
    ends = {name: np.concatenate(parts) for name, parts in leaves.items()}
    name = f"{writer.prefix}trees_{len(writer.nodes)}"
    writer.nodes.append(
        helper.make_node(
            "TreeEnsembleRegressor",
            [rows],
            [name],
            domain=ML_DOMAIN,
            n_targets=head.classes,
            nodes_treeids=found["tree"].tolist(),
            nodes_nodeids=found["node"].tolist(),
            nodes_featureids=found["unit"].tolist(),
            nodes_values=found["value"].tolist(),
            nodes_truenodeids=found["yes"].tolist(),
            nodes_falsenodeids=found["no"].tolist(),
            nodes_modes=["LEAF" if leaf else "BRANCH_LEQ" for leaf in found["leaf"]],
            nodes_hitrates=[1.0] * len(found["tree"]),
            nodes_missing_value_tracks_true=[0] * len(found["tree"]),
            target_treeids=ends["tree"].tolist(),
            target_nodeids=ends["node"].tolist(),
            target_ids=ends["class"].tolist(),
            target_weights=ends["share"].tolist(),
        )
    )
    return name


def head_model(head: Head) -> onnx.ModelProto:
    """Return a head alone: features (n, units) -> logits (n, classes)."""
    writer = GraphWriter("head_")
    write_head(writer, head, FEATURES)
    return writer.model(
        helper.make_tensor_value_info(FEATURES, TensorProto.FLOAT, ["n", len(head.mean)]),
        [helper.make_tensor_value_info(LOGITS, TensorProto.FLOAT, ["n", head.classes])],
    )


def combined_model(network: onnx.ModelProto, head: Head) -> onnx.ModelProto:
    """Return network and head as one graph; `network` is what graphs.network_model made, and is changed."""
    graph = network.graph
    end = next(i for i, node in enumerate(graph.node) if node.output[0] == FEATURES) + 1
    unused = {name for node in graph.node[end:] for name in node.input}
    kept = [one for one in graph.initializer if one.name not in unused]
    writer = GraphWriter("head_")
    write_head(writer, head, FEATURES)
    del graph.node[end:]
    graph.node.extend(writer.nodes)
    del graph.initializer[:]
    graph.initializer.extend(kept)
    graph.initializer.extend(writer.constants)
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info(LOGITS, TensorProto.FLOAT, ["n", head.classes]))
    return network
