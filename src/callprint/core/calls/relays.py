"""The same media on several hops: what a relay passes on is one stream of its sender, however often it was captured.

A capture beside a relay (an SBC, rtpengine, a TURN server) shows each packet twice, from the sender to the relay and
from the relay to the receiver: two flows, one stream. So it is when two agents see one flow. Flows of one party of a
call are one stream when they

- have the same SSRC,
- overlap in sequence numbers (`first_sequence`, and as many packets as were expected),
- have the same sequence numbers at nearly the same times, and
- go on at the same time, for at least half of the shorter one: whoever moves to another address with the same SSRC
  sends the next sequence numbers from there.

A back-to-back user agent makes two calls of one, each with the media of its side, and so do hops whose signalling is
not seen. Such calls are found by the same marks, if one flow comes from the address that the other goes to.

A relay that transcodes sends packets of its own, under an SSRC of its own, and is a sender like any other.
"""

from collections.abc import Sequence
from itertools import combinations

from callprint.core.verdict import FlowKey, FlowReport

MOST_HOPS = 8
"""Most calls that are looked at for the other sides of relays: a test tool may send one SSRC in all its calls."""
NEAR_NS = 500_000_000
"""How far apart in time a packet may be seen on two hops: relays and clocks of several agents are far better."""


def each_stream_once(flows: Sequence[FlowReport]) -> list[FlowReport]:
    """Return one flow of each stream: that with the most packets, of equals the one that was seen first."""
    if len(flows) < 2:  # of most parties: nothing to compare
        return list(flows)
    return [max(stream, key=_received) for stream in _streams(flows)]


def relay_of(flows: Sequence[FlowReport]) -> str | None:
    """Return the address of the relay that passed on what a party sent, the first of several; None for none.

    It is where one hop ends and the next one begins; of a relay with two addresses the one from which it sends.
    """
    for stream in _streams(flows) if len(flows) > 1 else ():
        for one, other in combinations((report.verdict.flow for report in stream), 2):
            if _source(one) != _source(other) and _destination(one) != _destination(other):
                # The first packet on the nearer hop may have been lost on its way to the capture.
                backwards = other.dst_ip == one.src_ip and one.dst_ip != other.src_ip
                return (one if backwards else other).src_ip
    return None


def relay_between(one: FlowReport, other: FlowReport) -> str | None:
    """Return the address of the relay to which one of two flows goes and which passes its packets on in the other."""
    first, second = one.verdict.flow, other.verdict.flow
    onwards = first.dst_ip == second.src_ip
    backwards = second.dst_ip == first.src_ip
    # Both: an echo, or two ends of a test tool that send the same recording.
    if onwards == backwards or not _same_packets(one, other):
        return None
    return second.src_ip if onwards else first.src_ip


def _streams(flows: Sequence[FlowReport]) -> list[list[FlowReport]]:
    """Return the flows of each stream, in the order in which they were first seen."""
    streams: list[list[FlowReport]] = []
    for report in sorted(flows, key=_place):
        for stream in streams:
            if any(_same_packets(report, other) for other in stream):
                stream.append(report)
                break
        else:
            streams.append([report])
    return streams


def _same_packets(one: FlowReport, other: FlowReport) -> bool:
    first, second = one.summary, other.summary
    if first.flow.ssrc != second.flow.ssrc or first.first_sequence is None or second.first_sequence is None:
        return False
    ahead = (second.first_sequence - first.first_sequence) & 0xFFFF
    if ahead & 0x8000:
        first, second, ahead = second, first, 0x10000 - ahead
    if ahead >= first.expected:
        return False
    from_ns, until_ns = first.flow.first_seen_ns, first.last_seen_ns
    # Roughly, since a sender may be silent for a while.
    there_after_ns = ahead * (until_ns - from_ns) // max(1, first.expected - 1)
    if abs(second.flow.first_seen_ns - from_ns - there_after_ns) > NEAR_NS + there_after_ns // 2:
        return False
    together_ns = min(until_ns, second.last_seen_ns) - max(from_ns, second.flow.first_seen_ns)
    shorter_ns = min(until_ns - from_ns, second.last_seen_ns - second.flow.first_seen_ns)
    return together_ns >= 0 and 2 * together_ns >= shorter_ns


def _place(report: FlowReport) -> tuple[int, FlowKey, int, int]:
    flow, summary = report.verdict.flow, report.summary
    return flow.first_seen_ns, flow, summary.last_seen_ns, summary.packets  # two agents may see the same flow


def _received(report: FlowReport) -> int:
    return report.summary.packets + report.summary.long_packets - report.summary.duplicates


def _source(flow: FlowKey) -> tuple[str, int]:
    return flow.src_ip, flow.src_port


def _destination(flow: FlowKey) -> tuple[str, int]:
    return flow.dst_ip, flow.dst_port
