"""The same packets on both hops of a relay are one stream of a call; its row names the relay."""

from dataclasses import replace

import pytest
from call_stream import embedded_rows, frames_of, inputs_of, record, site_for
from hypothesis import given, settings
from hypothesis import strategies as st
from sip_scenario import Talk, flow, sdp, talking, write_capture

from callprint.core.call import MEDIA_ONLY_PREFIX, Phase
from callprint.core.calls.relays import each_stream_once, relay_between, relay_of
from callprint.core.ground.snapshot import Snapshot
from callprint.core.relay import site_snapshot
from callprint.core.spam.features import Feature

SENDER, RELAY_IN, RELAY_OUT, RECEIVER = (
    ("10.0.0.1", 4000),
    ("10.0.0.9", 30_000),
    ("10.0.0.9", 30_016),
    ("10.0.0.2", 5000),
)
OUTSIDE = ("192.0.2.9", 30_016)
FAR = ("10.0.7.7", 7000)


def hop(source, destination, begin_s=0.0, end_s=10.0, *, first=65_500, lost=0, ssrc=7):
    """A flow of 50 packets a second; `lost` of its first ones never reached the capture."""
    seen = flow(source, destination, begin_s + lost / 50, end_s, ssrc=ssrc)
    return replace(seen, summary=replace(seen.summary, first_sequence=(first + lost) & 0xFFFF))


NEAR, BEYOND = hop(SENDER, RELAY_IN), hop(RELAY_OUT, RECEIVER, 0.0001)
MOVED = hop(FAR, RELAY_IN, 10.1, 20, first=464)  # the sender goes on from another address


@pytest.mark.parametrize(
    ("flows", "kept", "relay"),
    [
        ([NEAR, BEYOND], [NEAR], "10.0.0.9"),
        ([NEAR, hop(RELAY_OUT, RECEIVER, 0.0001, 10.1)], None, "10.0.0.9"),
        (
            [hop(SENDER, RELAY_IN, lost=2), BEYOND],
            [BEYOND],
            "10.0.0.9",
        ),  # the order of first packets misleads
        ([NEAR, hop(OUTSIDE, RECEIVER, 0.0001)], [NEAR], "192.0.2.9"),
        ([NEAR, hop(RELAY_OUT, FAR, 0.0001), hop(FAR, RECEIVER, 0.0002)], [NEAR], "10.0.0.9"),
        ([NEAR, hop(RELAY_OUT, RECEIVER, 0.0001, 6.0)], [NEAR], "10.0.0.9"),  # the receiver hung up
        ([NEAR, hop(SENDER, FAR)], None, None),  # sent to two, relayed by nobody
        ([NEAR, hop(FAR, RELAY_IN, 0.0001)], [NEAR], None),  # a NAT seen on both sides
        ([NEAR, NEAR], [NEAR], None),  # two agents
        (
            [NEAR, hop(RELAY_OUT, RECEIVER, ssrc=8)],
            [NEAR, hop(RELAY_OUT, RECEIVER, ssrc=8)],
            None,
        ),  # transcoded
        ([NEAR, MOVED], [NEAR, MOVED], None),
        ([flow(SENDER, RELAY_IN, 0, 10), flow(RELAY_OUT, RECEIVER, 0, 10)], None, None),  # from before 0.2.0
        ([], [], None),
    ],
)
def test_streams_and_relays(flows, kept, relay):
    assert relay_of(flows) == relay
    found = each_stream_once(flows)
    assert found == each_stream_once(flows[::-1])
    if kept is not None:
        assert sorted(map(repr, found)) == sorted(map(repr, kept))


HOPS = st.builds(
    hop,
    st.sampled_from([SENDER, RELAY_OUT, FAR]),
    st.sampled_from([RELAY_IN, RECEIVER, FAR]),
    st.floats(0, 5),
    st.floats(5, 30),
    first=st.integers(0, 0xFFFF) | st.just(0),
    ssrc=st.sampled_from([7, 8]),
)


def identity(report):
    return report.verdict.flow, report.summary.last_seen_ns, report.summary.packets


@settings(deadline=None)
@given(st.lists(HOPS, max_size=6, unique_by=identity), st.randoms())
def test_streams_do_not_depend_on_the_order_in_which_flows_settle(flows, chance):
    """Each SSRC keeps a flow, nothing is invented, and a second look finds nothing more."""
    kept, relay = each_stream_once(flows), relay_of(flows)
    assert all(report in flows for report in kept)
    assert {each.verdict.flow.ssrc for each in kept} == {each.verdict.flow.ssrc for each in flows}
    assert relay is None or relay in {each.verdict.flow.src_ip for each in flows}
    chance.shuffle(flows)
    assert (each_stream_once(flows), relay_of(flows)) == (kept, relay)


def assert_topology_agrees(frames):
    """Even if the site dies after each of its inputs and comes back from its snapshot."""
    inputs = inputs_of(record(frames, batch=300))
    site, rows = site_for(inputs), []
    for each in inputs.in_turn():
        rows += map(repr, site.take(each))
        kept, site = site_snapshot.snapshot(site).pack(), site_for(inputs)
        site_snapshot.restore(site, Snapshot.unpack(kept), inputs.fetch)
    assert sorted(rows) == sorted(map(repr, embedded_rows(frames)))


@pytest.fixture(params=["xrelay-000", "xrelay-001", "xrelay-002", "xturn-000"])
def relayed(request, labelled_calls):
    """The frames of a call through rtpengine or coturn, captured on both sides of it."""
    return frames_of(labelled_calls / "cross" / f"{request.param}.pcap")


def test_the_media_of_a_relayed_call_counts_once_and_its_relay_is_named(relayed):
    (call,) = (row for row in embedded_rows(relayed) if row.phase is Phase.END)
    assert (len(call.caller_flows), len(call.callee_flows)) == (2, 2)
    ends = {each.src_ip for each in call.caller_flows + call.callee_flows}
    assert call.relayed_by in ends
    assert {flow.src_ip for flow in call.caller_flows} & {flow.src_ip for flow in call.callee_flows} == {
        call.relayed_by
    }
    for rate in (Feature.CALLER_PACKET_RATE, Feature.CALLEE_PACKET_RATE):
        assert call.features[rate] == pytest.approx(50, abs=1.5)


def test_the_row_of_both_calls_of_a_back_to_back_user_agent_names_it(labelled_calls):
    """Asterisk passes the packets of an identical codec on as they are."""
    frames = frames_of(labelled_calls / "cross" / "xast-000.pcap")
    ends = [row for row in embedded_rows(frames) if row.phase is Phase.END]
    assert [(row.relayed_by, len(row.caller_flows)) for row in ends] == [("192.168.105.149", 1)] * 2
    assert_topology_agrees(frames)


HOPS_OF_TALK = [(SENDER, RELAY_IN), (RELAY_OUT, RECEIVER), (RECEIVER, RELAY_OUT), (RELAY_IN, SENDER)]


@pytest.mark.parametrize("signalled", [0, 1, 2])
def test_hops_without_signalling_are_calls_of_their_own_that_name_the_relay(tmp_path, signalled):
    """The signalling of none, one or both sides is seen; each side has a Call-ID of its own."""
    packets = []
    for number, (source, destination) in enumerate(HOPS_OF_TALK):
        packets += talking(source, destination, 2.0 + 0.0001 * number, 12.0, 5 + number // 2)
    for number, (caller, callee) in enumerate(HOPS_OF_TALK[:signalled]):
        talk = Talk(f"side-{number}@x")
        packets += [
            (number / 100, caller, callee, talk.request("INVITE", sdp=sdp(*caller))),
            (1 + number / 100, callee, caller, talk.response(200, sdp=sdp(*callee))),
            (12 + 5 * number, caller, callee, talk.request("BYE", cseq=2, to_tag="tag-b")),
        ]
    packets += talking(("10.0.3.1", 4000), ("10.0.3.2", 4000), 0.0, 120.0, 99)  # time goes on
    write_capture(tmp_path / "relay.pcap", packets)
    frames = frames_of(tmp_path / "relay.pcap")
    ends = [row for row in embedded_rows(frames) if row.phase is Phase.END]
    assert len(ends) == 3
    relays = {row.relayed_by for row in ends if row.caller_flows[0].ssrc != 99}
    assert relays == {RELAY_IN[0]}
    assert [row.relayed_by for row in ends if row.caller_flows[0].ssrc == 99] == [None]
    assert sum(row.call_id.startswith(MEDIA_ONLY_PREFIX) for row in ends) == 3 - signalled
    assert_topology_agrees(frames)


@pytest.mark.parametrize(
    ("other", "relay"),
    [
        (BEYOND, "10.0.0.9"),
        (hop(RELAY_IN, SENDER), None),  # an echo, or a test tool that sends the same recording
        (hop(OUTSIDE, RECEIVER), None),
        (hop(RELAY_OUT, RECEIVER, first=30_000), None),
        (hop(RELAY_OUT, RECEIVER, first=100), None),  # before the sender had sent it
        (hop(RELAY_OUT, RECEIVER, 1.0, 11), None),  # another call of a test tool, with the same recording
        (hop(RELAY_OUT, RECEIVER, 3.0, first=114), "10.0.0.9"),  # its capture began later
    ],
)
def test_a_relay_between_two_calls_is_where_a_flow_goes_to_and_comes_from(other, relay):
    assert relay_between(NEAR, other) == relay_between(other, NEAR) == relay


def test_a_relay_that_transcodes_sends_packets_of_its_own(labelled_calls):
    rows = embedded_rows(frames_of(labelled_calls / "cross" / "xrelay-003.pcap"))
    assert [row.relayed_by for row in rows] == [None, None]


def test_the_topology_gives_the_same_rows(relayed):
    assert_topology_agrees(relayed)
