"""A flow that has ended, on its way to its call: a place in columns, and a report when somebody looks at it.

Most flows belong to no call with signalling. Nobody looks at those one by one: an object for each of their verdicts and
summaries would cost more than all that is done with them here.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import count, repeat
from typing import Any, cast

from callprint.core.ground.table import Rows, ValueTable
from callprint.core.quality.measures import without_codec
from callprint.core.verdict import FlowKey, FlowReport, FlowSummary, Verdict


class EndedFlows:
    """Flows that ended, as columns."""

    __slots__ = ("_unannounced", "rated", "summaries", "verdicts")

    def __init__(
        self,
        verdicts: ValueTable[Verdict],
        summaries: ValueTable[FlowSummary],
        rated: frozenset[int] = frozenset(),
    ) -> None:
        """rated: the places of those that got their rating since they ended."""
        self.verdicts = verdicts
        self.summaries = summaries
        self.rated = rated
        self._unannounced: EndedFlows | None = None

    @property
    def unannounced(self) -> "EndedFlows":
        """These flows, with a rating also for those whose codec only signalling could say, and none did."""
        if self._unannounced is None:
            self._unannounced = EndedFlows(self.verdicts, *without_codec(self.summaries))
        return self._unannounced


class EndedFlow:
    """One flow that ended. It has what a FlowReport has."""

    __slots__ = ("_report", "at", "flows", "key", "last_seen_ns")

    def __init__(
        self,
        key: FlowKey,
        last_seen_ns: int,
        flows: EndedFlows | None,
        at: int,
        report: FlowReport | None = None,
    ) -> None:
        """`at`: its place in `flows`; without these it has a report."""
        self.key = key
        self.last_seen_ns = last_seen_ns
        self.flows = flows
        self.at = at
        self._report = report

    @classmethod
    def of(cls, report: FlowReport) -> "EndedFlow":
        """Return the flow of a report."""
        return cls(report.verdict.flow, report.summary.last_seen_ns, None, 0, report)

    @property
    def report(self) -> FlowReport:
        """Its report, always the same object."""
        if self._report is None:
            assert self.flows is not None
            self._report = FlowReport(self.flows.verdicts[self.at], self.flows.summaries[self.at])
        return self._report

    @property
    def verdict(self) -> Verdict:
        """Its last verdict."""
        return self.report.verdict

    @property
    def summary(self) -> FlowSummary:
        """Its counters and statistics."""
        return self.report.summary


def ended_flows(reports: Iterable[FlowReport | EndedFlow]) -> Iterator[EndedFlow]:
    """Yield flows that ended; of those that are columns no report is made."""
    if isinstance(reports, Rows):
        for part in reports.parts:
            yield from ended_flows(part)
    elif isinstance(reports, ValueTable):
        verdicts, summaries = (
            cast(ValueTable[Any], reports.columns[name]) for name in ("verdict", "summary")
        )
        flows = EndedFlows(verdicts, summaries)
        cells = summaries.cells("flow"), summaries.cells("last_seen_ns")
        yield from map(EndedFlow, *cells, repeat(flows), count())
    else:
        for report in reports:
            yield EndedFlow.of(report) if isinstance(report, FlowReport) else report


def cells_of(
    flows: Sequence[EndedFlow], of_verdict: Sequence[str], of_summary: Sequence[str]
) -> list[tuple[Any, ...]]:
    """Return some fields of the verdict and of the summary of each flow, gathered from the columns they are in."""
    found: list[tuple[Any, ...]] = [()] * len(flows)
    for these, there in _by_columns(flows).items():
        if these is None:
            for at in there:
                verdict, summary = flows[at].verdict, flows[at].summary
                found[at] = (
                    *(getattr(verdict, name) for name in of_verdict),
                    *(getattr(summary, name) for name in of_summary),
                )
            continue
        inside = [flows[at].at for at in there]
        columns = (
            *(these.verdicts.gathered(name, inside) for name in of_verdict),
            *(these.summaries.gathered(name, inside) for name in of_summary),
        )
        for at, cells in zip(there, zip(*columns, strict=False), strict=True):
            found[at] = cells
    return found


def _by_columns(flows: Sequence[EndedFlow]) -> dict[EndedFlows | None, list[int]]:
    """Return the places of flows by the columns that they are in."""
    places: dict[EndedFlows | None, list[int]] = {}
    for at, flow in enumerate(flows):
        places.setdefault(flow.flows, []).append(at)
    return places
