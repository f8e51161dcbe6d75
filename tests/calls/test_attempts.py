"""Calls that take several INVITEs, on one or both sides of a proxy: what becomes of them in the end."""

import pytest
from attempt_scenario import ACK, ANSWER, BYE, CALL, below, cancel, end_of, invite, outcome, reply
from call_player import CallPlayer
from sip_scenario import Talk, at, play

from callprint.core.call import CallState, EndedBy, Phase
from callprint.core.calls.settings import CallSettings
from callprint.core.signalling.reader import RawMessage
from callprint.core.spam.features import Feature

FORK = ((0.0, invite("s1")), (0.0, invite("s2")))
"""A proxy rings two telephones."""

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
    engine = CallPlayer(CallSettings(maximum_calls=1))
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


def test_a_caller_may_take_longer_than_it_is_waited_for():
    """A person types a password: in a public capture it took 32.5 s."""
    script = [
        (0.0, invite()),
        (0.5, reply(407, tag="ch")),
        (40.0, invite("b", 2)),
        (41.0, reply(200, "b", 2)),
    ]
    end = end_of([*script, (50.0, BYE)])
    assert outcome(end) == (CallState.COMPLETED, 200, EndedBy.CALLER, at(41), at(50))


def test_long_branches_are_told_apart():
    one, other = "z9hG4bK" + "x" * 300 + "1", "z9hG4bK" + "x" * 300 + "2"
    script = [(0.0, invite(one)), (1.0, reply(486, one)), (2.0, invite(other)), (50.0, reply(200, other))]
    assert end_of([*script, (60.0, BYE)], until_s=100).answered_ns == at(50)


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


def of_server(message: bytes, name: bytes) -> bytes:
    return message.replace(b"CSeq", b"Server: " + name + b"\r\nCSeq", 1)


@pytest.mark.parametrize("of_proxy", [reply(100, tag=""), CALL.response(200, "CANCEL", to_tag="p")])
def test_what_a_proxy_answers_for_itself_says_nothing_about_the_callee(of_proxy):
    script = [(0.0, invite()), (0.1, of_server(of_proxy, b"proxy"))]
    assert end_of(script).callee_user_agent is None
    assert end_of([*script, (2.0, of_server(reply(180), b"phone"))]).callee_user_agent == "phone"


def test_who_answers_may_not_be_who_rang():
    script = [(0.0, invite()), (1.0, of_server(reply(180, tag="one"), b"phone one"))]
    answer = reply(200, tag="two")
    assert end_of([*script, (2.0, of_server(answer, b"phone two"))]).callee_user_agent == "phone two"
    assert end_of([*script, (2.0, answer)]).callee_user_agent is None, "who answers is another one"
    assert end_of([*script, (2.0, reply(200, tag="one"))]).callee_user_agent == "phone one"
    late = [of_server(reply(status, tag="one"), b"phone one") for status in (180, 487, 200)]
    for message in late:  # of the one that lost
        assert end_of([*script, (2.0, answer), (2.1, message)]).callee_user_agent is None


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


def test_a_cancel_of_a_hop_that_was_not_captured_cancels_no_other():
    script = [(0.0, invite("z9hG4bK-root")), (1.0, reply(180, "z9hG4bK-root")), (20.0, cancel("z9hG4bK-far"))]
    end = end_of([*script, (70.0, reply(200, "z9hG4bK-root")), (80.0, BYE)])
    assert outcome(end) == (CallState.COMPLETED, 200, EndedBy.CALLER, at(70), at(80))
    old = [(0.0, invite("")), (20.0, cancel("1"))]  # RFC 2543 9.2: by Call-ID, CSeq and the like
    assert outcome(end_of(old)) == (CallState.CANCELLED, None, EndedBy.CALLER, None, at(20))


def test_cancelling_the_losers_of_a_fork_is_no_cancellation():
    script = [
        *FORK,
        (3.0, reply(200, "s1", tag="t1")),
        (3.1, cancel("s2")),
        (3.2, reply(487, "s2", tag="t2")),
        (9.0, CALL.request("BYE", cseq=2, to_tag="t1", branch="bye")),
    ]
    assert outcome(end_of(script)) == (CallState.COMPLETED, 200, EndedBy.CALLER, at(3), at(9))


def test_a_callee_who_declines_for_all_telephones_is_not_a_caller_who_gives_up():
    """RFC 3261 16.7: a 6xx ends the search, the proxy cancels what still rings."""
    script = [
        *FORK,
        (3.0, reply(603, "s1", tag="t1")),
        (3.1, cancel("s2")),
        (3.2, reply(487, "s2", tag="t2")),
    ]
    for seen in (script, script[:-1]):
        assert outcome(end_of(seen, until_s=100)) == (CallState.FAILED, 603, EndedBy.CALLEE, None, at(3))


def test_one_telephone_is_busy_and_the_caller_gives_up_on_the_other():
    script = [
        *FORK,
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


# -- what histories learn


def test_histories_hear_of_a_callees_refusal_at_once():
    """A robot makes many calls in half a minute: they cannot wait for the end of the waiting."""
    engine, setups = CallPlayer(), []
    for number in range(20):
        talk = Talk(f"call-{number}", from_tag=f"tag-{number}")
        for when, message in [(number, talk.request("INVITE")), (number + 0.5, talk.response(404))]:
            setups += engine.message(RawMessage(at(when), "10.0.0.1", message))
    assert [row.phase for row in setups] == [Phase.SETUP] * 20
    assert setups[-1].features[Feature.UNASSIGNED_RATIO] > 0.5


def test_histories_hear_of_a_failover_only_what_became_of_it():
    engine = CallPlayer()
    script = [(0.0, invite()), (1.0, reply(503)), (1.1, invite("b")), (2.0, reply(200, "b")), (60.0, BYE)]
    play_until = [
        row for when, text in script for row in engine.message(RawMessage(at(when), "10.0.0.1", text))
    ]
    play_until += engine.message(RawMessage(at(70), "10.0.0.1", Talk("next", from_tag="n").request("INVITE")))
    assert play_until[-1].features[Feature.REFUSED_RATIO] < 0.1
    assert play_until[-1].features[Feature.ANSWER_RATIO] > 0.5


def test_a_call_in_the_name_of_one_that_is_over_is_a_call_of_its_own():
    """RFC 3261 8.1.1.4 forbids that; a caller who does it hides no call."""
    first = [(0, invite("a")), (1, reply(200, "a", body=ANSWER)), (5, BYE)]
    engine = CallPlayer()
    second = [
        (10, invite("b", cseq=10)),
        (12, reply(200, "b", cseq=10, tag="new", body=ANSWER)),
        (20, CALL.request("BYE", cseq=11, to_tag="new", branch="z")),
    ]
    ends = [row for row in play(engine, first + second) if row.phase is Phase.END]
    assert [(row.state, row.started_ns, row.answered_ns, row.ended_ns) for row in ends] == [
        (CallState.COMPLETED, at(0), at(1), at(5)),
        (CallState.COMPLETED, at(10), at(12), at(20)),
    ]
    # Neither what is repeated nor a branch of the first call that comes late is a new call.
    late = [(6, invite("a")), (7, invite("c"))]
    assert len([row for row in play(CallPlayer(), first + late) if row.phase is Phase.END]) == 1
