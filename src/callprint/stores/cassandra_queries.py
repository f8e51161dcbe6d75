"""Answers from the Cassandra tables: partitions are read newest first and merged into the order of the interface."""

import heapq
from collections.abc import Callable, Iterable, Iterator
from fnmatch import fnmatchcase
from itertools import chain, groupby, islice
from typing import Any, Generic, NamedTuple

from callprint.core.call import Action, CallRecord, Phase, Vote
from callprint.core.ground.fields import values_of
from callprint.core.verdict import RUNNING, UNKNOWN, FlowKey, FlowSummary, Verdict
from callprint.stores.base import StoredVerdict
from callprint.stores.cassandra_partitions import Part, Partitions, RunMany, Selection, Span, gathered
from callprint.stores.cassandra_rows import (
    BY_HOST_DAY,
    HOUR_NS,
    OF_FLOW,
    SELECT_CALL,
    SELECT_VERDICT,
    Judged,
    Judgement,
    bucket_of,
    call_of,
    host_bucket,
    is_media_only,
    summary_of,
    verdict_of,
)
from callprint.stores.columns import CALL, KEY_COLUMNS, SUMMARY, VERDICT, VOTE
from callprint.stores.queries import (
    FIRST_TIME_NS,
    FLOW_FIELDS,
    LAST_TIME_NS,
    CallQuery,
    VerdictQuery,
    Where,
    scalar_fields,
    verdict_order,
)

LOOK_AHEAD = 64  # flows whose last verdict and summary are asked for at once

CALLS_AT_ONCE = 32  # in one request

_BY_HOST = "verdict_by_host_hour WHERE hour = ? AND host = ?"
_BY_HOST_DAY = "verdict_by_host_day WHERE host = ? AND day = ?"
_BY_APPLICATION = "verdict_by_application_hour WHERE application = ? AND hour = ?"
_BY_NUMBER = "call_by_number_day WHERE number = ? AND day = ?"
_BY_HOUR = "call_by_hour WHERE hour = ?"
_BY_GROUP = "call_by_group WHERE kind = ? AND name = ? AND day = ?"
_GROUPED_ACTIONS = {str(action) for action in Action} - {str(Action.ALLOW)}
_OF_VERDICT = scalar_fields(Verdict) - scalar_fields(FlowSummary) | set(KEY_COLUMNS)
"""Fields whose value the verdict alone decides."""


Judgements = Iterable[Judged[Judgement]]


def _span(query: VerdictQuery | CallQuery) -> Span:
    since_ns = FIRST_TIME_NS if query.since_ns is None else query.since_ns
    until_ns = LAST_TIME_NS if query.until_ns is None else query.until_ns
    return Span(since_ns, until_ns if query.after is None else min(until_ns, query.after[0] + 1))


def _verdict_place(judged: Judged[Verdict]) -> tuple[object, ...]:
    """The order of the partitions, as far as it is that of the interface: judgements of one thing are equal."""
    verdict = judged.value
    return (-verdict.decided_at_ns, *verdict.flow, not verdict.final, -verdict.k)


def _call_place(judged: Judged[CallRecord]) -> tuple[object, ...]:
    call = judged.value
    return (-call.started_ns, call.call_id, call.from_tag, call.phase is not Phase.END, -call.judged_at_ns)


class _Kind(NamedTuple, Generic[Judgement]):
    """How judgements of a kind are read."""

    what: Selection
    value: Callable[[Any], Judged[Judgement]]
    place: Callable[[Judged[Judgement]], tuple[object, ...]]


_VERDICTS = _Kind(
    Selection(SELECT_VERDICT, "decided_at_ns", VERDICT.names.index("decided_at_ns"), -1),
    verdict_of,
    _verdict_place,
)
_CALLS = _Kind(Selection(SELECT_CALL, "started_ns", CALL.names.index("started_ns"), -1), call_of, _call_place)
_CALL_KEYS = Selection("SELECT started_ns, call_id, from_tag", "started_ns", 0, None)


def _latest_first(
    partitions: Iterable[Judgements[Judgement]], place: Callable[[Judged[Judgement]], tuple[object, ...]]
) -> Iterator[Judged[Judgement]]:
    """Merge partitions; of judgements of the same thing the one that was stored last comes first.

    A judgement that was stored again after a migration may be in two tables.
    """
    for _, same in groupby(heapq.merge(*partitions, key=place), key=place):
        of_judge = {each.judge: each for each in sorted(same, key=lambda each: each.sequence)}
        yield from sorted(of_judge.values(), key=lambda each: (each.sequence, each.judge), reverse=True)


class Queries:
    """What can be asked; `run_many(statement, parameters)` gives the rows for each set of parameters."""

    def __init__(self, run_many: RunMany) -> None:
        self._run_many = run_many
        self._partitions = Partitions(run_many)

    def verdicts(self, query: VerdictQuery) -> Iterator[StoredVerdict]:
        """Give the verdicts that match, in the order of the interface."""
        of_verdict = tuple(each for each in query.where if each.field in _OF_VERDICT)
        found = (
            judged.value
            for judged in self._candidates(query)
            if _matches(judged.value, query) and _meets(values_of(judged.value), of_verdict)
        )
        rest = tuple(each for each in query.where if each.field not in _OF_VERDICT)
        yield from islice(self._completed(found, query, rest), query.limit)

    def calls(self, query: CallQuery) -> Iterator[CallRecord]:
        """Give the calls that match, in the order of the interface."""
        rows: Iterable[CallRecord] = (judged.value for judged in self._call_candidates(query))
        if query.last_only:
            # The rows of a call are neighbours, and the one that counts is first (_call_place).
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

    def scan_end(self, query: VerdictQuery | CallQuery, rows: int) -> int | None:
        """Give a time at most `rows` rows into a query without its `where`: of a row, as far in as is known."""
        if (query.call_id if isinstance(query, CallQuery) else query.flow) is not None:
            return None
        time = "started_ns" if isinstance(query, CallQuery) else "decided_at_ns"
        what, span = Selection(f"SELECT {time}", time, 0, None), _span(query)
        for parts in self._parts(query, span):
            first = max(8, 4 * rows // sum(part.partitions for part in parts))
            partitions = [
                found for part in parts for _, found in self._partitions.first_rows(what, part, span, first)
            ]
            # Of a partition with more than its first rows nothing is known before the last of these.
            known_ns = max((found[-1][0] for found in partitions if len(found) == first), default=None)
            times = sorted((row[0] for found in partitions for row in found), reverse=True)
            if rows < len(times) and (known_ns is None or times[rows] >= known_ns):
                return int(times[rows])
            if known_ns is not None:
                return int(known_ns)
            rows -= len(times)
        return None

    def _rows(self, statement: str, *parameters: object) -> Iterable[Any]:
        (rows,) = self._run_many(statement, [parameters])
        return rows

    def _candidates(self, query: VerdictQuery) -> Iterator[Judged[Verdict]]:
        """Give the verdicts of the partitions that the query leads to, in order and unfiltered."""
        if query.flow is not None:
            rows = self._rows(f"{SELECT_VERDICT} FROM verdict_by_flow WHERE {OF_FLOW}", *query.flow)
            yield from _latest_first([sorted(map(verdict_of, rows), key=_verdict_place)], _verdict_place)
            return
        span = _span(query)
        for parts in self._parts(query, span):
            yield from self._merged(_VERDICTS, parts, span, query)

    def _parts(self, query: VerdictQuery | CallQuery, span: Span) -> Iterator[tuple[Part, ...]]:
        """Give the partitions that the query leads to, latest first: the latest alone, then some at once.

        Those that are given together hold rows of the same time.
        """
        if isinstance(query, CallQuery):
            yield from ((part,) for part in self._call_parts(query, span))
            return
        days = self._partitions.days("verdict", span)
        if query.address is not None:
            yield from self._host_parts(query.address, days, span)
            return
        # A reason says why an application is unknown.
        wanted = UNKNOWN if query.reason is not None and query.application is None else query.application
        of_hours = (
            [(name, hour) for name in names if wanted in (None, name)]
            for hour, names in self._partitions.hours("verdict", days, span)
        )
        yield from ((part,) for part in gathered(_BY_APPLICATION, of_hours))

    def _host_parts(self, host: str, days: list[int], span: Span) -> Iterator[tuple[Part, ...]]:
        bucket = (host_bucket(host),)
        # Days of before there was a table by hour: their rows are in that by day, later ones perhaps in both.
        earlier = set(self._partitions.days(BY_HOST_DAY, span))
        for listed, some in groupby(days, key=earlier.__contains__):
            if not listed:
                hours = self._partitions.hours("verdict", some, span)
                parts = gathered(_BY_HOST, ([(hour, host)] for hour, _ in hours), bucket)
                yield from ((part,) for part in parts)
                continue
            for day in some:
                of_day = Part(_BY_HOST_DAY, [(host, day)])
                keys = [(hour, host) for hour, _ in self._partitions.hours("verdict", [day], span)]
                yield (of_day, Part(_BY_HOST, keys, bucket)) if keys else (of_day,)

    def _call_parts(self, query: CallQuery, span: Span) -> Iterator[Part]:
        days = self._partitions.days("call", span)
        if query.number is not None:
            yield from gathered(_BY_NUMBER, ([(query.number, day)] for day in days))
            return
        group = _group_of(query)
        # Rows that were written before there were groups are in none.
        ungrouped = set(days if group is None else self._partitions.days("ungrouped_call", span))
        for whole, some in groupby(days, key=ungrouped.__contains__):
            if group is None or whole:
                hours = ([(hour,)] for hour, _ in self._partitions.hours("call", some, span))
                yield from gathered(_BY_HOUR, hours)
            else:
                yield from gathered(_BY_GROUP, ([(*group, day)] for day in some))

    def _merged(
        self, kind: _Kind[Judgement], parts: tuple[Part, ...], span: Span, query: VerdictQuery | CallQuery
    ) -> Iterator[Judged[Judgement]]:
        rows = (self._partitions.rows(kind.what, part, span, _first(query, part)) for part in parts)
        partitions = chain.from_iterable(rows)
        yield from _latest_first([map(kind.value, each) for each in partitions], kind.place)

    def _completed(
        self, verdicts: Iterator[Verdict], query: VerdictQuery, of_summary: tuple[Where, ...]
    ) -> Iterator[StoredVerdict]:
        """Add the flows' summaries, and drop what does not meet the conditions on them.

        With `last_only` what is not its flow's last verdict is dropped too. verdict_by_flow decides: a row of another
        table counts only if it is there as well, which it is not when the process that wrote it died in between.
        """
        left = None if query.where else query.limit
        while some := list(islice(verdicts, LOOK_AHEAD if left is None else _ahead(left))):
            summaries = self._summaries(list(dict.fromkeys(verdict.flow for verdict in some)))
            stored = [StoredVerdict(verdict, summaries.get(verdict.flow)) for verdict in some]
            stored = [each for each in stored if _meets(_flow_values(each), of_summary)]
            truth = self._verdicts_of(list(dict.fromkeys(each.verdict.flow for each in stored)))
            for each in stored:
                known = truth[each.verdict.flow]
                if each.verdict in (known[:1] if query.last_only else known):
                    yield each
                    left = None if left is None else left - 1

    def _summaries(self, flows: list[FlowKey]) -> dict[FlowKey, FlowSummary]:
        statement = f"SELECT {SUMMARY.selected()} FROM flow_by_key WHERE {OF_FLOW} LIMIT 1"
        found = self._run_many(statement, [tuple(flow) for flow in flows])
        return {flow: summary_of(row) for flow, rows in zip(flows, found, strict=True) for row in rows}

    def _verdicts_of(self, flows: list[FlowKey]) -> dict[FlowKey, list[Verdict]]:
        """Give all verdicts of each flow, the one that counts first."""
        statement = f"{SELECT_VERDICT} FROM verdict_by_flow WHERE {OF_FLOW}"
        found = self._run_many(statement, [tuple(flow) for flow in flows])
        return {flow: _in_order(map(verdict_of, rows)) for flow, rows in zip(flows, found, strict=True)}

    def _call_candidates(self, query: CallQuery) -> Iterator[Judged[CallRecord]]:
        span = _span(query)
        if query.call_id is not None:
            rows = self._rows(f"{SELECT_CALL} FROM call_by_id WHERE call_id = ?", query.call_id)
            found = list(map(call_of, rows))
            if is_media_only(query.call_id):
                found += self._media_only(query.call_id, span)
            yield from _latest_first([sorted(found, key=_call_place)], _call_place)
            return
        for part in self._call_parts(query, span):
            if part.where != _BY_GROUP:
                yield from self._merged(_CALLS, (part,), span, query)
                continue
            partitions = self._partitions.rows(_CALL_KEYS, part, span, _first(query, part))
            merged = heapq.merge(*partitions, key=lambda row: (-row[0], row[1], row[2]))
            ahead = min(LOOK_AHEAD, query.limit or LOOK_AHEAD)
            while some := list(islice(merged, ahead)):
                yield from self._calls_of(some)

    def _media_only(self, call_id: str, span: Span) -> Iterator[Judged[CallRecord]]:
        """Give the rows of a call without signalling, whose Call-ID does not tell when it began."""
        bucket = bucket_of(call_id, "")
        hours = self._partitions.hours("call", self._partitions.days("call", span), span)
        found = self._run_many(
            "SELECT started_ns FROM media_call_by_id WHERE hour = ? AND bucket = ? AND call_id = ?",
            [(hour, bucket, call_id) for hour, _ in hours],
        )
        yield from self._at([(row.started_ns, call_id, "") for rows in found for row in rows])

    def _at(self, keys: Iterable[Any]) -> Iterator[Judged[CallRecord]]:
        """Give the rows of some calls, (started_ns, Call-ID, From tag) each, by the hour in which they began."""
        statement = (
            f"{SELECT_CALL} FROM call_by_hour"
            " WHERE hour = ? AND bucket = ? AND started_ns = ? AND call_id = ? AND from_tag = ?"
        )
        asked = [(key[0] // HOUR_NS, bucket_of(key[1], key[2]), *key) for key in keys]
        yield from map(call_of, chain.from_iterable(self._run_many(statement, asked)))

    def _calls_of(self, keys: list[Any]) -> Iterator[Judged[CallRecord]]:
        """Give the rows of some calls, (started_ns, Call-ID, From tag) each, in the same order."""
        media_only = [key for key in keys if is_media_only(*key[1:])]
        ids = list(dict.fromkeys(key[1] for key in keys if not is_media_only(*key[1:])))
        asked: list[tuple[object, ...]] = [
            (ids[at : at + CALLS_AT_ONCE],) for at in range(0, len(ids), CALLS_AT_ONCE)
        ]
        found: dict[Any, list[Judged[CallRecord]]] = {tuple(key): [] for key in keys}
        by_id = self._run_many(f"{SELECT_CALL} FROM call_by_id WHERE call_id IN ?", asked)
        for judged in chain(map(call_of, chain.from_iterable(by_id)), self._at(media_only)):
            call = judged.value
            found.get((call.started_ns, call.call_id, call.from_tag), []).append(judged)
        for of_call in found.values():
            yield from _latest_first([sorted(of_call, key=_call_place)], _call_place)


def _ahead(wanted: int) -> int:
    """Return how many candidates to look up: some are not the last judgements of their flows."""
    return min(LOOK_AHEAD, wanted + wanted // 4 + 1)


def _first(query: VerdictQuery | CallQuery, part: Part) -> int | None:
    """Return how many rows of each partition to fetch first: most of a page's rows come from all alike."""
    if query.limit is None:
        return None
    if query.where and part.where != _BY_GROUP:
        return LOOK_AHEAD
    return max(4, 2 * query.limit // part.partitions)


def _group_of(query: CallQuery) -> tuple[str, str] | None:
    """Return the group of calls that holds all that the query can find; the smallest kind, if there are several."""
    asked = {where.field: where.value for where in query.where if where.comparison == "="}
    if asked.get("campaign"):
        return "campaign", str(asked["campaign"])
    if asked.get("action") in _GROUPED_ACTIONS:
        return "action", str(asked["action"])
    return ("spam", "yes") if query.spam or asked.get("spam") is True else None


def _in_order(found: Judgements[Verdict]) -> list[Verdict]:
    last_first = sorted(found, key=lambda judged: verdict_order(*judged), reverse=True)
    return [judged.value for judged in last_first]


def _matches(verdict: Verdict, query: VerdictQuery) -> bool:
    span, fingerprint = _span(query), query.fingerprint_glob
    return (
        (query.address is None or query.address in (verdict.flow.src_ip, verdict.flow.dst_ip))
        and (query.application is None or query.application == verdict.application)
        and (query.reason is None or query.reason == verdict.reason)
        and (query.declared is None or query.declared == verdict.declared_application)
        and (
            fingerprint is None
            or (verdict.fingerprint is not None and fnmatchcase(verdict.fingerprint, fingerprint))
        )
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
