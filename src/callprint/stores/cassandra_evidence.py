"""Evidence of unknown flows, as the Cassandra tables hold it."""

import heapq
from collections.abc import Iterator
from itertools import chain, islice

from callprint.core.verdict import FlowKey
from callprint.stores.base import EvidenceState, UnknownEvidence
from callprint.stores.cassandra_partitions import Part, Partitions, RunMany, Selection, Span
from callprint.stores.cassandra_rows import BUCKETS, DAY_NS, OF_FLOW, SELECT_VERDICT, bucket_of, verdict_of
from callprint.stores.columns import EVIDENCE

ALWAYS = Span(-(1 << 63), (1 << 63) - 1)
MOST_EVIDENCE = 400  # logs of a day that are fetched first

_BY_DAY = "unknown_evidence WHERE day = ?"
_EVIDENCE = Selection(
    f"SELECT {EVIDENCE.selected()}", "decided_at_ns", EVIDENCE.names.index("decided_at_ns"), None
)


class _Descending(str):
    """A text that sorts in reverse."""

    __slots__ = ()

    def __lt__(self, other: str) -> bool:
        return str.__gt__(self, other)


class EvidenceQueries:
    """What can be asked; `run_many(statement, parameters)` gives the rows for each set of parameters."""

    def __init__(self, run_many: RunMany) -> None:
        self._run_many = run_many
        self._partitions = Partitions(run_many)

    def evidence_of(self, flow: FlowKey) -> Iterator[UnknownEvidence]:
        """Give the evidence that is kept of one flow: of its verdicts, or of whatever time if none is stored."""
        select = f"SELECT {EVIDENCE.selected()} FROM unknown_evidence WHERE day = ? AND bucket = ?"
        verdicts = f"{SELECT_VERDICT} FROM verdict_by_flow WHERE {OF_FLOW}"
        (rows,) = self._run_many(verdicts, [tuple(flow)])
        times = sorted({verdict_of(row).value.decided_at_ns for row in rows}, reverse=True)
        if not times:
            yield from (kept for kept in self.unknown_evidence(None) if kept.flow == flow)
            return
        asked = [(time_ns // DAY_NS, bucket_of(*flow), time_ns, *flow) for time_ns in times]
        for found in self._run_many(f"{select} AND decided_at_ns = ? AND {OF_FLOW}", asked):
            yield from map(EVIDENCE.value, found)

    def unknown_evidence(self, limit: int | None) -> Iterator[UnknownEvidence]:
        """Give the evidence that is kept, in the order of the interface."""
        # Some 20 KB each: few at a time.
        first = None if limit is None else max(1, min(MOST_EVIDENCE, limit) // BUCKETS)
        days = ([(day,)] for day in self._partitions.days("evidence", ALWAYS))
        found = (
            heapq.merge(
                *(
                    map(EVIDENCE.value, rows)
                    for rows in self._partitions.rows(_EVIDENCE, Part(_BY_DAY, day), ALWAYS, first)
                ),
                key=lambda kept: (-kept.decided_at_ns, *kept.flow, -kept.k, _Descending(kept.model)),
            )
            for day in days
        )
        yield from islice(chain.from_iterable(found), limit)

    def evidence_state(self) -> EvidenceState:
        """Say how much evidence is kept."""
        statement = "SELECT COUNT(*), MAX(decided_at_ns) FROM unknown_evidence WHERE day = ? AND bucket = ?"
        days = self._partitions.days("evidence", ALWAYS)
        asked: list[tuple[object, ...]] = [(day, bucket) for day in days for bucket in range(BUCKETS)]
        rows = [row for partition in self._run_many(statement, asked) for row in partition]
        return EvidenceState(sum(count for count, _ in rows), max((ns or 0 for _, ns in rows), default=0))
