"""Calls that take several INVITEs, hops of a proxy, and captures that lack the message that says what happened.

`Talk.response` and `Talk.request` write one Via; `below` puts the Via of the hop before under it, as proxies do.
"""

import pytest
from sip_scenario import Talk, at, flow, play, sdp

from callprint.core.call import CallRecord, CallState, EndedBy, Phase
from callprint.core.calls.settings import CallSettings
from callprint.core.signalling.reader import RawMessage
from callprint.core.spam.call_pipeline import CallPipeline
from callprint.core.spam.features import Feature

CALL = Talk()
OFFER = sdp("10.0.0.1", 4000)
ANSWER = sdp("10.0.0.2", 5000)
CALLER, CALLEE = ("10.0.0.1", 4000), ("10.0.0.2", 5000)
BYE = CALL.request("BYE", cseq=9, to_tag="tag-b", branch="bye")
ACK = CALL.request("ACK", to_tag="tag-b", branch="ack")


def below(branch: str, above: str) -> str:
    return f"{branch}, SIP/2.0/UDP 10.0.0.9;branch={above}"


def invite(branch: str = "a", cseq: int = 1, to: str = "", dialled: str = "", to_tag: str = "") -> bytes:
    talk = Talk(callee=f"sip:{to}@b.example") if to else CALL
    message = talk.request("INVITE", cseq=cseq, branch=branch, sdp=OFFER, to_tag=to_tag)
    return message.replace(b"sip:x@y", f"sip:{dialled}@gw.example".encode()) if dialled else message


def reply(status: int, branch: str = "a", cseq: int = 1, tag: str = "tag-b", body: str = "") -> bytes:
    return CALL.response(status, branch=branch, cseq=cseq, to_tag=tag, sdp=body)


def cancel(branch: str = "a", cseq: int = 1) -> bytes:
    return CALL.request("CANCEL", branch=branch, cseq=cseq)


def end_of(script: list[tuple[float, bytes]], flows=(), until_s: float = 0.0) -> CallRecord:
    """Return the end row of the one call of a script; packet time goes on to `until_s` before the capture ends."""
    engine = CallPipeline()
    rows = [
        row for when, message in script for row in engine.message(RawMessage(at(when), "10.0.0.1", message))
    ]
    rows += engine.add_flows(flows) + (engine.advance(at(until_s)) if until_s else []) + engine.finish()
    _, end = rows
    assert end.phase is Phase.END
    return end


def outcome(end: CallRecord) -> tuple:
    return end.state, end.final_status, end.ended_by, end.answered_ns, end.ended_ns


# -- refusals are not the end


@pytest.mark.parametrize("status", [302, 401, 404, 407, 408, 422, 480, 484, 486, 488, 500, 503, 603])
@pytest.mark.parametrize(("cseq", "branch"), [(2, "b"), (1, "b"), (1, below("b", "root"))])
def test_a_new_invite_after_any_refusal_goes_on_with_the_call(status, cseq, branch):
    end = end_of(
        [
            (0.0, invite()),
            (0.5, reply(180, tag="gw")),
            (0.6, reply(status, tag="gw")),
            (0.7, CALL.request("ACK", branch="a", to_tag="gw")),
            (0.8, invite(branch, cseq)),
            (50.0, reply(180, branch, cseq)),
            (55.0, reply(200, branch, cseq)),
            (55.1, ACK),
            (85.0, BYE),
        ],
        until_s=400,
    )
    assert outcome(end) == (CallState.COMPLETED, 200, EndedBy.CALLER, at(55), at(85))
    assert end.ringing_ns == at(50)  # of the branch that was reached


@pytest.mark.parametrize("status", [302, 407, 404, 486, 500, 503, 603])
@pytest.mark.parametrize("how", ["time-out", "capture end", "eviction"])
def test_a_refusal_that_stands_is_a_failure_at_its_time(status, how):
    engine = CallPipeline(CallSettings(maximum_calls=1))
    script = [(0.0, invite()), (0.5, reply(180)), (3.0, reply(status))]
    if how == "eviction":
        script.append((4.0, Talk("other").request("INVITE")))
    elif how == "time-out":
        script.append((150.0, Talk("other").request("OPTIONS")))
    end = next(row for row in play(engine, script) if row.phase is Phase.END)
    assert outcome(end) == (CallState.FAILED, status, EndedBy.CALLEE, None, at(3))


def test_a_retransmitted_invite_of_a_refused_branch_changes_nothing():
    script = [(0.0, invite()), (3.0, reply(486)), (3.4, invite()), (3.5, reply(486)), (3.6, reply(100))]
    end = end_of(script, until_s=150)
    assert outcome(end) == (CallState.FAILED, 486, EndedBy.CALLEE, None, at(3))


def test_a_second_refusal_counts_when_the_second_try_was_made():
    end = end_of([(0.0, invite()), (1.0, reply(503)), (1.1, invite("b")), (2.0, reply(486, "b"))])
    assert outcome(end) == (CallState.FAILED, 486, EndedBy.CALLEE, None, at(2))


def test_responses_show_an_invite_that_was_not_captured():
    script = [(0.0, invite()), (1.0, reply(407, tag="p")), (40.0, reply(486, "b", cseq=2))]
    assert outcome(end_of([*script[:2], (2.0, reply(180, "b", cseq=2)), script[2]]))[1::3] == (486, at(40))
    answered = [*script[:2], (2.0, reply(180, "b", cseq=2)), (40.0, reply(200, "b", cseq=2)), (50.0, BYE)]
    assert outcome(end_of(answered)) == (CallState.COMPLETED, 200, EndedBy.CALLER, at(40), at(50))


def test_an_invite_that_is_replaced_no_longer_counts():
    """The challenge to the first INVITE was not captured."""
    end = end_of([(0.0, invite()), (1.0, invite("b", 2)), (2.0, reply(486, "b", 2)), (2.5, reply(408, "a"))])
    assert outcome(end) == (CallState.FAILED, 486, EndedBy.CALLEE, None, at(2))


def test_a_proxy_may_meet_a_challenge_on_its_far_side_alone():
    """It raises CSeq there; the caller's own INVITE waits on."""
    far, again = below("f1", "root"), below("f2", "root")
    script = [
        (0.0, invite("root")),
        (0.1, invite(far)),
        (0.2, reply(407, far, tag="carrier")),
        (0.3, invite(again, cseq=2)),
        (5.0, reply(486, again, cseq=2)),
    ]
    failed = end_of([*script, (5.1, reply(480, "root"))])
    assert outcome(failed) == (CallState.FAILED, 480, EndedBy.CALLEE, None, at(5.1))
    gone_on = [*script, (5.2, invite(below("f3", "root"))), (60.0, reply(200, below("f3", "root")))]
    end = end_of([*gone_on, (60.1, reply(200, "root")), (70.0, BYE)])
    assert outcome(end) == (CallState.COMPLETED, 200, EndedBy.CALLER, at(60), at(70))


def test_what_ends_a_hop_ends_the_hops_below_it():
    """The proxy's telephone never answered its CANCEL; the caller got 408 all the same."""
    end = end_of(
        [
            (0.0, invite("root")),
            (0.1, invite(below("t", "root"))),
            (0.5, reply(180, below("t", "root"))),
            (20.0, reply(408, "root", tag="proxy")),
        ],
        until_s=60,
    )
    assert outcome(end) == (CallState.FAILED, 408, EndedBy.CALLEE, None, at(20))


def test_a_server_that_refuses_is_not_the_callee():
    busy = reply(503, tag="gw").replace(b"CSeq", b"Server: gateway one\r\nCSeq")
    ok = reply(200, "b", body=ANSWER).replace(b"CSeq", b"Server: gateway two\r\nCSeq", 1)
    end = end_of([(0.0, invite()), (1.0, busy), (1.1, invite("b")), (2.0, ok), (9.0, BYE)])
    assert end.callee_user_agent == "gateway two"


# -- CANCEL


def test_a_proxy_cancels_a_telephone_and_tries_the_next():
    """Seen on both sides of the proxy, and on its far side alone."""
    one, two = below("t1", "root"), below("t2", "root")
    far = [
        (0.1, invite(one)),
        (0.5, reply(180, one, tag="t1")),
        (20.0, cancel("t1")),
        (20.1, reply(487, one, tag="t1")),
        (20.2, invite(two)),
        (20.5, reply(180, two)),
        (65.0, reply(200, two)),
    ]
    for script in (far, [(0.0, invite("root")), *far]):
        end = end_of([*script, (65.1, ACK), (95.0, BYE)], until_s=300)
        assert outcome(end) == (CallState.COMPLETED, 200, EndedBy.CALLER, at(65), at(95))
        assert end.ringing_ns == at(20.5)


@pytest.mark.parametrize("with_487", [True, False])
@pytest.mark.parametrize("sides", ["caller", "carrier", "both"])
def test_the_caller_cancels(sides, with_487):
    far = below("t1", "root")
    script = []
    for when, near, beyond in [
        (0.0, invite("root"), invite(far)),
        (1.0, reply(180, "root"), reply(180, far)),
        (8.0, cancel("root"), cancel("t1")),
        *([(8.2, reply(487, far), reply(487, "root"))] if with_487 else []),
    ]:
        first = when if when == 8.2 else when + 0.01
        ways = {"caller": [(when, near)], "carrier": [(first, beyond)]}
        script += ways.get(sides, [(when, near), (when + 0.01, beyond)])
    if sides in ("caller", "carrier") and with_487:
        script[-1] = (8.2, reply(487, "root" if sides == "caller" else far))
    end = end_of(script, until_s=300)
    cancelled_ns = at(8.01) if sides == "carrier" else at(8.0)
    status = 487 if with_487 else None
    assert outcome(end) == (CallState.CANCELLED, status, EndedBy.CALLER, None, cancelled_ns)


@pytest.mark.parametrize("status", [408, 480, 487])
def test_a_proxy_that_stops_waiting_is_not_the_caller_giving_up(status):
    far = below("t1", "root")
    end = end_of(
        [
            (0.0, invite("root")),
            (0.1, invite(far)),
            (20.0, cancel("t1")),
            (20.1, reply(487, far)),
            (20.2, reply(status, "root", tag="proxy")),
        ]
    )
    assert outcome(end) == (CallState.FAILED, status, EndedBy.CALLEE, None, at(20.2))
    assert end.features[Feature.CANCELLED] == 0.0


def test_cancelling_the_losers_of_a_fork_is_no_cancellation():
    script = [
        (0.0, invite("s1")),
        (0.0, invite("s2")),
        (3.0, reply(200, "s1", tag="t1")),
        (3.1, cancel("s2")),
        (3.2, reply(487, "s2", tag="t2")),
        (9.0, CALL.request("BYE", cseq=2, to_tag="t1", branch="bye")),
    ]
    assert outcome(end_of(script)) == (CallState.COMPLETED, 200, EndedBy.CALLER, at(3), at(9))


def test_a_callee_who_declines_for_all_telephones_is_not_a_caller_who_gives_up():
    """RFC 3261 16.7: a 6xx ends the search, the proxy cancels what still rings."""
    script = [
        (0.0, invite("s1")),
        (0.0, invite("s2")),
        (3.0, reply(603, "s1", tag="t1")),
        (3.1, cancel("s2")),
        (3.2, reply(487, "s2", tag="t2")),
    ]
    for seen in (script, script[:-1]):
        assert outcome(end_of(seen, until_s=100)) == (CallState.FAILED, 603, EndedBy.CALLEE, None, at(3))


def test_one_telephone_is_busy_and_the_caller_gives_up_on_the_other():
    script = [
        (0.0, invite("s1")),
        (0.0, invite("s2")),
        (1.0, reply(486, "s1", tag="t1")),
        (8.0, cancel("s2")),
    ]
    assert outcome(end_of(script)) == (CallState.CANCELLED, None, EndedBy.CALLER, None, at(8))
    script.append((8.1, reply(487, "s2", tag="t2")))
    assert outcome(end_of(script)) == (CallState.CANCELLED, 487, EndedBy.CALLER, None, at(8))


def test_a_next_gateway_is_tried_before_the_cancelled_one_has_answered():
    script = [
        (0.0, invite("s1")),
        (0.5, reply(180, "s1", tag="gw")),
        (20.0, cancel("s1")),
        (20.02, invite("s2")),
        (20.06, reply(487, "s1", tag="gw")),
        (70.0, reply(200, "s2")),
        (80.0, BYE),
    ]
    assert outcome(end_of(script)) == (CallState.COMPLETED, 200, EndedBy.CALLER, at(70), at(80))


def test_ringing_that_crosses_cancel_did_not_ring():
    end = end_of([(0.0, invite()), (1.0, cancel()), (1.1, reply(180)), (1.2, reply(487))])
    assert (end.state, end.ended_ns, end.ringing_ns) == (CallState.CANCELLED, at(1), None)


# -- the number that was reached


@pytest.mark.parametrize("pending", [True, False])
@pytest.mark.parametrize("in_to", [True, False])
def test_overlap_dialling_ends_with_the_whole_number(in_to, pending):
    """RFC 3578: more digits in another INVITE, before or after 484."""
    script, digits = [], ["+49302", "+4930222", "+493022222"]
    for number, dialled in enumerate(digits, start=1):
        script.append((number, invite(f"b{number}", number, to=dialled if in_to else "", dialled=dialled)))
        if dialled != digits[-1] and not pending:
            script.append((number + 0.1, reply(484, f"b{number}", number)))
    end = end_of([*script, (9.0, reply(200, "b3", 3)), (20.0, BYE)])
    assert outcome(end) == (CallState.COMPLETED, 200, EndedBy.CALLER, at(9), at(20))
    assert (end.callee, end.started_ns) == ("+493022222", at(1))


def test_a_redirected_call_reaches_another_number():
    script = [
        (0.0, invite(dialled="+4930222222")),
        (0.5, reply(302)),
        (0.7, invite("b", 2, dialled="+4930999999")),
        (1.0, reply(503, "b", 2)),
        (1.1, invite("c", 3, dialled="+4930999999")),
        (5.0, reply(200, "c", 3)),
        (9.0, BYE),
    ]
    assert end_of(script).callee == "+4930999999"


def test_where_proxies_route_a_call_is_not_whom_it_asks_for():
    script = [
        (0.0, invite("root", dialled="+4930222222")),
        (0.1, invite(below("t1", "root"), dialled="99+4930222222")),
        (0.5, reply(503, below("t1", "root"))),
        (0.6, invite(below("t2", "root"), dialled="telephone7")),
        (5.0, reply(200, below("t2", "root"))),
        (9.0, BYE),
    ]
    assert end_of(script).callee == "+4930222222"


# -- evidence of an answer that was not captured


def test_the_ack_of_an_answer():
    end = end_of([(0.0, invite()), (0.5, reply(180)), (4.0, ACK), (64.0, BYE)])
    assert outcome(end) == (CallState.COMPLETED, None, EndedBy.CALLER, at(4), at(64))
    assert (end.features[Feature.ANSWERED], end.features[Feature.CANCELLED]) == (1.0, 0.0)


def test_the_ack_of_a_refusal_proves_no_answer():
    own_branch = CALL.request("ACK", branch="a", to_tag="tag-b")
    other_hop = CALL.request("ACK", branch="unseen", to_tag="tag-b")
    refused = (CallState.FAILED, 486, EndedBy.CALLEE, None, at(3))
    assert (
        outcome(end_of([(0.0, invite()), (3.0, reply(486)), (3.1, own_branch), (3.2, other_hop)])) == refused
    )
    assert (
        outcome(end_of([(0.0, invite()), (2.9, other_hop), (3.0, reply(486)), (3.1, own_branch)])) == refused
    )


@pytest.mark.parametrize("by_callee", [True, False])
def test_a_reinvite_in_a_dialog(by_callee):
    again = CALL.request("INVITE", cseq=5, to_tag="tag-b", branch="again", by_callee=by_callee)
    end = end_of([(0.0, invite()), (0.5, reply(180)), (30.0, again), (64.0, BYE)])
    assert outcome(end) == (CallState.COMPLETED, None, EndedBy.CALLER, at(30), at(64))


def test_a_retry_that_keeps_the_tag_of_the_challenge_is_no_reinvite():
    again = invite("b", 2, to_tag="ch")
    end = end_of([(0.0, invite()), (0.1, reply(407, tag="ch")), (0.2, again), (2.0, reply(486, "b", 2))])
    assert outcome(end) == (CallState.FAILED, 486, EndedBy.CALLEE, None, at(2))


@pytest.mark.parametrize("by_callee", [True, False])
def test_a_bye_without_an_answer_before_it(by_callee):
    bye = CALL.request("BYE", cseq=5, to_tag="tag-b", branch="bye", by_callee=by_callee)
    by = EndedBy.CALLEE if by_callee else EndedBy.CALLER
    end = end_of([(0.0, invite()), (0.5, reply(180)), (64.0, bye)], until_s=200)
    assert outcome(end) == (CallState.COMPLETED, None, by, at(64), at(64))


def both_ways(begin_s: float, end_s: float) -> list:
    return [
        flow(CALLER, CALLEE, begin_s, end_s, ssrc=1),
        flow(CALLEE, CALLER, begin_s - 0.5, end_s + 0.5, ssrc=2),
    ]


@pytest.mark.parametrize("by_callee", [True, False])
def test_media_says_when_a_call_was_answered_that_bye_proves(by_callee):
    bye = CALL.request("BYE", cseq=5, to_tag="tag-b", branch="bye", by_callee=by_callee)
    script = [(0.0, invite()), (0.5, reply(183, body=ANSWER)), (64.0, bye)]
    assert end_of(script, both_ways(6, 64)).answered_ns == at(6)
    end = end_of([*script[:2], (8.0, reply(180)), script[2]], both_ways(6, 64))
    assert end.answered_ns == at(8)  # media before it was early media
    assert end_of(script, both_ways(6, 64)[:1]).answered_ns == at(64)  # one way proves nothing


def test_media_alone_proves_an_answer():
    script = [(0.0, invite()), (0.5, reply(180))]
    end = end_of(script, both_ways(6, 66))
    assert outcome(end) == (CallState.EXPIRED, None, EndedBy.CAPTURE_END, at(6), at(66.5))
    assert end_of(script, both_ways(6, 66)[:1]).answered_ns is None


def test_early_media_is_no_answer_unless_it_never_ends():
    early = [(0.0, invite()), (0.5, reply(183, body=ANSWER))]
    assert outcome(end_of(early, both_ways(1, 60)))[:4] == (
        CallState.EXPIRED,
        None,
        EndedBy.CAPTURE_END,
        None,
    )
    assert end_of(early, both_ways(1, 400)).answered_ns == at(1)
    refused = end_of([*early, (9.0, reply(486))], both_ways(1, 9))
    assert outcome(refused) == (CallState.FAILED, 486, EndedBy.CALLEE, None, at(9))
    cancelled = end_of([*early, (9.0, cancel())], both_ways(1, 9))
    assert outcome(cancelled) == (CallState.CANCELLED, None, EndedBy.CALLER, None, at(9))


def test_an_answer_that_crosses_a_bye():
    script = [(0.0, invite()), (0.5, reply(180)), (9.0, BYE), (9.1, reply(200))]
    assert outcome(end_of(script)) == (CallState.COMPLETED, 200, EndedBy.CALLER, at(9), at(9.1))


# -- what histories learn


def test_histories_hear_of_a_callees_refusal_at_once():
    """A robot makes many calls in half a minute: they cannot wait for the end of the waiting."""
    engine, setups = CallPipeline(), []
    for number in range(20):
        talk = Talk(f"call-{number}", from_tag=f"tag-{number}")
        for when, message in [(number, talk.request("INVITE")), (number + 0.5, talk.response(404))]:
            setups += engine.message(RawMessage(at(when), "10.0.0.1", message))
    assert [row.phase for row in setups] == [Phase.SETUP] * 20
    assert setups[-1].features[Feature.UNASSIGNED_RATIO] > 0.5


def test_histories_hear_of_a_failover_only_what_became_of_it():
    engine = CallPipeline()
    script = [(0.0, invite()), (1.0, reply(503)), (1.1, invite("b")), (2.0, reply(200, "b")), (60.0, BYE)]
    play_until = [
        row for when, text in script for row in engine.message(RawMessage(at(when), "10.0.0.1", text))
    ]
    play_until += engine.message(RawMessage(at(70), "10.0.0.1", Talk("next", from_tag="n").request("INVITE")))
    assert play_until[-1].features[Feature.REFUSED_RATIO] < 0.1
    assert play_until[-1].features[Feature.ANSWER_RATIO] > 0.5
