"""A challenge that is answered under another From tag (RFC 3261 22.2 wants the same): one attempt, one call."""

from dataclasses import replace

import pytest
from attempt_scenario import ACK, CALL, OFFER, invite, outcome, reply
from sip_scenario import at

from callprint.core.call import CallRecord, CallState, EndedBy
from callprint.core.calls.assembly import CallAssembler
from callprint.core.calls.events import CallStep
from callprint.core.ground.snapshot import Snapshot
from callprint.core.signalling.reader import RawMessage

LATER = replace(CALL, from_tag="tag-later")
CHALLENGED = [(0.0, invite()), (0.5, reply(407, tag="p")), (0.6, CALL.request("ACK", branch="a", to_tag="p"))]
ANSWERED = [
    (0.7, LATER.request("INVITE", cseq=2, branch="b", sdp=OFFER)),
    (2.0, LATER.response(180, branch="b", cseq=2)),
    (5.0, LATER.response(200, branch="b", cseq=2)),
    (5.1, LATER.request("ACK", cseq=2, branch="ack", to_tag="tag-b")),
]


def ends(script: list[tuple[float, bytes]], restart_after: int = -1) -> list[CallRecord]:
    """Return the rows of the calls of a script, in the midst of which assembly may be put back from its snapshot."""
    calls = CallAssembler()
    events = []
    for number, (seconds, message) in enumerate(script):
        if number == restart_after:
            packed = calls.snapshot().pack()
            calls = CallAssembler()
            calls.restore(Snapshot.unpack(packed))
        events += calls.message(RawMessage(at(seconds), "10.0.0.1", message))
    return [event.record for event in events + calls.finish() if event.step is CallStep.SETTLED]


@pytest.mark.parametrize("restart_after", [-1, 3, 4, 6])
@pytest.mark.parametrize("by_callee", [False, True])
def test_a_challenge_answered_under_another_tag_is_one_call(by_callee, restart_after):
    bye = LATER.request("BYE", cseq=3, branch="bye", to_tag="tag-b", by_callee=by_callee)
    (end,) = ends([*CHALLENGED, *ANSWERED, (30.0, bye)], restart_after)
    by = EndedBy.CALLEE if by_callee else EndedBy.CALLER
    assert outcome(end) == (CallState.COMPLETED, 200, by, at(5), at(30))
    assert (end.from_tag, end.ringing_ns) == ("tag-a", at(2))


def test_two_challenges_each_under_another_tag():
    third = replace(CALL, from_tag="tag-third")
    again = [(0.7, ANSWERED[0][1]), (0.8, LATER.response(401, branch="b", cseq=2, to_tag="r"))]
    last = [
        (0.9, third.request("INVITE", cseq=3, branch="c", sdp=OFFER)),
        (9.0, third.response(486, branch="c", cseq=3)),
    ]
    (end,) = ends([*CHALLENGED, *again, *last])
    assert outcome(end) == (CallState.FAILED, 486, EndedBy.CALLEE, None, at(9))


@pytest.mark.parametrize(
    "other",
    [
        replace(LATER, callee="sip:+4930333333@b.example"),
        replace(LATER, caller="sip:+4930333333@a.example"),
        replace(LATER, call_id="call-2@example"),
    ],
    ids=["another callee", "another caller", "another Call-ID"],
)
def test_what_no_answer_to_the_challenge_is_is_another_call(other):
    assert len(ends([*CHALLENGED, (0.7, other.request("INVITE", cseq=2, branch="b", sdp=OFFER))])) == 2


@pytest.mark.parametrize(
    "before",
    [
        [(0.0, invite())],
        [(0.0, invite()), (0.5, reply(486))],
        [(0.0, invite(cseq=3)), (0.5, reply(407, cseq=3))],
        [(0.0, invite()), (0.5, reply(407)), (0.6, invite("c", 2))],
        [(0.0, invite()), (0.5, reply(200)), (0.6, ACK)],
    ],
    ids=["not challenged", "refused", "a CSeq that goes back", "answered under its own tag", "a call"],
)
def test_another_tag_is_another_call_where_no_challenge_waits(before):
    assert len(ends([*before, (0.7, ANSWERED[0][1])])) == 2
