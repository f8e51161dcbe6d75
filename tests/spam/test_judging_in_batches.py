"""Calls judged together are judged as one by one: by histories, by what was seen of their callers, by detectors."""

import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sip_scenario import Talk, at, sdp

from callprint.core.calls.assembly import CallAssembler
from callprint.core.calls.settings import CallSettings
from callprint.core.signalling.reader import RawMessage
from callprint.core.spam.detectors import make_detector
from callprint.core.spam.judging import CallJudge
from callprint.core.spam.sightings import Sightings

CALLERS = ("+4930111111", "+4930222222", "anonymous", "bob")


def events_of(seed, calls):
    """Return the events of calls that are answered, refused, cancelled or left alone, most callers calling again."""
    dice, script = random.Random(seed), []
    for number in range(calls):
        caller, callee = dice.choice(CALLERS), f"+49303{dice.randrange(9):05d}"
        talk = Talk(f"c{number}@x", f"sip:{caller}@a", f"sip:{callee}@b", f"t{number}")
        steps = [(0, talk.request("INVITE", sdp=sdp("10.0.0.1", 4000))), (1, talk.response(180))]
        end = dice.choice((404, 486, 487, 200, None))
        if end is not None:
            steps.append((2, talk.response(end)))
        if end == 200:
            steps.append((2 + dice.choice((1, 40, 400)), talk.request("BYE", cseq=2, to_tag="tag-b")))
        script += [(number * 30 + seconds, f"10.0.{dice.randrange(3)}.1", text) for seconds, text in steps]
    calls, events = CallAssembler(CallSettings(maximum_calls=8)), []
    for seconds, source, text in sorted(script):
        events += calls.message(RawMessage(at(seconds), source, text))
    return events + calls.finish()


@settings(max_examples=20, deadline=None)
@given(
    st.integers(0, 1000),
    st.lists(st.integers(0, 120), max_size=6),
    st.sampled_from(["callprint", "empck", None]),
    st.sampled_from([9, 2]),
)
def test_rows_are_the_same_whatever_the_batches(seed, cuts, detector, maximum_calls):
    events = events_of(seed, 40)
    together, single = (
        CallJudge(None, detector and make_detector(detector, 20), maximum_calls) for _ in range(2)
    )
    for judge in (together, single):
        judge.sightings = Sightings(3)
        judge.allowed = {"bob"}
    bounds = [0, *sorted(cuts), len(events)]
    got = [row for begin, end in pairwise(bounds) for row in together.judge_all(events[begin:end])]
    expected = [row for event in events for row in single.judge_all([event])]
    assert list(map(repr, got)) == list(map(repr, expected))  # repr: NaN is not equal to itself
    assert list(together.vectors) == list(single.vectors)


@pytest.mark.parametrize("step", [1, 50])
def test_a_call_in_progress_keeps_no_batch_in_memory(step):
    judge, events = CallJudge(), events_of(3, 40)
    for begin in range(0, len(events), step):
        judge.judge_all(events[begin : begin + step])
        assert all(vector.base is None for vector in judge.vectors.values())
