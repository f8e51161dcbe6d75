"""The rule of verdicts: what the columns of a drain come to, beside the same rule one event at a time."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callprint.core.flow.layout import (
    COLLECTING,
    DECIDED,
    EVENT,
    EVENT_CHECKPOINT,
    EVENT_END,
    EVENT_HORIZON,
    FLOW,
    MAP_FIELDS,
)
from callprint.core.identify.decision import LOW_CONFIDENCE, SURE, TOO_SHORT
from callprint.core.verdicts.rule import ANSWER, questions, resolve, unanswered

KINDS = (EVENT_CHECKPOINT, EVENT_HORIZON, EVENT_END)


def drain(*rows, packets=9):
    """Events and their flows of (flow, kind, k, evidence bytes); the flow's number is its row in the table."""
    events, flows = np.zeros(len(rows), dtype=EVENT), np.zeros(len(rows), dtype=FLOW)
    for i, (flow, kind, k, size) in enumerate(rows):
        events[i]["row"], events[i]["kind"], events[i]["k"], events[i]["time_ns"] = flow, kind, k, 1000 + i
        events[i]["start"], events[i]["end"] = 500 * i, 500 * i + size
    flows["packets"] = packets
    flows["application"] = -1
    return events, flows


def answered(*reasons):
    """One answer for each event, all of them of different applications."""
    answers = unanswered(len(reasons))
    answers["application"], answers["reason"] = np.arange(len(reasons)), reasons
    return answers


def given_events(events, flows, answers):
    return resolve(events, flows, answers).given.tolist()


def test_of_the_checkpoints_of_a_flow_the_first_sure_one_counts_and_of_another_flow_its_own():
    rows = [(1, EVENT_CHECKPOINT, k, 9) for k in (10, 20, 40)] + [(2, EVENT_CHECKPOINT, 10, 9)]
    events, flows = drain(*rows)
    resolution = resolve(events, flows, answered(LOW_CONFIDENCE, SURE, SURE, SURE))
    assert resolution.given.tolist() == resolution.newest.tolist() == [1, 3]
    assert resolution.flows["sure_k"].tolist() == [0, 20, 20, 10]


def test_the_verdict_at_the_horizon_counts_whatever_it_is_and_the_end_keeps_it():
    events, flows = drain((1, EVENT_CHECKPOINT, 10, 9), (1, EVENT_HORIZON, 100, 9), (1, EVENT_END, 0, 0))
    resolution = resolve(events, flows, answered(SURE, LOW_CONFIDENCE, TOO_SHORT))
    assert (resolution.given.tolist(), resolution.newest.tolist()) == ([0, 1], [1])
    for name in MAP_FIELDS:
        assert resolution.flows[name][2] == resolution.flows[name][1], name
    assert (resolution.flows["verdict_k"][2], resolution.flows["sure_k"][2]) == (100, 10)


def test_a_flow_of_which_nothing_was_kept_is_unknown_at_its_end():
    events, flows = drain((1, EVENT_END, 0, 0), packets=0)
    resolution = resolve(events, flows, unanswered(1))
    assert resolution.given.tolist() == [0]
    assert (resolution.flows["final"][0], resolution.flows["reason"][0]) == (1, TOO_SHORT)


def test_what_a_flow_was_sure_of_before_the_drain_stands():
    events, flows = drain((1, EVENT_CHECKPOINT, 20, 9), (1, EVENT_HORIZON, 100, 9))
    flows["sure_k"] = 10
    assert questions(events, flows, 1).tolist() == [1]
    assert given_events(events, flows, answered(TOO_SHORT, SURE)) == [1]


@pytest.mark.parametrize(("minimum_k", "asked"), [(1, [0, 2]), (11, [2]), (101, [])])
def test_an_identifier_is_asked_about_evidence_with_enough_packets(minimum_k, asked):
    rows = (
        (1, EVENT_CHECKPOINT, 10, 9),
        (2, EVENT_END, 0, 0),
        (3, EVENT_HORIZON, 100, 9),
        (4, EVENT_END, 50, 0),
    )
    events, flows = drain(*rows, packets=0)
    assert questions(events, flows, minimum_k).tolist() == asked


def one_by_one(events, flows, answers):
    """The rule as a state machine: the verdict fields of each event's flow, given events, the newest of each flow."""
    sure, verdicts, newest = {}, {}, {}
    rows, given_out = [], []
    for i, (event, flow, answer) in enumerate(zip(events, flows, answers, strict=True)):
        who = int(event["row"]), int(flow["generation"])
        remembered = sure.setdefault(who, int(flow["sure_k"]))
        checkpoint = event["kind"] == EVENT_CHECKPOINT
        judged = flow["evidence_state"] == DECIDED
        nothing_kept = event["kind"] == EVENT_END and flow["packets"] == 0 and not judged
        asks = (event["end"] > event["start"] or nothing_kept) and not (checkpoint and flow["sure_k"])
        row = {name: flow[name].item() for name in MAP_FIELDS}
        if asks:
            row |= {name: answer[name].item() for name in ("application", "reason", "engine")}
            row |= {"confidence": round(answer["confidence"].item() * 10_000)}
            row |= {"engine_confidence": int(answer["engine_confidence"].item() * 100)}
            row |= {"verdict_k": int(event["k"])}
            row |= {"decided_at_ns": int(event["time_ns"]), "final": int(not checkpoint)}
            is_first = answer["reason"] == SURE and not remembered
            if is_first:
                sure[who] = int(event["k"])
            row["sure_k"] = sure[who]
            if is_first or not checkpoint:
                given_out.append(i)
                verdicts[who], newest[who] = row, i
        elif who in verdicts:
            row = verdicts[who]
        rows.append(row)
    return rows, given_out, sorted(newest.values())


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_columns_come_to_what_one_event_after_the_other_comes_to(data):
    """Whatever the events of whatever flows, in whatever order."""
    count = data.draw(st.integers(0, 12))

    def draw(strategy):
        return data.draw(st.lists(strategy, min_size=count, max_size=count))

    events, flows = np.zeros(count, dtype=EVENT), np.zeros(count, dtype=FLOW)
    events["row"], flows["generation"] = draw(st.integers(0, 2)), draw(st.integers(0, 1))
    events["kind"], events["k"] = draw(st.sampled_from(KINDS)), draw(st.integers(1, 65535))
    events["end"], flows["packets"] = draw(st.integers(0, 1)), draw(st.integers(0, 1))
    flows["evidence_state"] = draw(st.sampled_from((COLLECTING, DECIDED)))
    events["time_ns"] = np.arange(count)
    # Of a drain all rows of a flow hold the same: what was known of it before.
    remembered = np.array(data.draw(st.lists(st.sampled_from((0, 0, 7)), min_size=6, max_size=6)))
    flows["sure_k"] = flows["verdict_k"] = remembered[events["row"] * 2 + flows["generation"]]
    answers = np.zeros(count, dtype=ANSWER)
    answers["reason"], answers["application"] = draw(st.integers(0, 3)), draw(st.integers(-1, 5))
    answers["confidence"] = draw(st.sampled_from((0.0, 0.25, 1.0)))
    resolution = resolve(events, flows, answers)
    rows, given_out, newest = one_by_one(events, flows, answers)
    assert [{name: flow[name].item() for name in MAP_FIELDS} for flow in resolution.flows] == rows
    assert (resolution.given.tolist(), resolution.newest.tolist()) == (given_out, newest)
