"""Whatever SIP says, in whatever order: a call has one row at its end, and that row does not contradict itself."""

from collections import Counter
from dataclasses import replace
from functools import partial

from hypothesis import given, settings
from hypothesis import strategies as st
from sip_scenario import Talk, at, flow, sdp

from callprint.core.call import ENDED_STATES, CallRecord, CallState, EndedBy
from callprint.core.calls.assembly import CallAssembler
from callprint.core.calls.events import CELLS, CallEvent, CallStep
from callprint.core.calls.settings import CallSettings
from callprint.core.ground.snapshot import Snapshot
from callprint.core.signalling.reader import RawMessage

CALL = Talk()
OTHER = Talk("other", from_tag="o")
INVITE = CALL.request("INVITE", sdp=sdp("10.0.0.1", 4000))

BRANCHES = st.sampled_from(
    ["a", "b", "c", "b, SIP/2.0/UDP h;branch=a", "c, SIP/2.0/UDP h;branch=a", "d, SIP/2.0/UDP i;branch=b"]
)
TAGS = st.sampled_from(["", "t1", "t2"])
CSEQS = st.integers(1, 3)
BODIES = st.sampled_from(["", sdp("10.0.0.2", 5000)])

sent = partial(st.builds, cseq=CSEQS, branch=BRANCHES)
METHODS = st.sampled_from(["INVITE", "INVITE", "CANCEL", "ACK", "BYE", "UPDATE"])
STATUSES = st.sampled_from([100, 180, 183, 200, 302, 407, 484, 486, 487, 503, 603])
ANSWERED = st.sampled_from(["INVITE", "INVITE", "INVITE", "CANCEL", "BYE"])

requests = sent(CALL.request, METHODS, to_tag=TAGS, sdp=BODIES)
responses = sent(CALL.response, STATUSES, ANSWERED, to_tag=TAGS, sdp=BODIES)
of_the_callee = sent(
    CALL.request,
    st.sampled_from(["INVITE", "BYE"]),
    to_tag=st.sampled_from(["t1", "t2"]),
    by_callee=st.just(True),
)
steps = st.sampled_from([0.0, 0.01, 1.0, 20.0, 33.0, 300.0, -0.5])
scripts = st.lists(st.tuples(steps, st.one_of(requests, responses, of_the_callee)), max_size=14)
flows = st.lists(st.tuples(st.booleans(), st.floats(0, 50), st.floats(0.1, 300)), max_size=3)


def reports(chosen):
    """Return flows between the parties that SDP announces."""
    ends = ("10.0.0.1", 4000), ("10.0.0.2", 5000)
    return [
        flow(*(ends if by_caller else ends[::-1]), begin_s, begin_s + length_s, ssrc=number)
        for number, (by_caller, begin_s, length_s) in enumerate(chosen)
    ]


def check(row: CallRecord) -> None:
    """Fail where the end row of a call contradicts itself."""
    times = [row.started_ns, row.ringing_ns, row.answered_ns, row.ended_ns]
    known = [time_ns for time_ns in times if time_ns is not None]
    assert known == sorted(known)
    assert row.state in ENDED_STATES
    assert row.ended_ns is not None
    status = row.final_status
    if row.answered_ns is not None:
        assert row.state in (CallState.COMPLETED, CallState.EXPIRED)
        assert status is None or 200 <= status < 300
    elif row.state is CallState.CANCELLED:
        assert (status, row.ended_by) in ((None, EndedBy.CALLER), (487, EndedBy.CALLER))
    elif row.state is CallState.FAILED:
        assert status is not None
        assert status >= 300
        assert row.ended_by is EndedBy.CALLEE
    else:
        assert (row.state, status) == (CallState.EXPIRED, None)
    if row.state is CallState.COMPLETED:
        assert row.ended_by in (EndedBy.CALLER, EndedBy.CALLEE)
    if row.state is CallState.EXPIRED:
        assert row.ended_by in (EndedBy.TIMEOUT, EndedBy.EVICTED, EndedBy.CAPTURE_END)


@given(scripts, flows)
@settings(deadline=None, max_examples=50)
def test_rows_never_contradict_themselves(script, chosen):
    calls = CallAssembler()
    now_s, events = 0.0, calls.message(RawMessage(at(0), "10.0.0.1", INVITE))
    for step_s, message in script:
        now_s += step_s
        events += calls.message(RawMessage(at(now_s), "10.0.0.1", message))
    events += calls.add_flows(reports(chosen)) + calls.finish()
    events = [event for event in events if isinstance(event, CallEvent)]
    steps = Counter(event.step for event in events)
    assert steps[CallStep.BEGUN] == steps[CallStep.SETTLED] <= steps[CallStep.CLOSED]
    for event in events:
        if event.step is CallStep.SETTLED:
            check(event.record)
        if event.step is not CallStep.CLOSED:
            assert len(event.cells) == len(CELLS), "a row has every field"


@given(scripts)
@settings(deadline=None, max_examples=50)
def test_a_call_that_is_evicted_is_what_it_was(script):
    """A call that has been decided and waits does not become another because there is no room."""
    ends = []
    for room in (1, 2):
        calls = CallAssembler(CallSettings(maximum_calls=room))
        events = calls.message(RawMessage(at(0), "10.0.0.1", INVITE))
        for number, (_, message) in enumerate(script, start=1):
            events += calls.message(RawMessage(at(number / 100), "10.0.0.1", message))
        events += calls.message(RawMessage(at(1), "10.0.0.1", OTHER.request("INVITE"))) + calls.finish()
        settled = [
            event.record
            for event in events
            if event.step is CallStep.SETTLED and event.record.call_id == CALL.call_id
        ]
        by = [EndedBy.CAPTURE_END if end.ended_by is EndedBy.EVICTED else end.ended_by for end in settled]
        ends.append(
            [replace(end, ended_by=how, judged_at_ns=0) for end, how in zip(settled, by, strict=True)]
        )
    assert ends[0] == ends[1]


@given(scripts, st.integers(0, 14))
@settings(deadline=None, max_examples=50)
def test_a_snapshot_loses_nothing_of_an_attempt(script, after):
    whole, part = CallAssembler(), CallAssembler()
    now_s, expected, found = 0.0, [], []
    for number, (step_s, message) in enumerate([(0.0, INVITE), *script]):
        now_s += step_s
        raw = RawMessage(at(now_s), "10.0.0.1", message)
        expected += whole.message(raw)
        found += part.message(raw)
        if number == after:
            packed = part.snapshot().pack()
            part = CallAssembler()
            part.restore(Snapshot.unpack(packed))
    assert repr(found + part.finish()) == repr(expected + whole.finish())
