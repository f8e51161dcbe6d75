"""Captures without the answer: what else proves that there was one, and what does not."""

import pytest
from attempt_scenario import ACK, ANSWER, BYE, CALL, CALLEE, CALLER, cancel, end_of, invite, outcome, reply
from sip_scenario import at, flow

from callprint.core.call import CallState, EndedBy
from callprint.core.spam.features import Feature


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
