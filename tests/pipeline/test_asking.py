"""Which looks of a drain an identifier is asked to take."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from length_identifier import ByLength

from callprint.core.flow.engine import FlowEvents
from callprint.core.flow.layout import EVENT, EVENT_CHECKPOINT, EVENT_END, EVENT_HORIZON, FLOW, MAP_FIELDS
from callprint.core.verdicts import identifier
from callprint.core.verdicts.identifier import ask
from callprint.core.verdicts.rule import resolve

EVIDENCE = np.arange(60_000, dtype=np.uint32).astype(np.uint8)
SURE, NOT_SURE = 3000, 900  # bytes of a log, for ByLength


class Listening(ByLength):
    """Keeps the spans that it is asked about."""

    def __init__(self):
        self.asked = []

    def identify(self, evidence, spans):
        self.asked += map(tuple, spans.tolist())
        return super().identify(evidence, spans)


def drain(*rows):
    """Events of (flow, kind, k, begin, bytes)."""
    events, flows = np.zeros(len(rows), EVENT), np.zeros(len(rows), FLOW)
    for event, (flow, kind, k, begin, size) in zip(events, rows, strict=True):
        event["row"], event["kind"], event["k"] = flow, kind, k
        event["start"], event["end"] = begin, begin + size
    flows["packets"] = 9
    flows["application"] = -1
    return FlowEvents(events, flows, EVIDENCE)


@pytest.fixture
def at_once(monkeypatch):
    """Looks wait however few they are."""
    monkeypatch.setattr(identifier, "WAITING_PAYS", 1)


def test_a_look_behind_a_sure_one_is_not_taken_and_a_final_one_always(at_once):
    rows = [(1, EVENT_CHECKPOINT, 10, 0, SURE), (1, EVENT_CHECKPOINT, 20, 4000, SURE)]
    rows += [(2, EVENT_CHECKPOINT, 10, 8000, NOT_SURE), (2, EVENT_CHECKPOINT, 20, 12_000, SURE)]
    network = Listening()
    answers = ask(network, drain(*rows, (1, EVENT_END, 60, 16_000, SURE)))
    assert network.asked == [(0, 3000), (8000, 8900), (16_000, 19_000), (12_000, 15_000)]
    assert answers["reason"].tolist() == [0, identifier.unanswered(1)["reason"][0], 2, 0, 0]


def test_a_log_that_a_final_verdict_needs_as_well_is_seen_once(at_once):
    rows = [(1, EVENT_CHECKPOINT, 40, 0, NOT_SURE), (1, EVENT_CHECKPOINT, 100, 4000, NOT_SURE)]
    network = Listening()
    ask(network, drain(*rows, (1, EVENT_HORIZON, 100, 4000, NOT_SURE)))
    assert network.asked == [(0, 900), (4000, 4900)]


def test_a_few_looks_do_not_wait():
    rows = [(1, EVENT_CHECKPOINT, 10, 0, SURE), (1, EVENT_CHECKPOINT, 20, 4000, SURE)]
    network = Listening()
    ask(network, drain(*rows))
    assert len(network.asked) == 2


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 2),
            st.sampled_from((EVENT_CHECKPOINT, EVENT_CHECKPOINT, EVENT_HORIZON, EVENT_END)),
            st.integers(1, 100),
            st.sampled_from((0, 4000, 8000)),
            st.sampled_from((0, NOT_SURE, SURE)),
        ),
        max_size=12,
    ),
    st.lists(st.sampled_from((0, 0, 7)), min_size=3, max_size=3),
)
def test_verdicts_are_those_of_all_looks(rows, remembered):
    """Whatever the events of whatever flows: what is given out, and what flows keep, does not change."""
    asked = drain(*rows)
    asked.flows["sure_k"] = np.array(remembered)[asked.events["row"]]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(identifier, "WAITING_PAYS", 1 << 30)
        every = resolve(asked.events, asked.flows, ask(ByLength(), asked))
        patch.setattr(identifier, "WAITING_PAYS", 1)
        some = resolve(asked.events, asked.flows, ask(ByLength(), asked))
    assert some.given.tolist() == every.given.tolist()
    assert some.newest.tolist() == every.newest.tolist()
    visible = np.union1d(every.given, np.flatnonzero(asked.events["kind"] == EVENT_END))
    for name in MAP_FIELDS:
        assert some.flows[name][visible].tolist() == every.flows[name][visible].tolist(), name
