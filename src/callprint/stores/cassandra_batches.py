"""Rows in few requests: each costs a writer and a node more than a row in it."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from callprint.stores.cassandra_binding import Bound
from callprint.stores.cassandra_rows import Row, by_partition

BATCH_ROWS = 50  # more gain nothing
BATCH_PARTITIONS = 20  # each may wait for a sync; Cassandra warns of 10, unless told otherwise
BATCH_BYTES = 20_000  # it refuses 50 KiB, and counts 16 more for each cell; one row may be longer


class _Batch:
    """Statements that go out together."""

    def __init__(self) -> None:
        self.statements: list[Any] = []
        self.bytes = 0
        self.partitions: set[int] = set()

    def has_room(self, partition: int, size: int, rows: int = 1) -> bool:
        """Return whether rows of so many bytes together may be added."""
        return (
            len(self.statements) + rows <= BATCH_ROWS
            and self.bytes + size <= BATCH_BYTES
            and (len(self.partitions) < BATCH_PARTITIONS or partition in self.partitions)
        )


def batches(
    rows: Iterable[Row], bind: Callable[[Row], Bound], node_of: Callable[[Any], object]
) -> Iterator[list[Any]]:
    """Yield the statements of rows in batches, each for one node, within the limits.

    `bind` makes a statement of a row; `node_of` says which node has the partition of a statement. Rows with one
    partition key are in one batch, and so written at once, if they fit into one.
    """
    filled: dict[object, _Batch] = {}
    for partition, group in enumerate(by_partition(rows)):
        bound = list(map(bind, group))
        node = node_of(bound[0].statement)
        batch = filled.setdefault(node, _Batch())
        together = partition, sum(size for _, size in bound), len(bound)
        if batch.statements and not batch.has_room(*together) and _Batch().has_room(*together):
            yield batch.statements
            batch = filled[node] = _Batch()
        for statement, size in bound:
            if batch.statements and not batch.has_room(partition, size):
                yield batch.statements
                batch = filled[node] = _Batch()
            batch.statements.append(statement)
            batch.bytes += size
            batch.partitions.add(partition)
    yield from (batch.statements for batch in filled.values())
