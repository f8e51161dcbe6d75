"""What an ONNX file may hold, found out without ONNX Runtime: a network is one file, and it ends.

Refused are tensors that lie in other files (the card's digest does not cover them, and any file could be named), nodes
with graphs of their own (a Loop may run for ever), and operators from libraries. The walker knows the few messages of
onnx.proto3 that lead to those; Protocol Buffers' wire format: https://protobuf.dev/programming-guides/encoding/
"""

from collections.abc import Iterator

import numpy as np

from callprint.core.ground.arrays import Array
from callprint.core.ground.errors import ModelError

DOMAINS = ("", "ai.onnx", "ai.onnx.ml", "com.microsoft")
"""Operators of the standard, and those of ONNX Runtime that networks in fewer bits use."""

_CHILDREN = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse tensor"},
    "node": {5: "attribute"},
    "attribute": {
        5: "tensor",
        6: "subgraph",
        10: "tensor",
        11: "subgraph",
        22: "sparse tensor",
        23: "sparse tensor",
    },
    "sparse tensor": {1: "tensor", 2: "tensor"},
    "tensor": {},
}
"""Message -> field number -> message in it."""

_EXTERNAL_DATA, _DATA_LOCATION = 13, 14  # of a tensor
_DOMAIN = 7  # of a node
_GRAPH, _INITIALIZER = 7, 5  # of a model, of a graph
_DATA_TYPE, _NAME, _RAW_DATA = 2, 8, 9  # of a tensor
_FLOAT = 1  # data type


def check_graph(data: bytes, name: str) -> None:
    """Raise ModelError, naming the file `name`, when the network is damaged or holds what is refused."""
    try:
        _check(memoryview(data), name)
    except (IndexError, ValueError):
        raise ModelError(f"{name} is not a network: no ONNX file, or a damaged one") from None


def _check(data: memoryview, name: str) -> None:
    waiting = [("model", data)]
    while waiting:
        kind, message = waiting.pop()
        for number, value in fields(message):
            if kind == "tensor" and (number == _EXTERNAL_DATA or (number == _DATA_LOCATION and value)):
                raise ModelError(f"{name} keeps a tensor in another file: a network must be one file")
            if kind == "node" and number == _DOMAIN and isinstance(value, memoryview):
                domain = bytes(value).decode("utf-8", "backslashreplace")
                if domain not in DOMAINS:
                    raise ModelError(f"{name} needs operators of {domain!r}, which are not part of ONNX")
            child = _CHILDREN[kind].get(number)
            if child == "subgraph":
                raise ModelError(f"{name} has a node with a graph of its own (Loop, Scan or If)")
            if child is not None and isinstance(value, memoryview):
                waiting.append((child, value))


def float_constant(data: bytes, name: str) -> Array | None:
    """Return a constant of a graph that was checked, float32 in one row; None when it has none of this name."""
    for number, graph in fields(memoryview(data)):
        if number != _GRAPH or not isinstance(graph, memoryview):
            continue
        for kind, tensor in fields(graph):
            if kind != _INITIALIZER or not isinstance(tensor, memoryview):
                continue
            parts = dict(fields(tensor))
            raw = parts.get(_RAW_DATA)
            is_named = parts.get(_NAME) == name.encode() and parts.get(_DATA_TYPE) == _FLOAT
            if is_named and isinstance(raw, memoryview) and len(raw) % 4 == 0:
                return np.frombuffer(raw, "<f4")
    return None


def fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Give the number and value of each field. Raises IndexError or ValueError when the bytes are none."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        wire = tag & 7
        if wire == 0:
            value, at = _varint(message, at)
            yield tag >> 3, value
            continue
        if wire == 2:
            length, at = _varint(message, at)
        elif wire in (1, 5):
            length = 8 if wire == 1 else 4
        else:
            raise ValueError(wire)
        if at + length > len(message):
            raise ValueError(length)
        if wire == 2:
            yield tag >> 3, message[at : at + length]
        at += length


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise ValueError(shift)
