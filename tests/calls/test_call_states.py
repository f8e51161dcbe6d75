"""How calls begin, go on and end: each scenario is what was on the wire, and what becomes of the call."""

import pytest
from call_player import CallPlayer
from sip_scenario import SECOND_NS, Talk, at, play, sdp

from callprint.core.call import CallRecord, CallState, EndedBy, Phase
from callprint.core.calls.assembly import MessageOutcome
from callprint.core.signalling.reader import RawMessage

CALL = Talk()
INVITE = CALL.request("INVITE", sdp=sdp("10.0.0.1", 4000), headers="User-Agent: phone/1\r\n")
ANSWERED = [
    (0.0, INVITE),
    (0.1, CALL.response(100, to_tag="")),
    (0.5, CALL.response(180)),
    (3.0, CALL.response(200, sdp=sdp("10.0.0.2", 5000))),
    (3.1, CALL.request("ACK", to_tag="tag-b", branch="z9hG4bK-ack")),
]


def end_of(script: list[tuple[float, bytes]]) -> CallRecord:
    """Return the end row of the one call in a script, after checking that every message was counted."""
    engine = CallPlayer()
    records = play(engine, script)
    assert engine.assembler.messages == len(script)
    setup, end = records
    assert (setup.phase, end.phase) == (Phase.SETUP, Phase.END)
    assert (setup.state, setup.answered_ns, setup.ended_ns) == (CallState.CALLING, None, None)
    assert (setup.call_id, setup.from_tag, setup.started_ns) == (end.call_id, end.from_tag, end.started_ns)
    return end


def test_an_answered_call_that_the_caller_ends():
    end = end_of([*ANSWERED, (63.0, CALL.request("BYE", cseq=2, to_tag="tag-b"))])
    assert (end.caller, end.callee) == ("+4930111111", "+4930222222")
    assert (end.started_ns, end.ringing_ns, end.answered_ns, end.ended_ns) == (at(0), at(0.5), at(3), at(63))
    assert (end.state, end.final_status, end.ended_by) == (CallState.COMPLETED, 200, EndedBy.CALLER)
    assert (end.caller_user_agent, end.signalling_ip) == ("phone/1", "10.0.0.1")
    assert (end.caller_codec, end.callee_codec) == ("PCMA", "PCMA")


def test_an_answered_call_that_the_callee_ends():
    end = end_of([*ANSWERED, (9.0, CALL.request("BYE", cseq=7, to_tag="tag-b", by_callee=True))])
    assert (end.state, end.ended_by, end.ended_ns) == (CallState.COMPLETED, EndedBy.CALLEE, at(9))


@pytest.mark.parametrize("by_callee", [False, True])
def test_the_response_to_a_bye_that_was_not_captured_ends_the_call(by_callee):
    ok = CALL.response(200, "BYE", cseq=7, to_callee=by_callee)
    end = end_of([*ANSWERED, (9.0, ok), (9.5, ok)])
    by = EndedBy.CALLEE if by_callee else EndedBy.CALLER
    assert (end.state, end.ended_by, end.ended_ns) == (CallState.COMPLETED, by, at(9))


def test_the_response_to_a_bye_that_was_seen_changes_nothing():
    """The caller leaves an early dialog and tries another gateway: the call does not wait for its end again."""
    again = CALL.request("INVITE", cseq=3, branch="z9hG4bK-3")
    script = [(0.0, INVITE), (1.0, CALL.response(180)), (2.0, CALL.request("BYE", cseq=2, to_tag="tag-b"))]
    script += [(2.1, again), (2.2, CALL.response(200, "BYE", cseq=2))]
    end = end_of([*script, (90.0, CALL.response(200, cseq=3, to_tag="c", branch="z9hG4bK-3"))])
    assert (end.answered_ns, end.final_status) == (at(90), 200)


def test_the_caller_gives_up():
    end = end_of(
        [
            (0.0, INVITE),
            (0.5, CALL.response(180)),
            (8.0, CALL.request("CANCEL")),
            (8.1, CALL.response(200, "CANCEL")),
            (8.2, CALL.response(487)),
            (8.3, CALL.request("ACK", to_tag="tag-b")),
        ]
    )
    assert (end.state, end.ended_by, end.ended_ns) == (CallState.CANCELLED, EndedBy.CALLER, at(8))
    assert (end.final_status, end.answered_ns) == (487, None)


def test_the_answer_wins_the_race_against_cancel():
    end = end_of(
        [
            (0.0, INVITE),
            (8.0, CALL.request("CANCEL")),
            (8.1, CALL.response(200)),
            (9.0, CALL.request("BYE", cseq=2, to_tag="tag-b")),
        ]
    )
    assert (end.state, end.answered_ns, end.ended_ns) == (CallState.COMPLETED, at(8.1), at(9))


@pytest.mark.parametrize("status", [404, 486, 480, 503, 603])
def test_a_refused_call(status):
    end = end_of([(0.0, INVITE), (1.0, CALL.response(status)), (1.1, CALL.request("ACK", to_tag="tag-b"))])
    assert (end.state, end.ended_by, end.final_status) == (CallState.FAILED, EndedBy.CALLEE, status)
    assert end.ended_ns == at(1)


def test_a_challenge_is_no_refusal():
    again = CALL.request("INVITE", cseq=2, branch="z9hG4bK-2", headers="Proxy-Authorization: Digest x\r\n")
    end = end_of(
        [
            (0.0, INVITE),
            (0.1, CALL.response(407, to_tag="proxy")),
            (0.2, CALL.request("ACK", to_tag="proxy")),
            (0.3, again),
            (2.0, CALL.response(200, cseq=2, branch="z9hG4bK-2")),
            (5.0, CALL.request("BYE", cseq=3, to_tag="tag-b")),
        ]
    )
    assert (end.state, end.started_ns, end.answered_ns) == (CallState.COMPLETED, at(0), at(2))


def test_a_challenge_that_is_never_met_fails_the_call():
    engine = CallPlayer()
    script = [(0.0, INVITE), (0.1, CALL.response(401)), (33.0, Talk("other").request("OPTIONS"))]
    end = play(engine, script)[1]
    assert (end.state, end.final_status, end.ended_ns) == (CallState.FAILED, 401, at(0.1))
    assert engine.assembler.outcomes[MessageOutcome.OUTSIDE_CALLS] == 1


FORK = (
    (0.0, INVITE),
    (0.1, CALL.request("INVITE", branch="fork-1")),
    (0.1, CALL.request("INVITE", branch="fork-2")),
)


def test_a_parallel_fork_fails_only_with_its_last_branch():
    end = end_of(
        [
            *FORK,
            (0.5, CALL.response(180, to_tag="t1", branch="fork-1")),
            (0.6, CALL.response(486, to_tag="t2", branch="fork-2")),
            (4.0, CALL.response(200, to_tag="t1", branch="fork-1")),
            (4.1, CALL.response(200, to_tag="t1")),
            (9.0, CALL.request("BYE", cseq=2, to_tag="t1")),
        ]
    )
    assert (end.state, end.final_status, end.answered_ns) == (CallState.COMPLETED, 200, at(4))


def test_a_fork_refused_everywhere_has_the_status_that_reached_the_caller():
    end = end_of(
        [
            *FORK,
            (0.6, CALL.response(486, to_tag="t2", branch="fork-2")),
            (0.7, CALL.response(404, to_tag="t1", branch="fork-1")),
            (0.8, CALL.response(486, to_tag="t2")),
        ]
    )
    assert (end.state, end.final_status, end.ended_ns) == (CallState.FAILED, 486, at(0.8))


def test_a_fork_that_two_answer_ends_with_the_second_bye():
    end = end_of(
        [
            (0.0, INVITE),
            (1.0, CALL.response(200, to_tag="t1")),
            (1.1, CALL.response(200, to_tag="t2")),
            (1.2, CALL.request("BYE", cseq=2, to_tag="t2")),
            (30.0, CALL.request("BYE", cseq=2, to_tag="t1", by_callee=True)),
        ]
    )
    assert (end.ended_ns, end.ended_by) == (at(30), EndedBy.CALLEE)


def test_hold_and_other_reinvites_change_media_but_not_the_call():
    end = end_of(
        [
            *ANSWERED,
            (
                10.0,
                CALL.request("INVITE", cseq=2, to_tag="tag-b", sdp=sdp("0.0.0.0", 4000, "a=inactive\r\n")),
            ),
            (10.1, CALL.response(200, cseq=2)),
            (20.0, CALL.request("INVITE", cseq=9, to_tag="tag-b", by_callee=True)),
            (20.1, CALL.response(488, cseq=9, to_callee=True)),
            (21.0, CALL.request("UPDATE", cseq=3, to_tag="tag-b")),
            (22.0, CALL.request("PRACK", cseq=4, to_tag="tag-b")),
            (40.0, CALL.request("BYE", cseq=5, to_tag="tag-b")),
        ]
    )
    assert (end.state, end.answered_ns, end.ended_ns, end.final_status) == (
        CallState.COMPLETED,
        at(3),
        at(40),
        200,
    )


def test_a_retransmitted_invite_is_the_same_call():
    end = end_of([(0.0, INVITE), (0.5, INVITE), (1.5, INVITE), (2.0, CALL.response(486))])
    assert end.state is CallState.FAILED


def test_bye_of_an_early_dialog_is_a_cancellation():
    end = end_of(
        [
            (0.0, INVITE),
            (1.0, CALL.response(180)),
            (2.0, CALL.request("BYE", cseq=2, to_tag="tag-b")),
            (2.1, CALL.response(487)),  # RFC 3261 15.1.2
        ]
    )
    assert (end.state, end.ended_by, end.ended_ns) == (CallState.CANCELLED, EndedBy.CALLER, at(2))
    assert (end.answered_ns, end.final_status) == (None, 487)


@pytest.mark.parametrize(
    ("script", "wait_s", "last_s"),
    [([(0.0, INVITE), (0.5, CALL.response(180))], 200, 0.5), (ANSWERED, 4 * 3600, 3.1)],
)
def test_a_call_that_never_ends_expires_in_packet_time(script, wait_s, last_s):
    engine = CallPlayer()
    late = Talk("late").request("REGISTER")
    records = play(engine, [*script, (last_s + wait_s - 1, late)])
    assert records[1].ended_by is EndedBy.CAPTURE_END
    engine = CallPlayer()
    records = play(engine, [*script, (last_s + wait_s + 1, late)])
    assert (records[1].state, records[1].ended_by) == (CallState.EXPIRED, EndedBy.TIMEOUT)
    assert records[1].ended_ns == at(last_s)


def test_messages_of_calls_whose_invite_was_not_seen_are_counted():
    engine = CallPlayer()
    assert play(engine, [(i, message) for i, (_, message) in enumerate(ANSWERED[1:])]) == []
    assert engine.assembler.outcomes == {MessageOutcome.NO_CALL: 4}


def test_a_caller_without_tag_is_read_as_rfc_2543_wrote():
    old = Talk(from_tag="")
    invite = old.request("INVITE").replace(b";tag=", b"")
    ok = old.response(200, to_tag="").replace(b";tag=", b"")
    bye = old.request("BYE", cseq=2).replace(b";tag=", b"")
    end = end_of([(0, invite), (1, ok), (2, bye)])
    assert (end.from_tag, end.state) == ("", CallState.COMPLETED)


def test_the_callee_of_a_caller_without_tag_hangs_up():
    messages = [*ANSWERED, (9.0, CALL.request("BYE", cseq=7, to_tag="tag-b", by_callee=True))]
    end = end_of([(when, message.replace(b";tag=tag-a", b"")) for when, message in messages])
    assert (end.state, end.ended_by, end.ended_ns) == (CallState.COMPLETED, EndedBy.CALLEE, at(9))


def test_broken_messages_and_bodies_are_counted_by_defect():
    engine = CallPlayer()
    bad_body = Talk("c2").request("INVITE", sdp="m=audio nonsense")
    records = play(engine, [(0, b"INVITE sip:x SIP/2.0\r\n\r\n"), (1, bad_body)])
    assert engine.assembler.defects == {"missing_header": 1}
    assert engine.assembler.body_defects == {"sdp_media": 1}
    assert (len(records), engine.assembler.messages) == (2, 2)


def test_rows_leave_when_they_are_due_not_before():
    engine = CallPlayer()
    waits_s = engine.assembler._settings.call_waits_ns / SECOND_NS
    script = [*ANSWERED, (63.0, CALL.request("BYE", cseq=2, to_tag="tag-b"))]
    play_until = [engine.message(RawMessage(at(when), "10.0.0.1", message)) for when, message in script]
    assert [len(records) for records in play_until] == [1, 0, 0, 0, 0, 0]
    assert engine.advance(at(63 + waits_s) - 1) == []
    (end,) = engine.advance(at(63 + waits_s))
    assert (end.phase, end.judged_at_ns) == (Phase.END, at(63 + waits_s))
    assert engine.assembler.calls_in_progress == 0
