"""Run the compiled decoders on damaged input between memory pages that cannot be read.

    python tests/fence.py ROUNDS [--out-of-bounds]

The input ends (and, in a second run, begins) exactly at a page without access rights, so that reading one byte beyond
it kills the process: this tests the very machine code that runs in production. Prints what it did.
"""

import ctypes
import mmap
import random
import sys

import numpy as np
from capture_files import enhanced, interface, obsolete, pcap, section, simple
from frames import ethernet, ipv4, ipv6, ipv6_fragment, records, rtcp, rtp, tcp, udp
from link_samples import FRAMED, LINKS, TUNNELS, hep, indication

from callprint.core import dissect
from callprint.core.capture import CaptureDecoder
from callprint.core.ground.errors import CaptureError
from callprint.core.packets import PacketKind

PAGE = mmap.PAGESIZE
ROOM = 4 * PAGE

FRAMES = [*LINKS.values(), *((1, frame) for frame, _ in TUNNELS.values())]
FRAMES += [(1, ethernet(ipv4(udp(payload, *ports)))) for payload, ports, _ in FRAMED.values()]
FRAMES += [
    (1, ethernet(ipv4(tcp(b"INVITE"), 6))),
    (1, ethernet(ipv4(udp(rtcp())))),
    (1, ethernet(ipv4(udp(rtp(bytes(40), first=0x9F))))),
    (1, ethernet(ipv4(udp(b"INVITE sip:a@b SIP/2.0\r\n\r\n")))),
    (1, ethernet(ipv4(udp(b"\x40\x01\0\x0c" + rtp(b""))))),
    (1, ethernet(ipv4(udp(hep(b"INVITE sip:a@b SIP/2.0\r\n\r\n"), 9060, 9060)))),
    (1, ethernet(ipv4(udp(indication(rtcp()))))),
    (1, ethernet(ipv6(ipv6_fragment(udp(rtp()), 0), 44), 0x86DD)),
    (1, ethernet(ipv6(b"\x3c" + bytes(7) + b"\x11\0" + bytes(6) + udp(rtp()), 0), 0x86DD)),
]
CAPTURES = [
    pcap([b"abc", b"", b"defgh"]),
    pcap([b"abc", b"defgh"], ">", 0xA1B2CD34),
    section() + interface() + enhanced(b"abcde", 7) + simple(b"abc") + obsolete(b"abcd"),
    section(">") + interface(">") + enhanced(b"abcde", 7, ">") + obsolete(b"abcd", 7, ">"),
]


class Fence:
    """Readable memory between two pages that cannot be read."""

    def __init__(self) -> None:
        self._map = mmap.mmap(-1, ROOM + 2 * PAGE)
        self._all = np.frombuffer(self._map, np.uint8)
        protect = ctypes.CDLL(None, use_errno=True).mprotect
        for at in (0, PAGE + ROOM):
            address = ctypes.c_void_p(self._all.ctypes.data + at)
            if protect(address, ctypes.c_size_t(PAGE), 0) != 0:
                raise OSError(ctypes.get_errno(), "mprotect")

    def place(self, raw: bytes, at_end: bool) -> np.ndarray:
        """Return `raw` as an array that ends at the page behind the memory, or begins at the one before it."""
        begin = PAGE + ROOM - len(raw) if at_end else PAGE
        target = self._all[begin : begin + len(raw)]
        target[:] = np.frombuffer(raw, np.uint8)
        return target


def damage(raw: bytes, generator: random.Random) -> bytes:
    """Cut, change or insert a few bytes."""
    out = bytearray(raw)
    for _ in range(generator.randrange(4)):
        at = generator.randrange(len(out) + 1)
        match generator.randrange(4):
            case 0:
                del out[at:]
            case 1:
                out[at : at + 1] = bytes([generator.choice([0, 1, 4, 0x45, 0x60, 0x7F, 0x80, 0xFF])])
            case 2:
                out[at : at + 2] = generator.randbytes(2)
            case 3:
                out[at:at] = generator.randbytes(generator.randrange(1, 5))
    return bytes(out)


def run(rounds: int) -> None:
    """Dissect and decode damaged input, and check the invariants."""
    fence, generator = Fence(), random.Random(1)
    for number in range(rounds):
        link_type, frame = FRAMES[number % len(FRAMES)]
        frame = damage(frame, generator)
        _, rows = records([frame], link_type, missing=generator.choice([0, 0, 50]))
        for at_end in (True, False):
            row = dissect.dissect(fence.place(frame, at_end), rows)[0]
            assert row["kind"] in set(PacketKind)
            assert 0 <= row["offset"] <= row["offset"] + row["length"] <= len(frame)
        stream = damage(CAPTURES[number % len(CAPTURES)], generator)
        decoder = CaptureDecoder()
        try:
            for _ in range(8):
                found, consumed = decoder.feed(fence.place(stream, at_end=True))
                assert all(found["offset"].astype(int) + found["captured"] <= len(stream))
                stream = stream[consumed:]
        except CaptureError:
            pass
    print(f"{rounds} rounds")


if __name__ == "__main__":
    if "--out-of-bounds" in sys.argv:
        placed = Fence().place(b"x", at_end=True)
        print(ctypes.string_at(placed.ctypes.data, 2))  # must crash: proves that the fence works
    run(int(sys.argv[1]))
