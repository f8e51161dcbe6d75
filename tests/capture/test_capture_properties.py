"""Properties of the decoders over any stream and any chunking.

The invariant: any bytes give records that lie inside the buffer, or one CaptureError; never another
exception. And the chunks that a stream is cut into never change its packets.
"""

import struct

from capture_files import block, decode, enhanced, interface, obsolete, option, pcap, section, simple
from hypothesis import given, settings
from hypothesis import strategies as st

from callprint.core.ground.errors import CaptureError

frames = st.lists(st.binary(max_size=80), max_size=6)
orders = st.sampled_from("<>")


@st.composite
def pcapng_streams(draw):
    stream = b""
    for _ in range(draw(st.integers(1, 2))):
        order = draw(orders)
        resolution = option(9, bytes([draw(st.integers(0, 255))]), order)
        stream += section(order) + interface(order, options=resolution)
        for frame in draw(frames):
            make = draw(st.sampled_from([enhanced, obsolete]))
            stream += make(frame, draw(st.integers(0, 2**64 - 1)), order)
            stream += draw(st.sampled_from([b"", simple(frame, order), block(9, frame, order)]))
    return stream


@st.composite
def streams(draw):
    """A valid capture, whole or damaged: bytes changed, cut off, or inserted."""
    magic = draw(st.sampled_from([0xA1B2C3D4, 0xA1B23C4D, 0xA1B2CD34]))
    stream = draw(st.one_of(pcapng_streams(), st.builds(pcap, frames, orders, st.just(magic))))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(stream)))
        change = draw(st.sampled_from(["cut", "replace", "insert", "number"]))
        if change == "cut":
            stream = stream[:at]
        elif change == "number":
            number = draw(st.sampled_from([0, 1, 0x7FFFFFFF, 0xFFFFFFFF, 262_144, 262_145]))
            stream = stream[:at] + struct.pack("<I", number) + stream[at + 4 :]
        else:
            stream = stream[:at] + draw(st.binary(max_size=8)) + stream[at + 4 * (change == "replace") :]
    return stream


def outcome(stream, chunks=None):
    try:
        packets, defect = decode(stream, chunks)
    except CaptureError as error:
        return str(error)
    return packets, (str(defect), defect.offset) if defect else None


@settings(deadline=None, max_examples=50)
@given(streams(), st.lists(st.integers(1, 60), min_size=1, max_size=20))
def test_any_chunking_gives_the_same_packets(stream, chunks):
    assert outcome(stream, chunks) == outcome(stream)


@settings(deadline=None, max_examples=150)
@given(st.one_of(st.binary(max_size=200), streams()))
def test_any_bytes_give_packets_or_the_one_error(stream):
    result = outcome(stream)
    if not isinstance(result, str):
        packets, _ = result
        assert sum(len(frame) for _, frame, *_ in packets) <= len(stream)
