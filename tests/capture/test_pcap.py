"""pcap: every variant of the format, and damage at every byte."""

import struct

import pytest
from capture_files import decode, pcap

from callprint.core.capture.pcap import MAXIMUM_FRAME
from callprint.core.ground.errors import CaptureError

FRAMES = [b"first frame", b"", b"third"]
SECOND = 1_000_000_000


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("magic", "unit_ns"), [(0xA1B2C3D4, 1000), (0xA1B23C4D, 1), (0xA1B2CD34, 1000)])
def test_byte_orders_and_time_units(order, magic, unit_ns):
    packets, defect = decode(pcap(FRAMES, order, magic))
    assert defect is None
    assert [(frame, original) for _, frame, original, _ in packets] == [
        (frame, len(frame)) for frame in FRAMES
    ]
    assert [time for time, *_ in packets] == [1_700_000_000 * SECOND + index * unit_ns for index in range(3)]


def test_times_after_2038_are_not_negative():
    packets, _ = decode(pcap([b"x"], seconds=0xFFFFFFFF))
    assert packets[0][0] == 0xFFFFFFFF * SECOND


def test_frame_check_bits_are_not_part_of_the_link_type():
    packets, _ = decode(pcap([b"x"], link=0x3400_0071))
    assert packets[0][3] == 0x71


def test_old_versions_have_the_lengths_the_other_way_round():
    header = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 2, 0, 0, 65535, 1)
    packets, _ = decode(header + struct.pack("<IIII", 1, 0, 1500, 4) + b"abcd")
    assert packets == [(SECOND, b"abcd", 1500, 1)]


def test_a_cut_at_any_byte_yields_what_is_whole_and_says_where():
    stream = pcap(FRAMES)
    starts = [24, 24 + 16 + 11, 24 + 2 * 16 + 11, len(stream)]
    for size in range(4, len(stream)):
        packets, defect = decode(stream[:size])
        whole = sum(start <= size for start in starts[1:])
        assert len(packets) == whole
        if size in starts:
            assert defect is None
        else:
            assert defect is not None
            assert defect.offset == max([0, *(start for start in starts if start <= size)])


def test_an_impossible_length_ends_the_capture():
    stream = pcap([b"good"]) + struct.pack("<IIII", 1, 0, MAXIMUM_FRAME + 1, 60) + bytes(100)
    packets, defect = decode(stream)
    assert [frame for _, frame, *_ in packets] == [b"good"]
    assert defect is not None
    assert defect.offset == 24 + 16 + 4
    assert "damaged" in str(defect)


def test_an_unknown_version_is_a_defect():
    packets, defect = decode(pcap(FRAMES, version=(3, 0)))
    assert packets == []
    assert "version 3.0" in str(defect)


@pytest.mark.parametrize("stream", [b"", b"\xd4\xc3", b"GET / HTTP/1.1", bytes(100)])
def test_what_is_no_capture_is_named(stream):
    with pytest.raises(CaptureError, match=r"not a packet capture.*supported are pcap and pcapng"):
        decode(stream)
