"""pcapng: blocks, sections, interfaces, clocks, and every defect with its offset."""

import struct
from fractions import Fraction

import numpy as np
import pytest
from capture_files import block, decode, enhanced, interface, obsolete, option, section, simple
from hypothesis import example, given, settings
from hypothesis import strategies as st

from callprint.core.capture import CaptureDecoder, pcapng

MICROSECOND = 1000


@pytest.mark.parametrize("order", ["<", ">"])
def test_all_packet_blocks_in_both_byte_orders(order):
    stream = section(order) + interface(order, link=113)
    stream += enhanced(b"enhanced", 5_000_000, order, original=900) + obsolete(b"obsolete!", 6, order)
    stream += simple(b"simple", order)
    packets, defect = decode(stream)
    assert defect is None
    assert packets == [
        (5_000_000 * MICROSECOND, b"enhanced", 900, 113),
        (6 * MICROSECOND, b"obsolete!", 9, 113),
        (6 * MICROSECOND, b"simple", 6, 113),  # it has no time of its own: that of the packet before
    ]


def test_a_simple_packet_is_cut_at_the_snapshot_length():
    packets, defect = decode(section() + interface(snapshot=4) + simple(b"abcd", original=1400))
    assert (packets, defect) == ([(0, b"abcd", 1400, 1)], None)


def test_sections_change_byte_order_and_number_interfaces_anew():
    stream = section("<") + interface("<", link=1) + interface("<", link=101) + enhanced(b"a", number=1)
    stream += section(">") + interface(">", link=113) + enhanced(b"b", order=">")
    packets, defect = decode(stream)
    assert defect is None
    assert [(frame, link) for _, frame, _, link in packets] == [(b"a", 101), (b"b", 113)]


def test_many_interfaces():
    stream = section() + b"".join(interface(link=link) for link in range(100)) + enhanced(b"x", number=99)
    assert decode(stream)[0][0][3] == 99


@pytest.mark.parametrize("size", [0, 8, pcapng.MAXIMUM_BLOCK + 400])
def test_unknown_blocks_are_skipped_at_any_length(size):
    stream = section() + block(0x0BAD, bytes(size)) + interface() + block(5, bytes(24)) + enhanced(b"x")
    packets, defect = decode(stream, [100_000])
    assert (len(packets), defect) == (1, None)


@pytest.mark.parametrize(
    ("resolution", "offset_s", "ticks", "time_ns"),
    [
        (0, 0, 7, 7_000_000_000),
        (3, 0, 1500, 1_500_000_000),
        (9, 0, 123, 123),
        (12, 0, 5_999, 5),
        (0x80, 0, 3, 3_000_000_000),
        (0x80 | 10, 0, 1024 + 512, 1_500_000_000),
        (0x80 | 32, 0, (7 << 32) | (1 << 31), 7_500_000_000),
        (0x80 | 60, 0, (1 << 60) | (1 << 59), 1_500_000_000),
        (6, -3600, 3_600_000_001, 1000),
        (6, 10**12, 1, pcapng.LATEST_NS),  # later than 64 bits of nanoseconds can express
        (0, 0, 2**64 - 1, pcapng.LATEST_NS),
    ],
)
def test_clock_resolutions_and_offsets(resolution, offset_s, ticks, time_ns):
    options = option(2, b"eth0") + option(9, bytes([resolution])) + option(14, struct.pack("<q", offset_s))
    packets, _ = decode(section() + interface(options=options) + enhanced(b"x", ticks))
    assert packets[0][0] == time_ns


@settings(deadline=None)
@example(ticks=2**64 - 1, resolution=0x80 | 64, offset_s=0)
@example(ticks=2**64 - 1, resolution=0x80 | 94, offset_s=0)
@given(
    ticks=st.integers(0, 2**64 - 1),
    resolution=st.integers(0, 255),
    offset_s=st.integers(-(2**63), 2**63 - 1),
)
def test_any_clock_gives_the_exact_time_or_saturates(ticks, resolution, offset_s):
    mode, value = pcapng._resolution(resolution)
    got = pcapng.ticks_to_ns(np.uint64(ticks), mode, np.uint64(value), offset_s)
    base = 2 if resolution & 0x80 else 10
    exact = int(Fraction(ticks, base ** (resolution & 0x7F)) * 10**9)
    exact = min(exact, 2**63 - 1)
    expected = max(pcapng.EARLIEST_NS, min(exact + offset_s * 10**9, pcapng.LATEST_NS))
    # Near 64 bits the time saturates up to two seconds early; a 34-bit fraction is exact to 1 ns.
    tolerance = 2 * 10**9 if exact > 2**63 - 1 - 2 * 10**9 else 1
    assert abs(got - expected) <= tolerance
    assert pcapng.EARLIEST_NS <= got <= pcapng.LATEST_NS


def _bad_trailer(stream: bytes) -> bytes:
    return stream[:-4] + b"\xff\xff\xff\xff"


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (struct.pack("<III", 6, 8, 8), "length is impossible"),
        (struct.pack("<III", 6, 33, 33) + bytes(30), "length is impossible"),
        (block(6, bytes(8)), "length is impossible"),
        (struct.pack("<II", 6, pcapng.MAXIMUM_BLOCK + 4) + bytes(64), "length is impossible"),
        (_bad_trailer(enhanced(b"x")), "before and after the block differ"),
        (enhanced(b"x", number=1), "interface that was not described"),
        (block(6, struct.pack("<IIIII", 0, 0, 0, 500, 500) + b"abcd"), "longer than the block"),
        (section(version=(2, 0)), "version 2.0"),
        (block(0x0A0D0D0A, bytes(16)), "no byte-order magic"),
        (_bad_trailer(interface()), "before and after the block differ"),
        (block(1, bytes(4)), "impossible length 16"),
        (interface(options=struct.pack("<HH", 2, 400)), "option of the interface"),
    ],
)
def test_a_defect_ends_the_capture_and_says_where(bad, message):
    good = section() + interface() + enhanced(b"good")
    packets, defect = decode(good + bad + enhanced(b"never"))
    assert [frame for _, frame, *_ in packets] == [b"good"]
    assert defect is not None
    assert message in str(defect)
    assert len(good) <= defect.offset <= len(good) + 12


def test_a_cut_at_any_byte_yields_what_is_whole():
    parts = [section(), interface(), enhanced(b"first"), block(77, bytes(40)), simple(b"second")]
    stream = b"".join(parts)
    ends = {len(b"".join(parts[: index + 1])) for index in range(5)}
    for size in range(4, len(stream)):
        packets, defect = decode(stream[:size])
        assert len(packets) == (size >= len(b"".join(parts[:3]))) + (size >= len(stream))
        assert (defect is None) == (size in ends)


def test_a_cut_inside_a_skipped_block_is_where_the_block_begins():
    good = section() + interface() + enhanced(b"x")
    long = block(0x0BAD, bytes(pcapng.MAXIMUM_BLOCK + 400))
    for size in (8, 5000, pcapng.MAXIMUM_BLOCK + 100):
        packets, defect = decode(good + long[:size], [3000])
        assert (len(packets), defect.offset) == (1, len(good))


@pytest.mark.parametrize("order", ["<", ">"])
def test_statistics_say_how_many_packets_the_capture_has_lost(order):
    def statistics(number, *counts):
        options = (option(code, struct.pack(order + "Q", count), order) for code, count in counts)
        return block(5, struct.pack(order + "III", number, 0, 0) + b"".join(options), order)

    two = section(order) + interface(order) + interface(order)
    stream = two + statistics(0, (4, 9), (5, 3), (7, 2)) + enhanced(b"one", order=order)
    stream += statistics(0, (5, 4)) + statistics(1, (7, 10)) + two + statistics(1, (5, 100))
    decoder, data, frames = CaptureDecoder(), np.frombuffer(stream, np.uint8), 0
    while len(data):
        records, consumed = decoder.feed(data)
        frames, data = frames + len(records), data[consumed:]
    assert (frames, decoder.dropped) == (1, 4 + 10 + 100)


@given(st.binary(max_size=60))
def test_statistics_of_any_contents_end_no_capture(contents):
    statistics = block(5, contents)
    packets, defect = decode(section() + interface() + statistics + enhanced(b"one") + statistics)
    assert ([frame for _, frame, _, _ in packets], defect) == ([b"one"], None)
