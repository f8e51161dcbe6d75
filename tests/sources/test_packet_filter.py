"""Filters of libpcap over frames: the same frames pass as libpcap itself says."""

import ctypes
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callprint.core.capture.bpf import INSTRUCTION, INSTRUCTION_BYTES, check_program
from callprint.core.ground.errors import ConfigError
from callprint.core.packets import RECORD
from callprint.sources import pcap_filter
from callprint.sources.batch import Batch
from callprint.sources.pcap_filter import PacketFilter, compile_filter
from callprint.sources.selection import LeftOut, Moment, Selection

EXPRESSIONS = (
    "udp",
    "udp and host 10.0.0.1",
    "not (tcp port 5060) and ip",
    "ip6 and udp portrange 5000-5010",
    "udp[8] & 0xc0 = 0x80 and udp[9] & 0x7f < 96",
    "vlan and udp",
    "less 100 or greater 1000",
    "ip[6:2] & 0x3fff != 0 and len / 3 % 7 > 2",
    "ether[0] & 1 != 0",
    "ip proto 17 and ip[8] * 3 - 1 > 100 and (ip[8] << 2 | 1) >> 1 ^ 5 != 0",
)


class _Header(ctypes.Structure):
    _fields_ = (
        ("seconds", ctypes.c_long),
        ("microseconds", ctypes.c_long),
        ("captured", ctypes.c_uint32),
        ("original", ctypes.c_uint32),
    )


def libpcap_passes(program: np.ndarray, frame: bytes, original: int) -> bool:
    """The oracle: libpcap's own interpreter."""
    library = pcap_filter._libpcap()
    library.pcap_offline_filter.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p)
    raw = ctypes.create_string_buffer(program.tobytes())
    kept = pcap_filter._Program(
        len(program) // INSTRUCTION_BYTES, ctypes.cast(raw, ctypes.POINTER(pcap_filter._Instruction))
    )
    header = _Header(0, 0, len(frame), original)
    return bool(library.pcap_offline_filter(ctypes.byref(kept), ctypes.byref(header), frame))


def some_frame(random_: random.Random) -> bytes:
    """A frame that is often nearly an IP packet, cut anywhere."""
    ports = [random_.choice((5000, 5004, 5060, 53)).to_bytes(2, "big") for _ in range(2)]
    payload = bytes([random_.choice((0x80, 0x00, 0x81)), random_.randrange(256)]) + random_.randbytes(40)
    transport = b"".join(ports) + random_.randbytes(4) + payload
    if random_.random() < 0.5:
        host = bytes([10, 0, 0, random_.choice((1, 2))])
        flags = random_.choice((b"\0\0", b"\x20\0", b"\0\x10"))
        ip = (
            bytes([0x45, 0, 0, 60, 0, 1])
            + flags
            + bytes([random_.randrange(256), random_.choice((6, 17)), 0, 0])
        )
        packet, kind = ip + host + host[::-1] + transport, b"\x08\0"
    else:
        packet = (
            bytes([0x60, 0, 0, 0, 0, 50, random_.choice((6, 17)), 64]) + random_.randbytes(32) + transport
        )
        kind = b"\x86\xdd"
    tag = b"\x81\0\0\x05" if random_.random() < 0.3 else b""
    frame = random_.randbytes(12) + tag + kind + packet
    return frame[: random_.randrange(1, len(frame) + 1)] if random_.random() < 0.5 else frame


def batch(frames: list[bytes], originals: list[int], link_type: int = 1) -> Batch:
    records = np.zeros(len(frames), RECORD)
    records["offset"] = np.cumsum([0, *map(len, frames)])[:-1]
    records["captured"] = list(map(len, frames))
    records["original"] = originals
    records["link_type"] = link_type
    records["time_ns"] = np.arange(len(frames)) * 1_000_000_000 + 10**18
    return Batch(np.frombuffer(b"".join(frames), np.uint8), records)


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_the_same_frames_pass_as_in_libpcap(expression):
    random_ = random.Random(expression)
    frames = [some_frame(random_) for _ in range(500)]
    originals = [len(frame) + random_.choice((0, 100, 1000)) for frame in frames]
    passed = PacketFilter(expression).passes(*batch(frames, originals))
    program = compile_filter(expression, 1)
    right = [libpcap_passes(program, frame, size) for frame, size in zip(frames, originals, strict=True)]
    assert passed.tolist() == right
    assert len(set(right)) == 2, "frames of both kinds, or the test says nothing"


@pytest.mark.parametrize("link_type", [1, 12, 101, 113, 228, 276])
def test_filters_follow_the_link_type(link_type):
    udp = bytes([0x45, 0, 0, 32, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]) + bytes(12)
    link = {1: bytes(12) + b"\x08\0", 113: bytes(14) + b"\x08\0", 276: b"\x08\0" + bytes(18)}.get(
        link_type, b""
    )
    frames = [link + udp]
    assert PacketFilter("udp and host 10.0.0.1").passes(*batch(frames, [60], link_type)).tolist() == [True]
    assert PacketFilter("tcp").passes(*batch(frames, [60], link_type)).tolist() == [False]


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=80), st.binary(max_size=200))
def test_programs_are_sound_or_refused_and_always_end(code, frame):
    """Whatever the instructions: refused, or they end on any frame without leaving it."""
    program = np.frombuffer(code[: len(code) // 8 * 8] + b"\x06\0\0\0\1\0\0\0", INSTRUCTION)
    try:
        check_program(program)
    except ConfigError:
        return
    made = PacketFilter("udp")
    made._programs[1] = pcap_filter.read_only(program.view(np.uint8))
    made.passes(*batch([frame + b"x"], [len(frame)]))


def test_a_wrong_filter_is_named_with_libpcaps_words():
    with pytest.raises(ValueError, match="syntax error"):
        PacketFilter("udp und host")


def test_filters_for_other_links_than_ethernet_are_no_mistake():
    frames = [b"\x80" + bytes(40)]
    only = PacketFilter("wlan type mgt subtype beacon")
    assert only.passes(*batch(frames, [41], 105)).tolist() == [True]
    assert not only.not_applicable
    assert only.passes(*batch(frames, [41], 1)).tolist() == [False]
    assert set(only.not_applicable) == {1}


def test_without_libpcap_the_error_says_what_to_install(monkeypatch):
    pcap_filter._libpcap.cache_clear()
    monkeypatch.setattr(pcap_filter.ctypes.util, "find_library", lambda name: "no-such-library.so")
    with pytest.raises(ConfigError, match="apt-get install libpcap"):
        PacketFilter("udp")
    pcap_filter._libpcap.cache_clear()


class Frames:
    """A source of one batch."""

    def __init__(self, only: Batch) -> None:
        self.only = only
        self.capture, self.bytes_total, self.bytes_done, self.packets = "x", None, 0, 0
        self.not_captures, self.warnings = 0, []

    def __iter__(self):
        yield self.only


def test_every_packet_is_wanted_or_in_one_counter():
    random_ = random.Random(1)
    frames = [some_frame(random_) for _ in range(50)]
    only = batch(frames, list(map(len, frames)))
    seconds = 1_000_000_000
    selection = Selection(
        Frames(only),
        PacketFilter("udp"),
        Moment(10 * seconds, after_start=True),
        Moment(10**18 + 40 * seconds),
    )
    ((_, records),) = selection
    assert selection.left_out == LeftOut(20, 30 - len(records))
    assert 0 < len(records) < 30
    assert records["time_ns"].min() >= 10**18 + 10 * seconds
    assert records["time_ns"].max() < 10**18 + 40 * seconds


def test_link_types_on_which_a_filter_means_nothing_are_told():
    selection = Selection(Frames(batch([bytes(40)], [40], 101)), PacketFilter("ether host 02:00:00:00:00:01"))
    ((_, records),) = selection
    assert len(records) == 0
    assert "link type 101" in str(selection.warnings[0])
