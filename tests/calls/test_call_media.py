"""Which flows belong to which call and who sends them, and what becomes of flows that no call explains."""

import math

import pytest
from call_player import CallPlayer
from hypothesis import given
from hypothesis import strategies as st
from sip_scenario import Talk, at, flow, play, sdp

from callprint.core.call import CallState, EndedBy, Phase
from callprint.core.calls.attempt import Attempt
from callprint.core.calls.media import LiveMedia
from callprint.core.calls.party import Party
from callprint.core.calls.settings import CallSettings
from callprint.core.signalling.identity import Identity
from callprint.core.signalling.reader import RawMessage
from callprint.core.spam.features import Feature

CALL = Talk()
CALLER, CALLEE = ("10.0.0.1", 4000), ("10.0.0.2", 5000)


def script(offer: str = sdp(*CALLER), answer: str = sdp(*CALLEE), talk: Talk = CALL, begin: float = 0.0):
    return [
        (begin, talk.request("INVITE", sdp=offer)),
        (begin + 1, talk.response(180)),
        (begin + 3, talk.response(200, sdp=answer)),
        (begin + 23, talk.request("BYE", cseq=2, to_tag="tag-b")),
    ]


def judged(flows, messages=None):
    """Return the end rows of a capture whose flows are reported before or after the messages."""
    engine = CallPlayer()
    engine.add_flows(flows)
    return [record for record in play(engine, messages or script()) if record.phase is Phase.END]


def test_announced_places_join_both_directions():
    theirs = flow(CALLEE, CALLER, 3, 23, application="asterisk")
    ours = flow(CALLER, CALLEE, 3, 23)
    (call,) = judged([theirs, ours])
    assert (call.caller_application, call.callee_application) == ("linphone", "asterisk")
    assert (call.caller_flows, call.callee_flows) == ((ours.verdict.flow,), (theirs.verdict.flow,))
    assert call.features[Feature.CALLER_MEDIA_SHARE] == 0.5
    assert call.features[Feature.CALLER_PACKET_RATE] == 50.0
    assert call.features[Feature.CALLER_JITTER] == 1.5
    assert call.features[Feature.TALK] == 20.0


def test_a_caller_behind_nat_is_found_by_symmetric_rtp():
    outside = ("203.0.113.9", 31000)
    (call,) = judged([flow(outside, CALLEE, 3, 23), flow(CALLEE, outside, 3, 23, application="asterisk")])
    assert (call.caller_application, call.callee_application) == ("linphone", "asterisk")


def test_two_shifted_addresses_are_found_by_ssrc_and_their_reverse_by_them():
    left, right = ("203.0.113.9", 31000), ("198.51.100.4", 32000)
    messages = script(offer=sdp(*CALLER, "a=ssrc:77 cname:x\r\n"))
    (call,) = judged([flow(left, right, 3, 23, ssrc=77), flow(right, left, 3, 23, ssrc=5)], messages)
    assert (len(call.caller_flows), len(call.callee_flows)) == (1, 1)


def test_ipv6_and_a_moved_medium():
    moved = sdp("2001:DB8::1", 4400).replace("IP4", "IP6")
    messages = [
        *script()[:3],
        (10, CALL.request("INVITE", cseq=2, to_tag="tag-b", sdp=moved)),
        (23, CALL.request("BYE", cseq=3, to_tag="tag-b")),
    ]
    six = flow(("2001:db8::1", 4400), ("2001:db8::2", 4402), 10, 23)
    (call,) = judged([six, flow(CALLER, CALLEE, 3, 10)], messages)
    assert len(call.caller_flows) == 2


def test_a_flow_of_another_time_belongs_to_the_call_of_its_time():
    second = Talk("call-2@example", from_tag="tag-2")
    messages = [*script(), *script(talk=second, begin=200)]
    early, late = flow(CALLER, CALLEE, 3, 23), flow(CALLER, CALLEE, 203, 223, ssrc=8)
    calls = judged([early, late], messages)
    assert [call.caller_flows for call in calls] == [(early.verdict.flow,), (late.verdict.flow,)]


def test_a_flow_that_outlives_its_call_counts_for_each_call_by_its_share():
    second = Talk("call-2@example", from_tag="tag-2")
    messages = [*script(), *script(talk=second, begin=23)]
    calls = judged([flow(CALLER, CALLEE, 3, 46)], messages)
    rates = [call.features[Feature.CALLER_PACKET_RATE] for call in calls]
    assert rates == pytest.approx([50.0, 57.5])  # the second call's 23 s in 20 s of talk


def test_calls_that_share_all_ports_get_the_flow_of_their_time():
    """SIPp and some gateways send every call from one port; only the SSRC and the time tell them apart."""
    second = Talk("call-2@example", from_tag="tag-2")
    refused = Talk("call-3@example", from_tag="tag-3")
    third = [(4, refused.request("INVITE", sdp=sdp(*CALLER))), (5, refused.response(486))]
    messages = sorted([*script(), *script(talk=second, begin=1.5), *third], key=lambda step: step[0])
    later = Talk("call-4@example", from_tag="tag-4")  # rings while the first two talk
    messages = sorted([*messages, *script(talk=later, begin=22.5)], key=lambda step: step[0])
    one, two = flow(CALLER, CALLEE, 3.1, 23, ssrc=1), flow(CALLER, CALLEE, 4.6, 24.4, ssrc=2)
    four = flow(CALLER, CALLEE, 25.6, 45.4, ssrc=4)
    calls = {call.call_id: call.caller_flows for call in judged([one, two, four], messages)}
    assert calls == {
        "call-1@example": (one.verdict.flow,),
        "call-2@example": (two.verdict.flow,),
        "call-3@example": (),
        "call-4@example": (four.verdict.flow,),
    }


def test_calls_that_begin_in_the_same_instant_get_a_flow_each():
    second = Talk("call-2@example", from_tag="tag-2")
    messages = sorted([*script(), *script(talk=second)], key=lambda step: step[0])
    calls = judged([flow(CALLER, CALLEE, 3, 22.9, ssrc=1), flow(CALLER, CALLEE, 3, 23, ssrc=2)], messages)
    assert [len(call.caller_flows) for call in calls] == [1, 1]


def test_a_call_that_fits_by_one_end_stands_back_behind_one_that_fits_by_both():
    second = Talk("call-2@example", from_tag="tag-2")
    messages = sorted(
        [*script(), *script(offer=sdp("10.0.0.1", 4004), talk=second, begin=0.1)], key=lambda step: step[0]
    )
    ours = flow(CALLER, CALLEE, 3, 23)
    calls = {call.call_id: call.caller_flows for call in judged([ours], messages)}
    assert calls == {"call-1@example": (ours.verdict.flow,), "call-2@example": ()}


def test_without_media_its_features_stay_unknown():
    (call,) = judged([])
    assert call.caller_application is None
    assert math.isnan(call.features[Feature.CALLER_MEDIA_SHARE])
    assert math.isnan(call.features[Feature.CALLER_JITTER])


def test_media_without_signalling_is_a_call_of_its_own():
    first, second = flow(CALLEE, CALLER, 1, 20), flow(CALLER, CALLEE, 2, 21, application="asterisk")
    engine = CallPlayer()
    engine.add_flows([second, first])
    (call,) = engine.finish()
    assert call.call_id.startswith("media:")
    assert (call.caller, call.callee, call.state, call.ended_by) == (
        "",
        "",
        CallState.COMPLETED,
        EndedBy.MEDIA,
    )
    assert (call.started_ns, call.answered_ns, call.ended_ns) == (at(1), at(2), at(21))
    assert (call.caller_application, call.callee_application) == ("linphone", "asterisk")
    assert call.features[Feature.TALK] == 19.0
    assert math.isnan(call.features[Feature.CALLS_PER_DAY])


def test_audio_and_video_of_one_bundle_are_one_call():
    flows = [
        flow(CALLER, CALLEE, 1, 20, ssrc=1),
        flow(CALLER, CALLEE, 1.5, 12, ssrc=2),
        flow(CALLEE, CALLER, 1.2, 20, ssrc=3),
        flow(CALLEE, CALLER, 1.6, 20, ssrc=4),
        flow(CALLER, CALLEE, 40, 50, ssrc=5),  # later, so another call
    ]
    engine = CallPlayer()
    engine.add_flows(flows)
    first, second = engine.finish()
    assert ([f.ssrc for f in first.caller_flows], [f.ssrc for f in first.callee_flows]) == ([1, 2], [3, 4])
    assert ([f.ssrc for f in second.caller_flows], second.callee_flows) == ([5], ())


def from_one_port(number: int, answered: float, ended: float) -> Attempt:
    return Attempt(
        call_id=f"c{number}",
        from_tag="",
        caller=Party(Identity("", -1), endpoints={CALLER: None}),
        callee=Party(Identity("", -1)),
        started_ns=at(answered),
        last_ns=at(answered),
        invite_cseq=1,
        attestation="missing",
        campaign="",
        signalling_ip="",
        answered_ns=at(answered),
        ended_ns=at(ended),
    )


def test_thousands_of_calls_from_one_port_are_not_all_looked_at():
    live = LiveMedia()
    calls = [from_one_port(i, i, i + 5) for i in range(3000)]
    for call in calls:
        live.note(call)
    assert live.join(flow(CALLER, ("10.0.0.2", 6), 1234.2, 1239))
    assert [call.call_id for call in calls if call.caller.flows] == ["c1234"]
    for call in calls:
        live.forget(call)
    assert not live._calls


@given(
    talks=st.lists(st.tuples(st.integers(0, 40), st.integers(0, 12)), min_size=1, max_size=30),
    begin=st.integers(0, 40),
    lasts=st.integers(0, 40),
)
def test_a_flow_has_all_successive_calls_that_it_covers_and_none_twice_at_a_time(talks, begin, lasts):
    live, end = LiveMedia(), begin + lasts
    calls = [from_one_port(i, start, start + lasted) for i, (start, lasted) in enumerate(talks)]
    for call in calls:
        live.note(call)
    fitting = [call for call in calls if at(begin) <= call.ended_ns and call.answered_ns <= at(end)]
    fitting.sort(
        key=lambda call: (
            abs(at(begin) - call.answered_ns) + abs(at(end) - call.ended_ns),
            call.started_ns,
            call.call_id,
        )
    )
    chosen: list[Attempt] = []
    for call in fitting:
        inside_ns = min(call.ended_ns, at(end)) - max(call.answered_ns, at(begin))
        covered = 2 * inside_ns >= min(call.ended_ns - call.answered_ns, at(end) - at(begin))
        apart = all(
            call.ended_ns <= other.answered_ns or other.ended_ns <= call.answered_ns for other in chosen
        )
        if not chosen or (covered and apart):
            chosen.append(call)
    assert live.join(flow(CALLER, ("10.0.0.2", 6), begin, end)) == chosen


def test_media_of_one_direction_is_half_a_call():
    engine = CallPlayer()
    engine.add_flows([flow(CALLEE, CALLER, 1, 20)])
    (call,) = engine.advance(at(20 + 131))
    assert (call.answered_ns, call.callee_flows) == (None, ())


def test_sources_that_begin_at_once_on_one_quad_tuple_are_one_conversation():
    names = []
    for sources in ([1, 2], [2, 1], [3]):
        engine = CallPlayer()
        engine.add_flows([flow(CALLEE, CALLER, 1, 20, ssrc=ssrc) for ssrc in sources])
        (call,) = engine.finish()
        names.append((call.call_id, len(call.caller_flows)))
    assert names[0] == names[1], "whatever the order of the reports"
    assert names[0][0] != names[2][0], "a store would take them for one"


@pytest.mark.parametrize("report_at", [24.0, 60.0, 82.9])
def test_it_does_not_matter_when_a_flow_is_reported(report_at):
    """The flow engine may tell a flow's end at once, or after a large batch: the row is the same."""
    flows = [flow(CALLEE, CALLER, 3, 23), flow(CALLER, CALLEE, 3, 23)]
    engine = CallPlayer()
    rows = []
    for seconds, message in script():
        rows += engine.message(RawMessage(at(seconds), "10.0.0.1", message))
    rows += engine.advance(at(report_at))
    engine.add_flows(flows)
    rows += engine.advance(at(1000))
    early = CallPlayer()
    early.add_flows(flows)
    for seconds, message in script():
        early.message(RawMessage(at(seconds), "10.0.0.1", message))
    assert repr(rows[-1]) == repr(early.advance(at(1000))[-1])
    assert rows[-1].caller_flows


def test_memory_for_flows_is_bounded():
    engine = CallPlayer(CallSettings(maximum_flows=10))
    rows = engine.add_flows(flow(("10.9.0.1", 10_000 + 2 * i), CALLER, i, i + 5) for i in range(50))
    assert engine.assembler.flows_settled_early == 40
    assert len(rows + engine.finish()) == 50  # none is lost: each became a call of one direction
