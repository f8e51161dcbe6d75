"""The rule of verdicts: from the events of flows and an identifier's answers to the verdicts that count.

    event                            asks for a verdict                   its verdict counts
    checkpoint                       until the flow has a sure verdict    if it is the flow's first sure one
    horizon                          always                               always: it is final
    end of a flow not yet judged     always                               always: it is final
    end of a judged flow             never                                (the flow keeps its final verdict)

An event without evidence (start == end) asks for nothing, with one exception: the end of a flow that was never judged
and of which no packet was kept, because all its RTP is too long for the filter and its agent keeps no headers. That
flow is unknown.

The rule takes the events of a drain together, as columns. What one event decides holds for later events of its flow in
the same drain; between drains the host remembers it (the flow engine's verdict map, or a `PartJudge`).
"""

from dataclasses import dataclass

import numpy as np

from callprint.core.flow.layout import (
    CONFIDENCE_UNIT,
    DECIDED,
    EVENT_CHECKPOINT,
    EVENT_END,
    FLOW,
    MAP_FIELDS,
    NO_APPLICATION,
)
from callprint.core.ground.arrays import Array
from callprint.core.identify.decision import SURE, TOO_SHORT

ANSWER = np.dtype(
    [
        *((name, FLOW[name]) for name in ("application", "reason", "engine")),
        ("confidence", "<f4"),  # probabilities; FLOW rows hold them as whole numbers
        ("engine_confidence", "<f4"),
    ]
)
"""An identifier's answer about the evidence of one event."""


@dataclass(frozen=True, slots=True)
class Resolution:
    """What a drain of n events came to. Events are given by their index, in rising order."""

    flows: Array  # (n,) FLOW: the flow of each event with the verdict that it has from then on
    given: Array  # (v,) int64: the events whose verdicts count
    newest: Array  # (w,) int64: of these the last one of each flow, for the host to remember


def questions(events: Array, flows: Array, minimum_k: int) -> Array:
    """Return the indices of the events whose evidence an identifier is to judge, (m,) int64.

    events: (n,) EVENT; flows: (n,) FLOW at each event; minimum_k: the fewest RTP packets that it judges.
    """
    judged = _ask(events, flows) & _with_evidence(events) & (events["k"] >= minimum_k)
    return np.flatnonzero(judged)


def later_looks(events: Array, by_flow: "ByFlow", asked: Array) -> Array:
    """Return (m,) bool: the questions, (m,) int64, whose answers count only if that about an earlier one is not sure.

    They are about checkpoints that are not the first of their flow in this drain. Where the same log is also that of a
    final verdict, its answer counts in any case.
    """
    looks = np.zeros(len(events), np.bool_)
    looks[asked] = events["kind"][asked] == EVENT_CHECKPOINT
    later = looks & (by_flow.last_before(looks) >= 0)
    final_ends = events["end"][asked[~looks[asked]]]
    return np.asarray(later[asked] & ~np.isin(events["end"][asked], final_ends))


def sure_before(by_flow: "ByFlow", answers: Array) -> Array:
    """Return (n,) bool: whether the answer, (n,) ANSWER, about an earlier event of the flow is sure."""
    return np.asarray(by_flow.last_before(answers["reason"] == SURE) >= 0)


def unanswered(count: int) -> Array:
    """Return the answers when no identifier has been asked, (count,) ANSWER."""
    answers = np.zeros(count, dtype=ANSWER)
    answers["application"] = answers["engine"] = NO_APPLICATION
    answers["reason"] = TOO_SHORT
    return answers


def resolve(events: Array, flows: Array, answers: Array) -> Resolution:
    """Apply the rule to the events of a drain.

    events: (n,) EVENT; flows: (n,) FLOW at each event, with the verdict remembered from before the drain; answers:
    (n,) ANSWER.
    """
    flows = flows.copy()
    asks = _ask(events, flows)
    _write_verdicts(flows, events, answers, asks)

    by_flow = ByFlow(events["row"], flows["generation"])

    sure = asks & (answers["reason"] == SURE) & (flows["sure_k"] == 0)
    first_sure = sure & (by_flow.last_before(sure) < 0)
    since = np.where(first_sure, np.arange(len(events)), by_flow.last_before(first_sure))
    flows["sure_k"] = np.where(since >= 0, events["k"][since], flows["sure_k"])

    given = asks & (first_sure | (events["kind"] != EVENT_CHECKPOINT))
    before = by_flow.last_before(given)
    carried = np.flatnonzero(~asks & (before >= 0))
    for name in MAP_FIELDS:
        flows[name][carried] = flows[name][before[carried]]
    newest = given.copy()
    newest[before[given & (before >= 0)]] = False
    return Resolution(flows, np.flatnonzero(given), np.flatnonzero(newest))


def _with_evidence(events: Array) -> Array:
    """Return (n,) bool: whether an event has evidence."""
    return np.asarray(events["end"] > events["start"])


def _ask(events: Array, flows: Array) -> Array:
    """Return (n,) bool: whether an event asks for a verdict."""
    never_judged = (events["kind"] == EVENT_END) & (flows["evidence_state"] != DECIDED)
    nothing_kept = never_judged & (flows["packets"] == 0)
    sure_before = (events["kind"] == EVENT_CHECKPOINT) & (flows["sure_k"] != 0)
    return np.asarray((_with_evidence(events) | nothing_kept) & ~sure_before)


def _write_verdicts(flows: Array, events: Array, answers: Array, asks: Array) -> None:
    """Write the verdicts that events ask for into the events' flows, all but `sure_k`."""
    for name in ANSWER.names or ():
        write_answer(flows, name, answers[name], asks)
    flows["verdict_k"][asks] = events["k"][asks]
    flows["decided_at_ns"][asks] = events["time_ns"][asks]
    flows["final"][asks] = events["kind"][asks] != EVENT_CHECKPOINT


def write_answer(flows: Array, name: str, values: Array, asks: Array) -> None:
    """Write one field of answers, (n,), into FLOW rows where `asks`, (n,) bool, is true."""
    if name == "confidence":
        flows[name][asks] = np.rint(values[asks] * CONFIDENCE_UNIT)
    elif name == "engine_confidence":
        # Doubles, and a little more than nothing: .29 is 28.999998 hundredths.
        flows[name][asks] = np.floor(values[asks].astype(float) * 100 + 1e-4)
    else:
        flows[name][asks] = values[asks]


class ByFlow:
    """The events of a drain, sorted by flow."""

    def __init__(self, rows: Array, generations: Array) -> None:
        """rows: (n,) int32, generations: (n,) uint32; together they identify the flow of each event."""
        flow = rows.astype(np.int64) << 32 | generations
        self._order = np.argsort(flow, kind="stable")
        flow = flow[self._order]
        first = np.ones(len(flow), dtype=np.bool_)
        first[1:] = flow[1:] != flow[:-1]
        self._index = np.arange(len(flow))
        # Where in this order the events of each event's flow begin.
        self._begins = np.maximum.accumulate(np.where(first, self._index, 0))

    def last_before(self, marked: Array) -> Array:
        """Return for each event the last marked event before it in the same flow, -1 for none. marked: (n,) bool."""
        up_to = np.maximum.accumulate(np.where(marked[self._order], self._index, -1))
        before = np.concatenate(([-1], up_to))[: len(marked)]
        found = np.empty(len(marked), dtype=np.int64)
        found[self._order] = np.where(before >= self._begins, self._order[before], -1)
        return found
