"""RTCP of the receiver, of the sender, and RTCP XR, packed by hand from RFC 3550 6.4 and RFC 3611 4.7."""

import struct

import numpy as np
import pytest
from flow.packet_rows import IPV4, START_NS
from flow.test_windows import SMALL
from hypothesis import given, settings
from hypothesis import strategies as st

from callprint.core.flow import FlowEngine
from callprint.core.flow.layout import EVENT_END
from callprint.core.packets import PACKET, PacketKind

A, B = 1, 2
NTP = 0xE2B6_4F35


def rtp(sequence):
    return struct.pack(">BBHII", 0x80, 0, sequence, 160 * sequence, A) + bytes(160)


def report(sender, blocks=(), sender_ntp=None):
    """A sender report where `sender_ntp` is given, else a receiver report."""
    if sender_ntp is None:
        head, kind = struct.pack(">I", sender), 201
    else:
        head = struct.pack(">IIIIII", sender, sender_ntp >> 16, (sender_ntp & 0xFFFF) << 16, 0, 10, 1600)
        kind = 200
    body = head + b"".join(blocks)
    return struct.pack(">BBH", 0x80 | len(blocks), kind, len(body) // 4) + body


def block(ssrc=A, lost=0, highest=0, jitter=0, last_report=0, held=0):
    return struct.pack(">IIIIII", ssrc, lost & 0xFFFFFF, highest, jitter, last_report, held)


def voip_metrics(ssrc=A, r=82, mos_tenths=41):
    metrics = struct.pack(
        ">IBBBBHHHHBBBBBBBBBBHHH",
        ssrc,
        2,
        3,
        0,
        0,
        0,
        0,
        44,
        70,
        0,
        0,
        0,
        16,
        r,
        127,
        mos_tenths,
        39,
        0,
        0,
        40,
        80,
        160,
    )
    body = struct.pack(">I", B) + struct.pack(">BBH", 7, 0, len(metrics) // 4) + metrics
    return struct.pack(">BBH", 0x80, 207, len(body) // 4) + body


def reported(events):
    """Return the row of REPORTED of A's flow. events: (time in ms, from A?, payload)."""
    rows = np.zeros(len(events), dtype=PACKET)
    data = bytearray()
    for row, (time_ms, from_a, payload) in zip(rows, events, strict=True):
        ends = [(IPV4 | 0x0A000000 + A, 4000), (IPV4 | 0x0A000000 + B, 5000)]
        (row["src_lo"], source), (row["dst_lo"], destination) = ends if from_a else reversed(ends)
        is_rtcp = payload[1] >= 200
        row["src_port"], row["dst_port"] = source + is_rtcp, destination + is_rtcp
        row["time_ns"] = START_NS + round(time_ms * 1e6)
        row["offset"], row["length"] = len(data), len(payload)
        row["kind"] = PacketKind.RTCP if is_rtcp else PacketKind.RTP
        row["transport"] = 17
        data += payload
    engine = FlowEngine(SMALL)
    for _ in engine.process(np.frombuffer(bytes(data), np.uint8), rows, START_NS - 10_000_000_000):
        pass
    return next(
        drain.reported[i].copy()
        for drain in engine.finish()
        for i, flow in enumerate(drain.flows)
        if flow["ssrc"] == A and drain.events[i]["kind"] == EVENT_END
    )


def talk(*others, packets=200):
    return sorted(
        [(20 * i, True, rtp(1000 + i)) for i in range(packets)] + list(others), key=lambda event: event[0]
    )


def test_loss_and_jitter_at_the_receiver():
    found = reported(
        talk(
            (2001, False, report(B, [block(lost=3, highest=0x10000 + 1100, jitter=80)])),
            (3001, False, report(B, [block(lost=7, highest=0x10000 + 1150, jitter=160)])),
        )
    )
    assert found["reports"] == 2
    assert found["lost"] - found["first_lost"] == 7
    # The first report comes with the packet of 1100: 101 packets were sent by then, 151 by the second.
    assert found["highest"] - found["first_highest"] == 151
    assert found["jitter_sum_ms"] / found["jitter_reports"] == pytest.approx(15)


def test_a_round_trip_is_what_passes_less_what_the_receiver_held():
    found = reported(
        talk(
            (2000, True, report(A, sender_ntp=NTP)),
            (2540, False, report(B, [block(last_report=NTP, held=round(0.5 * 65536))])),
        )
    )
    assert found["receiver_round_trip_ms"] == pytest.approx(40, abs=0.02)


def test_a_report_that_quotes_nothing_seen_gives_no_round_trip():
    found = reported(
        talk(
            (2000, True, report(A, sender_ntp=NTP)),
            (2540, False, report(B, [block(last_report=NTP + 1, held=0)])),
            (2600, False, report(B, [block(last_report=NTP, held=10 * 65536)])),
        )
    )
    assert found["receiver_round_trip_ms"] == 0


def test_the_metrics_of_an_extended_report():
    found = reported(talk((2100, False, report(B) + voip_metrics())))
    assert (found["far_r"], found["far_mos_tenths"], found["far_delay_ms"], found["far_discard"]) == (
        82,
        41,
        70,
        3,
    )


def test_reports_about_others_are_passed_over():
    found = reported(talk((2100, False, report(B, [block(ssrc=99, lost=5)]) + voip_metrics(ssrc=99))))
    assert (found["reports"], found["far_r"]) == (0, 0)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=120), st.integers(0, 120))
def test_reports_of_any_bytes_never_read_beyond_their_packet(garbage, cut):
    whole = report(B, [block(lost=1, highest=1100)], sender_ntp=NTP) + voip_metrics()
    payload = (whole[:cut] + garbage)[:240]
    payload = bytes([payload[0] & 0x3F | 0x80, 200, *payload[2:]]) if len(payload) >= 8 else report(B)
    found = reported(talk((2100, False, payload)))
    assert found["reports"] <= 31
    assert 0 <= found["receiver_round_trip_ms"] < 10_000
