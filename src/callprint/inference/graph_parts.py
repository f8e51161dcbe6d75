"""A network in two parts: what names a flow, and what says how unlike the known ones it is.

Most of what a network is asked about is not named at all, and of such a flow nobody asks how novel it is: the second
part, a good third of the work, is run for the others alone. The parts are made of the nodes of the graph as they are,
so that they compute what the whole does; but the second one multiplies no rows that it then leaves out.
"""

from collections.abc import Iterator
from typing import NamedTuple

from callprint.inference.graph_check import fields

_GRAPH = 7  # of a model
_NODE, _INITIALIZER, _INPUT, _OUTPUT, _VALUE_INFO = 1, 5, 11, 12, 13  # of a graph
_TAKEN, _GIVEN, _OPERATOR, _ATTRIBUTE = 1, 2, 4, 5  # of a node
_INTEGER = 3  # of an attribute
_SIZE, _NAME_OF_TENSOR = 1, 8  # of a tensor
_NAME_OF_VALUE = 1
_FLOAT_TENSOR = b"\x12\x04\x0a\x02\x08\x01"  # the type of a value: a tensor of float32, of any shape

Messages = tuple[memoryview | bytes, ...]


class Parts(NamedTuple):
    """Two graphs that do together what one does."""

    first: bytes  # gives the first output, and after it `handed_on`
    second: bytes  # takes `takes`, gives the second output
    takes: tuple[
        str, ...
    ]  # inputs of the whole, the first output, `handed_on`: what of these the second part needs
    handed_on: tuple[str, ...]


class _Node(NamedTuple):
    raw: memoryview
    takes: set[str]
    gives: set[str]

    @classmethod
    def of(cls, raw: memoryview) -> "_Node":
        return cls(raw, set(_names(raw, _TAKEN)) - {""}, set(_names(raw, _GIVEN)))

    @property
    def operator(self) -> str:
        return next(_names(self.raw, _OPERATOR), "")


def parts(data: bytes, first: str, second: str) -> Parts | None:
    """Cut a graph that was checked into what its output `first` takes, and what `second` takes besides.

    None where there is nothing to cut off: the second output needs no node more, or there is none of this name.
    """
    graph = next(value for number, value in fields(memoryview(data)) if number == _GRAPH)
    if not isinstance(graph, memoryview):
        return None
    nodes = [
        _Node.of(node) for number, node in fields(graph) if number == _NODE and isinstance(node, memoryview)
    ]
    constants = {
        name: _axes(tensor)
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
    taken = {name for i in later for name in nodes[i].takes} - given_later - set(constants)
    inputs = tuple(sorted(taken - given_earlier))
    handed_on = tuple(sorted(taken & given_earlier - {first}))
    takes = (*inputs, *((first,) if first in taken else ()), *handed_on)
    return Parts(
        _part(data, {i: (nodes[i].raw,) for i in earlier}, nodes, gives=(first, *handed_on)),
        _part(data, _rows_first(nodes, later, constants, second), nodes, gives=(second,), takes=takes),
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


def _rows_first(
    nodes: list[_Node], kept: set[int], constants: dict[str, int], wanted: str
) -> dict[int, Messages]:
    """Return what takes the place of the nodes that are kept: rows are chosen before they are multiplied.

    A MatMul by a constant matrix changes places with a Compress if nothing else that is kept needs its product.
    constants: how many axes each has.
    """
    found: dict[int, Messages] = {i: (nodes[i].raw,) for i in kept}
    for i in kept:
        users = [nodes[j] for j in kept if nodes[j].takes & nodes[i].gives]
        if nodes[i].operator != "MatMul" or len(users) != 1 or wanted in nodes[i].gives:
            continue
        (factor, constant), (product,) = _names(nodes[i].raw, _TAKEN), nodes[i].gives
        (choice,) = users
        if constants.get(constant) == 2 and _chooses_rows_of(choice, product):
            _, rows = _names(choice.raw, _TAKEN)
            (chosen,) = choice.gives
            before = _renamed(choice.raw, (factor, rows), product)
            found[nodes.index(choice)] = before, _renamed(nodes[i].raw, (product, constant), chosen)
            found[i] = ()
    return found


def _axes(tensor: memoryview) -> int:
    """Return how many axes a tensor has; its sizes come one by one or packed into one field."""
    sizes = [value for number, value in fields(tensor) if number == _SIZE]
    return sum(1 if isinstance(size, int) else sum(byte < 128 for byte in size) for size in sizes)


def _chooses_rows_of(node: _Node, name: str) -> bool:
    """Return whether a node is a Compress of this tensor along its first axis."""
    if node.operator != "Compress" or next(_names(node.raw, _TAKEN)) != name:
        return False
    attributes = [
        dict(fields(value))
        for number, value in fields(node.raw)
        if number == _ATTRIBUTE and isinstance(value, memoryview)
    ]
    return len(attributes) == 1 and attributes[0].get(_INTEGER, 0) == 0


def _renamed(node: memoryview, takes: tuple[str, ...], gives: str) -> bytes:
    """Return a node with other tensors around it."""
    rest = b"".join(_field(number, value) for number, value in fields(node) if number not in (_TAKEN, _GIVEN))
    return b"".join(_field(_TAKEN, name.encode()) for name in takes) + _field(_GIVEN, gives.encode()) + rest


def _part(
    data: bytes,
    kept: dict[int, Messages],
    nodes: list[_Node],
    gives: tuple[str, ...],
    takes: tuple[str, ...] | None = None,
) -> bytes:
    """Return the model with nothing but some nodes and their constants.

    kept: by the index of a node what takes its place; takes: the inputs, None: those of the whole.
    """
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
                for node in kept.get(at, ()):
                    graph += _field(_NODE, node)
                at += 1
                keeps = False
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
