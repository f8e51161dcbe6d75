"""Both parties announce a host name in place of an address: their media is found by its ports, or not at all."""

import pytest
from call_player import CallPlayer
from sip_scenario import Talk, flow, play, sdp, talking, write_capture

import callprint
from callprint.core.call import MEDIA_ONLY_PREFIX, CallRecord, CallState, Phase

CALL, OTHER = Talk(), Talk("call-2@example", from_tag="tag-2")
PHONE, GATEWAY = ("10.0.0.1", 4000), ("10.0.0.2", 5000)


def named(port: int) -> str:
    return sdp("media.example", port)


def script(
    talk: Talk = CALL, offer: str = named(4000), answer: str = named(5000), begin: float = 0.0
) -> list[tuple[float, bytes]]:
    return [
        (begin, talk.request("INVITE", sdp=offer)),
        (begin + 3, talk.response(200, sdp=answer)),
        (begin + 23, talk.request("BYE", cseq=2, to_tag="tag-b")),
    ]


def ends(flows, messages) -> list[CallRecord]:
    """Return the end rows of the calls that have signalling."""
    engine = CallPlayer()
    engine.add_flows(flows)
    rows = play(engine, sorted(messages, key=lambda step: step[0]))
    return [row for row in rows if row.phase is Phase.END and not row.call_id.startswith(MEDIA_ONLY_PREFIX)]


def test_media_is_joined_by_both_ports():
    ours, theirs = flow(PHONE, GATEWAY, 3, 23), flow(GATEWAY, PHONE, 3, 23, ssrc=9)
    (call,) = ends([ours, theirs], script())
    assert (call.caller_flows, call.callee_flows) == ((ours.verdict.flow,), (theirs.verdict.flow,))


@pytest.mark.parametrize(
    ("source", "destination", "begin", "end"),
    [
        (("10.0.0.1", 4002), GATEWAY, 3, 23),
        (PHONE, ("10.0.0.2", 5002), 3, 23),
        (PHONE, GATEWAY, 100, 120),
    ],
    ids=["from another port", "to another port", "at another time"],
)
def test_one_port_alone_proves_nothing(source, destination, begin, end):
    (call,) = ends([flow(source, destination, begin, end)], script())
    assert (call.caller_flows, call.callee_flows) == ((), ())


def test_of_two_calls_with_the_same_ports_at_once_none_has_the_media():
    calls = ends([flow(PHONE, GATEWAY, 4, 23)], [*script(), *script(OTHER, begin=1)])
    assert [call.caller_flows + call.callee_flows for call in calls] == [(), ()]


def test_one_after_the_other_has_its_own():
    first, second = (
        flow(PHONE, GATEWAY, 3, 23),
        flow(("10.0.0.7", 4000), ("10.0.0.8", 5000), 103, 123, ssrc=8),
    )
    calls = ends([first, second], [*script(), *script(OTHER, begin=100)])
    assert [call.caller_flows for call in calls] == [(first.verdict.flow,), (second.verdict.flow,)]


def test_a_call_with_the_address_comes_before_those_with_a_name():
    ours = flow(PHONE, GATEWAY, 3, 23)
    addressed = script(OTHER, sdp(*PHONE), sdp(*GATEWAY))
    calls = {call.call_id: call.caller_flows for call in ends([ours], [*script(), *addressed])}
    assert calls == {"call-1@example": (), "call-2@example": (ours.verdict.flow,)}


def test_the_same_port_twice_is_told_apart_by_where_the_call_came_from():
    ours, theirs = flow(PHONE, ("10.0.0.2", 4000), 3, 23), flow(("10.0.0.2", 4000), PHONE, 3, 23, ssrc=9)
    (call,) = ends([ours, theirs], script(answer=named(4000)))
    assert (call.caller_flows, call.callee_flows) == ((ours.verdict.flow,), (theirs.verdict.flow,))
    (call,) = ends([flow(("10.0.0.7", 4000), ("10.0.0.8", 4000), 3, 23)], script(answer=named(4000)))
    assert (call.caller_flows, call.callee_flows) == ((), ())


def test_a_call_rings_on_while_its_early_media_goes_on(tmp_path):
    invite, progress = CALL.request("INVITE", sdp=named(4000)), CALL.response(183, sdp=named(5000))
    capture = tmp_path / "long.pcap"
    write_capture(
        capture,
        [
            (0.0, PHONE, GATEWAY, invite),
            (1.0, GATEWAY, PHONE, progress),
            *talking(GATEWAY, PHONE, 1.1, 260, 2),
            (250.0, GATEWAY, PHONE, CALL.response(200, sdp=named(5000))),
            (260.0, PHONE, GATEWAY, CALL.request("BYE", cseq=2, to_tag="tag-b")),
        ],
    )
    run = callprint.identify(capture, model="none")
    assert len(list(run)) == 1
    _, call = run.calls
    assert (call.state, len(call.callee_flows)) == (CallState.COMPLETED, 1)
