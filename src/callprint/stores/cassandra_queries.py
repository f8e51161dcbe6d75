"""Answers from the Cassandra tables: partitions are read newest first and merged into the order of the interface."""

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, groupby, islice
from typing import Any, Generic, NamedTuple

from callprint.core.call import CallRecord, Phase, Vote
from callprint.core.ground.fields import values_of
from callprint.core.verdict import RUNNING, UNKNOWN, FlowKey, FlowSummary, Verdict
from callprint.stores.base import EvidenceState, StoredVerdict, UnknownEvidence
from callprint.stores.cassandra_rows import (
    BUCKETS,
    DAY_NS,
    HOUR_NS,
    SELECT_CALL,
    SELECT_VERDICT,
    Judged,
    Judgement,
    call_of,
    summary_of,
    verdict_of,
)
from callprint.stores.columns import EVIDENCE, KEY_COLUMNS, SUMMARY, VOTE
from callprint.stores.queries import FLOW_FIELDS, CallQuery, VerdictQuery, Where, verdict_order

RunMany = Callable[[str, list[tuple[object, ...]]], Iterable[Iterable[Any]]]
LOOK_AHEAD = 64  # flows whose last verdict and summary are asked for at once

_OF_FLOW = " AND ".join(f"{column} = ?" for column in KEY_COLUMNS)


Judgements = Iterable[Judged[Judgement]]


class _Descending(str):
    """A text that sorts in reverse."""

    __slots__ = ()

    def __lt__(self, other: str) -> bool:
        return str.__gt__(self, other)


class _Span(NamedTuple):
    """A half-open span of time."""

    since_ns: int
    until_ns: int

    def has(self, unit: int, unit_ns: int) -> bool:
        """Return whether day or hour number `unit` overlaps the span."""
        return unit * unit_ns < self.until_ns and (unit + 1) * unit_ns > self.since_ns


def _span(query: VerdictQuery | CallQuery) -> _Span:
    since_ns = -(1 << 63) if query.since_ns is None else query.since_ns
    until_ns = (1 << 63) - 1 if query.until_ns is None else query.until_ns
    return _Span(since_ns, until_ns if query.after is None else min(until_ns, query.after[0] + 1))


def _verdict_place(judged: Judged[Verdict]) -> tuple[object, ...]:
    """The order of the partitions, as far as it is that of the interface: judgements of one thing are equal."""
    verdict = judged.value
    return (-verdict.decided_at_ns, *verdict.flow, not verdict.final, -verdict.k)


def _call_place(judged: Judged[CallRecord]) -> tuple[object, ...]:
    call = judged.value
    return (-call.started_ns, call.call_id, call.from_tag, call.phase is not Phase.END, -call.judged_at_ns)


class _Kind(NamedTuple, Generic[Judgement]):
    """How judgements of a kind are read, and the column that holds their time."""

    select: str
    time: str
    value: Callable[[Any], Judged[Judgement]]
    place: Callable[[Judged[Judgement]], tuple[object, ...]]


_VERDICTS = _Kind(SELECT_VERDICT, "decided_at_ns", verdict_of, _verdict_place)
_CALLS = _Kind(SELECT_CALL, "started_ns", call_of, _call_place)


def _latest_first(
    partitions: Iterable[Judgements[Judgement]], place: Callable[[Judged[Judgement]], tuple[object, ...]]
) -> Iterator[Judged[Judgement]]:
    """Merge partitions; of judgements of the same thing the one that was stored last comes first."""
    for _, same in groupby(heapq.merge(*partitions, key=place), key=place):
        yield from sorted(same, key=lambda judged: (judged.sequence, judged.judge), reverse=True)


class Queries:
    """What can be asked; `run_many(statement, parameters)` gives the rows for each set of parameters."""

    def __init__(self, run_many: RunMany) -> None:
        self._run_many = run_many

    def verdicts(self, query: VerdictQuery) -> Iterator[StoredVerdict]:
        """Give the verdicts that match, in the order of the interface."""
        found = (judged.value for judged in self._candidates(query) if _matches(judged.value, query))
        stored = self._completed(found, query.last_only)
        if query.where:
            stored = (each for each in stored if _meets(_flow_values(each), query.where))
        yield from islice(stored, query.limit)

    def calls(self, query: CallQuery) -> Iterator[CallRecord]:
        """Give the calls that match, in the order of the interface."""
        rows: Iterable[CallRecord] = (judged.value for judged in self._call_candidates(query))
        if query.last_only:
            # The rows of a call are neighbours, and the one that counts is first (queries.call_order).
            groups = groupby(rows, key=lambda call: (call.started_ns, call.call_id, call.from_tag))
            rows = (next(group) for _, group in groups)
        yield from islice((call for call in rows if _call_matches(call, query)), query.limit)

    def votes(self, caller: str | None) -> Iterator[Vote]:
        """Give the votes that count."""
        statement = f"SELECT {VOTE.selected()} FROM feedback"
        if caller is None:
            votes = sorted(map(VOTE.value, self._rows(statement)), key=lambda vote: vote.caller)
        else:
            votes = list(map(VOTE.value, self._rows(f"{statement} WHERE caller = ?", caller)))
        # Within a partition the latest vote of a user comes first.
        for _, of_user in groupby(votes, key=lambda vote: (vote.caller, vote.user)):
            yield next(of_user)

    def unknown_evidence(self, limit: int | None) -> Iterator[UnknownEvidence]:
        """Give the evidence that is kept, in the order of the interface."""
        statement = f"SELECT {EVIDENCE.selected()} FROM unknown_evidence WHERE day = ? AND bucket = ?"
        days = self._days("evidence", _span(VerdictQuery()))
        yield from islice(chain.from_iterable(self._evidence_of(statement, day) for day in days), limit)

    def evidence_state(self) -> EvidenceState:
        """Say how much evidence is kept."""
        statement = "SELECT COUNT(*), MAX(decided_at_ns) FROM unknown_evidence WHERE day = ? AND bucket = ?"
        days = self._days("evidence", _span(VerdictQuery()))
        asked = [(day, bucket) for day in days for bucket in range(BUCKETS)]
        rows = [row for partition in self._run_many(statement, asked) for row in partition]
        return EvidenceState(sum(count for count, _ in rows), max((ns or 0 for _, ns in rows), default=0))

    def _evidence_of(self, statement: str, day: int) -> Iterator[UnknownEvidence]:
        partitions = self._run_many(statement, [(day, bucket) for bucket in range(BUCKETS)])
        yield from heapq.merge(
            *(map(EVIDENCE.value, rows) for rows in partitions),
            key=lambda kept: (-kept.decided_at_ns, *kept.flow, -kept.k, _Descending(kept.model)),
        )

    def _rows(self, statement: str, *parameters: object) -> Iterable[Any]:
        (rows,) = self._run_many(statement, [parameters])
        return rows

    def _candidates(self, query: VerdictQuery) -> Iterator[Judged[Verdict]]:
        """Give the verdicts of the partitions that the query leads to, in order and unfiltered."""
        if query.flow is not None:
            rows = self._rows(f"{SELECT_VERDICT} FROM verdict_by_flow WHERE {_OF_FLOW}", *query.flow)
            yield from _latest_first([sorted(map(verdict_of, rows), key=_verdict_place)], _verdict_place)
            return
        span = _span(query)
        if query.address is not None:
            where = "verdict_by_host_day WHERE host = ? AND day = ? AND bucket = ?"
            for day in self._days("verdict", span):
                keys = [(query.address, day, bucket) for bucket in range(BUCKETS)]
                yield from self._merged(_VERDICTS, where, keys, span)
            return
        where = "verdict_by_application_hour WHERE application = ? AND hour = ? AND bucket = ?"
        for hour, applications in self._hours("verdict", span):
            # A reason says why an application is unknown.
            wanted = UNKNOWN if query.reason is not None and query.application is None else query.application
            chosen = [name for name in applications if wanted in (None, name)]
            keys = [(name, hour, bucket) for name in chosen for bucket in range(BUCKETS)]
            yield from self._merged(_VERDICTS, where, keys, span)

    def _merged(
        self, kind: _Kind[Judgement], where: str, keys: Sequence[tuple[object, ...]], span: _Span
    ) -> Iterator[Judged[Judgement]]:
        statement = f"{kind.select} FROM {where} AND {kind.time} >= ? AND {kind.time} < ?"
        partitions = self._run_many(statement, [(*key, *span) for key in keys])
        yield from _latest_first([map(kind.value, rows) for rows in partitions], kind.place)

    def _days(self, kind: str, span: _Span) -> list[int]:
        rows = self._rows("SELECT day FROM day WHERE kind = ?", kind)
        return [row.day for row in rows if span.has(row.day, DAY_NS)]

    def _hours(self, kind: str, span: _Span) -> Iterator[tuple[int, list[str]]]:
        """Give the hours that hold anything, latest first, each with its applications."""
        statement = "SELECT hour, application FROM hour_of_day WHERE kind = ? AND day = ?"
        for day in self._days(kind, span):
            for hour, rows in groupby(self._rows(statement, kind, day), key=lambda row: row.hour):
                if span.has(hour, HOUR_NS):
                    yield hour, [row.application for row in rows]

    def _completed(self, verdicts: Iterator[Verdict], last_only: bool) -> Iterator[StoredVerdict]:
        """Add the flows' summaries, and with `last_only` drop what is not its flow's last verdict.

        verdict_by_flow decides: a row of another table counts only if it is there as well, which it is not when the
        process that wrote it died in between.
        """
        while some := list(islice(verdicts, LOOK_AHEAD)):
            flows = list(dict.fromkeys(verdict.flow for verdict in some))
            summaries = self._summaries(flows)
            truth = self._verdicts_of(flows)
            for verdict in some:
                stored = truth[verdict.flow]
                if verdict in (stored[:1] if last_only else stored):
                    yield StoredVerdict(verdict, summaries.get(verdict.flow))

    def _summaries(self, flows: list[FlowKey]) -> dict[FlowKey, FlowSummary]:
        statement = f"SELECT {SUMMARY.selected()} FROM flow_by_key WHERE {_OF_FLOW} LIMIT 1"
        found = self._run_many(statement, [tuple(flow) for flow in flows])
        return {flow: summary_of(row) for flow, rows in zip(flows, found, strict=True) for row in rows}

    def _verdicts_of(self, flows: list[FlowKey]) -> dict[FlowKey, list[Verdict]]:
        """Give all verdicts of each flow, the one that counts first."""
        statement = f"{SELECT_VERDICT} FROM verdict_by_flow WHERE {_OF_FLOW}"
        found = self._run_many(statement, [tuple(flow) for flow in flows])
        return {flow: _in_order(map(verdict_of, rows)) for flow, rows in zip(flows, found, strict=True)}

    def _call_candidates(self, query: CallQuery) -> Iterator[Judged[CallRecord]]:
        if query.call_id is not None:
            rows = self._rows(f"{SELECT_CALL} FROM call_by_id WHERE call_id = ?", query.call_id)
            yield from _latest_first([sorted(map(call_of, rows), key=_call_place)], _call_place)
            return
        span = _span(query)
        if query.number is not None:
            where = "call_by_number_day WHERE number = ? AND day = ? AND bucket = ?"
            for day in self._days("call", span):
                keys = [(query.number, day, bucket) for bucket in range(BUCKETS)]
                yield from self._merged(_CALLS, where, keys, span)
            return
        for hour, _ in self._hours("call", span):
            in_hour = [(hour, bucket) for bucket in range(BUCKETS)]
            yield from self._merged(_CALLS, "call_by_hour WHERE hour = ? AND bucket = ?", in_hour, span)


def _in_order(found: Judgements[Verdict]) -> list[Verdict]:
    last_first = sorted(found, key=lambda judged: verdict_order(*judged), reverse=True)
    return [judged.value for judged in last_first]


def _matches(verdict: Verdict, query: VerdictQuery) -> bool:
    span = _span(query)
    return (
        (query.address is None or query.address in (verdict.flow.src_ip, verdict.flow.dst_ip))
        and (query.application is None or query.application == verdict.application)
        and (query.reason is None or query.reason == verdict.reason)
        and (query.declared is None or query.declared == verdict.declared_application)
        and span.since_ns <= verdict.decided_at_ns < span.until_ns
        and (
            query.after is None or (-verdict.decided_at_ns, verdict.flow) > (-query.after[0], query.after[1])
        )
    )


def _call_matches(call: CallRecord, query: CallQuery) -> bool:
    span = _span(query)
    return (
        (query.number is None or query.number in (call.caller, call.callee))
        and (
            query.application is None
            or query.application in (call.caller_application, call.callee_application)
        )
        and (query.spam is None or query.spam is call.spam)
        and span.since_ns <= call.started_ns < span.until_ns
        and (query.after is None or (-call.started_ns, call.call_id, call.from_tag) > _negated(query.after))
        and _meets(values_of(call), query.where)
    )


def _flow_values(stored: StoredVerdict) -> dict[str, Any]:
    values = dict.fromkeys(FLOW_FIELDS) | values_of(stored.verdict)
    if stored.summary is None:
        return values | {"packets": stored.verdict.k, "ended": RUNNING}
    return values | values_of(stored.summary)


def _negated(after: tuple[int, str, str]) -> tuple[int, str, str]:
    return (-after[0], *after[1:])


def _meets(values: dict[str, Any], where: tuple[Where, ...]) -> bool:
    return all(condition.holds(values[condition.field]) for condition in where)
