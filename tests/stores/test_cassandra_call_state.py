"""The snapshot of a site's calls in pieces, read back from rows as Cassandra gives them."""

from typing import NamedTuple

import pytest

from callprint.stores.cassandra_call_state import CallStates


class Piece(NamedTuple):
    """A row of call_state."""

    number: int
    part: int
    parts: int
    piece: bytes


def of(number, *pieces, parts=None):
    return [Piece(number, part, parts or len(pieces), piece) for part, piece in enumerate(pieces)]


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        ([], None),
        (of(7, b"a", b"b"), (7, b"ab")),
        (of(9, b"half", parts=2) + of(7, b"a", b"b"), (7, b"ab")),
        (of(7, b"new") + of(7, b"old", b"older", b"oldest")[1:], (7, b"new")),
        (of(7, b"new", parts=3) + of(7, b"old", b"older")[1:], None),
    ],
    ids=["nothing", "whole", "a later one is not whole", "longer before", "not whole, shorter before"],
)
def test_the_highest_whole_snapshot_is_found(rows, found):
    assert CallStates(lambda _statement, _parameters: iter(rows)).get(5) == found
