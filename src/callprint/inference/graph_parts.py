"""A network in two parts: what names a flow, and what says how unlike the known ones it is.

Most of what a network is asked about is not named at all, and of such a flow nobody asks how novel it is: the second
part, a good third of the work, is run for the others alone. The parts are made of the nodes of the graph as they are,
so that they compute what the whole does.
"""

from collections.abc import Iterator
from typing import NamedTuple

from callprint.inference.graph_check import fields

_GRAPH = 7  # of a model
_NODE, _INITIALIZER, _INPUT, _OUTPUT, _VALUE_INFO = 1, 5, 11, 12, 13  # of a graph
_TAKEN, _GIVEN = 1, 2  # of a node
_NAME_OF_TENSOR, _NAME_OF_VALUE = 8, 1
_FLOAT_TENSOR = b"\x12\x04\x0a\x02\x08\x01"  # the type of a value: a tensor of float32, of any shape


class Parts(NamedTuple):
    """Two graphs that do together what one does."""

    first: bytes  # gives the first output, and after it `handed_on`
    second: bytes  # takes `takes`, gives the second output
    takes: tuple[
        str, ...
    ]  # inputs of the whole, the first output, `handed_on`: what of these the second part needs
    handed_on: tuple[str, ...]


class _Node(NamedTuple):
    takes: set[str]
    gives: set[str]


def parts(data: bytes, first: str, second: str) -> Parts | None:
    """Cut a graph that was checked into what its output `first` takes, and what `second` takes besides.

    None where there is nothing to cut off: the second output needs no node more, or there is none of this name.
    """
    graph = next(value for number, value in fields(memoryview(data)) if number == _GRAPH)
    if not isinstance(graph, memoryview):
        return None
    nodes = [
        _Node(set(_names(node, _TAKEN)) - {""}, set(_names(node, _GIVEN)))
        for number, node in fields(graph)
        if number == _NODE and isinstance(node, memoryview)
    ]
    constants = {
        name
        for number, tensor in fields(graph)
        if number == _INITIALIZER and isinstance(tensor, memoryview)
        for name in _names(tensor, _NAME_OF_TENSOR)
    }
    earlier = _needed(nodes, {first})
    later = _needed(nodes, {second}) - earlier
    given_earlier = {name for i in earlier for name in nodes[i].gives}
    given_later = {name for i in later for name in nodes[i].gives}
    if first not in given_earlier or second not in given_later:
        return None
    taken = {name for i in later for name in nodes[i].takes} - given_later - constants
    inputs = tuple(sorted(taken - given_earlier))
    handed_on = tuple(sorted(taken & given_earlier - {first}))
    takes = (*inputs, *((first,) if first in taken else ()), *handed_on)
    return Parts(
        _part(data, earlier, nodes, gives=(first, *handed_on)),
        _part(data, later, nodes, gives=(second,), takes=takes),
        takes,
        handed_on,
    )


def _needed(nodes: list[_Node], wanted: set[str]) -> set[int]:
    """Return the nodes that lead to the tensors `wanted`; in a graph each stands behind those that it needs."""
    needed = set()
    for i in reversed(range(len(nodes))):
        if wanted & nodes[i].gives:
            needed.add(i)
            wanted |= nodes[i].takes
    return needed


def _part(
    data: bytes,
    kept: set[int],
    nodes: list[_Node],
    gives: tuple[str, ...],
    takes: tuple[str, ...] | None = None,
) -> bytes:
    """Return the model with these nodes and their constants alone; takes: its inputs, None: those of the whole."""
    used = {name for i in kept for name in nodes[i].takes}
    model = bytearray()
    for number, value in fields(memoryview(data)):
        if number != _GRAPH or not isinstance(value, memoryview):
            model += _field(number, value)
            continue
        graph = bytearray()
        at = 0
        for inner, message in fields(value):
            keeps = inner not in (_OUTPUT, _VALUE_INFO) and not (inner == _INPUT and takes is not None)
            if inner == _NODE:
                keeps = at in kept
                at += 1
            elif inner == _INITIALIZER and isinstance(message, memoryview):
                keeps = not used.isdisjoint(_names(message, _NAME_OF_TENSOR))
            if keeps:
                graph += _field(inner, message)
        for inner, names in ((_INPUT, takes or ()), (_OUTPUT, gives)):
            for name in names:
                graph += _field(inner, _field(_NAME_OF_VALUE, name.encode()) + _FLOAT_TENSOR)
        model += _field(_GRAPH, graph)
    return bytes(model)


def _names(message: memoryview, field: int) -> Iterator[str]:
    for number, value in fields(message):
        if number == field and isinstance(value, memoryview):
            yield str(value, "utf-8", "backslashreplace")


def _field(number: int, value: "int | bytes | bytearray | memoryview") -> bytes:
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    return _varint(number << 3 | 2) + _varint(len(value)) + bytes(value)


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    found.append(value)
    return bytes(found)
