"""Calls of H.323: what strangers' signalling says of its endpoints is the name of their media."""

import struct

import pytest
from capture_files import pcap

import callprint
from callprint.core.packets import Outcome


@pytest.fixture(scope="module")
def signalling(public_corpus) -> list[bytes]:
    """The frames of the call of Callgen323 and a 310i: each of them twice, as the capture has them."""
    capture = (public_corpus / "ntop+nDPI/tests/cfgs/default/pcap/h323.pcap").read_bytes()
    frames, at = [], 24
    while at < len(capture):
        (length,) = struct.unpack_from("<I", capture, at + 8)
        frames.append(capture[at + 16 : at + 16 + length])
        at += 16 + length
    return frames[:21]


def media(source: str, source_port: int, destination: str, destination_port: int, ssrc: int) -> list[bytes]:
    """Thirty frames of G.711."""
    frames = []
    for i in range(30):
        rtp = struct.pack("!BBHII", 0x80, 8, i, 160 * i, ssrc) + bytes(160)
        udp = struct.pack("!HHHH", source_port, destination_port, 8 + len(rtp), 0) + rtp
        hosts = b"".join(bytes(map(int, host.split("."))) for host in (source, destination))
        frames.append(
            bytes(12)
            + struct.pack("!HBBHHHBBH", 0x0800, 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0)
            + hosts
            + udp
        )
    return frames


def test_media_have_the_name_of_the_endpoint_that_sends_them(signalling):
    caller, callee = "10.1.3.143", "10.1.6.18"
    frames = [
        *signalling,
        *media(caller, 5000, callee, 2006, 1),
        *media(callee, 2006, caller, 5000, 2),
        *media(caller, 5002, "10.1.6.19", 2006, 3),
    ]
    run = callprint.identify(pcap(frames))
    said = {
        flow.key.ssrc: (
            flow.verdict.declared_application,
            flow.verdict.declared_version,
            flow.verdict.declared_by,
        )
        for flow in run
    }
    assert said == {
        1: ("callgen323", "0.9alpha4", "h323"),
        2: (None, None, None),  # a 310i of no manufacturer: the table does not know it
        3: (None, None, None),  # media to a host that the call was not with
    }
    assert run.packets[Outcome.H225.name.lower()] == len(signalling)
    assert sum(run.packets.values()) == len(frames)
