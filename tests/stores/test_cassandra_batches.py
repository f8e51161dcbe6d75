"""Rows of Cassandra are packed into batches that a node takes: all of them, each once, none beyond the limits."""

from collections import Counter
from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as st

from callprint.stores.cassandra_batches import BATCH_BYTES, BATCH_PARTITIONS, BATCH_ROWS, batches
from callprint.stores.cassandra_binding import Bound
from callprint.stores.cassandra_rows import Row

ROWS = st.lists(
    st.tuples(st.integers(0, 30), st.sampled_from([10, 400, 6_000, 30_000])), max_size=200
)  # partition, bytes
NODES = 3


def packed(rows):
    """Return the batches of rows, each a list of (node, partition, bytes, number)."""

    def bind(row: Row):
        statement = SimpleNamespace(values=row.values, partition=row.partition[0], number=row.columns[0])
        return Bound(statement, len(row.values[0]))

    made = [Row("t", (partition,), (str(i),), (b"x" * size,)) for i, (partition, size) in enumerate(rows)]
    return [
        [(each.partition % NODES, each.partition, len(each.values[0]), each.number) for each in batch]
        for batch in batches(made, bind, lambda statement: statement.partition % NODES)
    ]


@given(ROWS)
def test_every_row_is_in_one_batch_within_the_limits(rows):
    found = packed(rows)
    assert Counter(number for batch in found for *_, number in batch) == Counter(map(str, range(len(rows))))
    for batch in found:
        assert len({node for node, *_ in batch}) == 1
        assert len({partition for _, partition, *_ in batch}) <= BATCH_PARTITIONS
        assert len(batch) <= BATCH_ROWS
        assert len(batch) == 1 or sum(size for _, _, size, _ in batch) <= BATCH_BYTES


def test_rows_of_a_partition_stay_together_and_in_order():
    found = packed([(i % 2 * NODES, 100) for i in range(20)])
    assert [[(partition, number) for _, partition, _, number in batch] for batch in found] == [
        [(0, str(i)) for i in range(0, 20, 2)] + [(NODES, str(i)) for i in range(1, 20, 2)]
    ]


def test_rows_of_a_partition_that_fit_into_a_batch_are_not_torn_apart():
    rows = [(0, 300)] * 48 + [(NODES, 300)] * 5
    assert [len(batch) for batch in packed(rows)] == [48, 5]


def test_few_requests_for_many_small_rows():
    assert len(packed([(i, 100) for i in range(0, 300, NODES)])) == 5
