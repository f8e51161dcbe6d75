"""Makes the SIP messages and flow reports of small scenarios, in terms close to those of RFC 3665's examples."""

import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import frames
from call_player import CallPlayer

from callprint.core.call import CallRecord
from callprint.core.ground.addresses import Endpoint
from callprint.core.signalling.reader import RawMessage
from callprint.core.verdict import FlowKey, FlowReport, FlowSummary, Verdict

Sent = tuple[float, Endpoint, Endpoint, bytes]
"""A UDP datagram: seconds from the scenario's start, source, destination, payload."""

SECOND_NS = 1_000_000_000
START_NS = 1_700_000_000 * SECOND_NS


@dataclass(frozen=True)
class Talk:
    """The names of one call attempt; `message` fills in what changes."""

    call_id: str = "call-1@example"
    caller: str = "sip:+4930111111@a.example"
    callee: str = "sip:+4930222222@b.example"
    from_tag: str = "tag-a"

    def request(
        self,
        method: str,
        *,
        cseq: int = 1,
        to_tag: str = "",
        branch: str = "z9hG4bK-1",
        sdp: str = "",
        headers: str = "",
        by_callee: bool = False,
    ) -> bytes:
        """Return a request of the caller, or of the callee inside the dialog."""
        ends = self._ends(to_tag, by_callee)
        return _text(
            f"{method} sip:x@y SIP/2.0", ends, branch, self.call_id, f"{cseq} {method}", headers, sdp
        )

    def response(
        self,
        status: int,
        method: str = "INVITE",
        *,
        cseq: int = 1,
        to_tag: str = "tag-b",
        branch: str = "z9hG4bK-1",
        sdp: str = "",
        to_callee: bool = False,
    ) -> bytes:
        """Return a response to a request of the caller (or of the callee)."""
        ends = self._ends(to_tag, to_callee)
        return _text(f"SIP/2.0 {status} Text", ends, branch, self.call_id, f"{cseq} {method}", "", sdp)

    def _ends(self, to_tag: str, by_callee: bool) -> str:
        caller = f"<{self.caller}>;tag={self.from_tag}"
        callee = f"<{self.callee}>" + (f";tag={to_tag}" if to_tag else "")
        return f"From: {callee}\r\nTo: {caller}" if by_callee else f"From: {caller}\r\nTo: {callee}"


def _text(first: str, ends: str, branch: str, call_id: str, cseq: str, headers: str, sdp: str) -> bytes:
    kind = "Content-Type: application/sdp\r\n" if sdp else ""
    return (
        f"{first}\r\nVia: SIP/2.0/UDP 10.0.0.1;branch={branch}\r\n{ends}\r\nCall-ID: {call_id}\r\n"
        f"CSeq: {cseq}\r\n{headers}{kind}Content-Length: {len(sdp)}\r\n\r\n{sdp}"
    ).encode()


def sdp(ip: str, port: int, extra: str = "") -> str:
    """Return a description of one audio medium in PCMA."""
    return (
        f"v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {port} RTP/AVP 8\r\n{extra}"
    )


def at(seconds: float) -> int:
    """Return a packet time, in seconds from the scenario's start."""
    return START_NS + round(seconds * SECOND_NS)


def flow(
    source: Endpoint,
    destination: Endpoint,
    begin_s: float,
    end_s: float,
    *,
    ssrc: int = 7,
    application: str = "linphone",
    packets: int | None = None,
) -> FlowReport:
    """Return the report of a flow of PCMA, 50 packets of 172 bytes a second."""
    key = FlowKey(*source, *destination, ssrc, at(begin_s))
    count = round((end_s - begin_s) * 50) if packets is None else packets
    verdict = Verdict(key, application, application, 0.99, 100, True, "test-1", False, at(end_s), at(end_s))
    summary = FlowSummary(
        key, 8, "PCMA", 8000, count, count * 172, 0, 4, count, 0, 0, 0, 1.5, at(end_s), "idle"
    )
    return FlowReport(verdict, summary)


def play(
    engine: CallPlayer, script: list[tuple[float, bytes]], source_ip: str = "10.0.0.1"
) -> list[CallRecord]:
    """Give messages to an engine at their times; return all rows, those of `finish` last."""
    records = []
    for seconds, message in script:
        records += engine.message(RawMessage(at(seconds), source_ip, message))
    return records + engine.finish()


PHONE, GATEWAY = ("10.0.0.1", 5060), ("10.0.0.2", 5060)


def answered_call(talk: Talk) -> list[Sent]:
    """Return the packets of a call of 7 s, answered after 2 s, with media both ways."""
    ours, theirs = ("10.0.0.1", 4000), ("10.0.0.2", 5000)
    return [
        (0.0, PHONE, GATEWAY, talk.request("INVITE", sdp=sdp(*ours))),
        (2.0, GATEWAY, PHONE, talk.response(200, sdp=sdp(*theirs))),
        (2.1, PHONE, GATEWAY, talk.request("ACK", to_tag="tag-b")),
        (7.0, PHONE, GATEWAY, talk.request("BYE", cseq=2, to_tag="tag-b")),
        *talking(ours, theirs, 2.2, 7, 1),
        *talking(theirs, ours, 2.2, 7, 2),
    ]


def with_names(talk: Talk, **names: str) -> Talk:
    """Return the same call under other names."""
    return replace(talk, **names)


def write_capture(path: Path, packets: list[Sent]) -> None:
    """Write a pcap file of IPv4 UDP datagrams."""
    out = bytearray(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 65_535, 101))
    for seconds, source, destination, payload in sorted(packets, key=lambda packet: packet[0]):
        frame = frames.ipv4(frames.udp(payload, source[1], destination[1]), 17, source[0], destination[0])
        out += struct.pack("<IIII", *divmod(at(seconds), SECOND_NS), len(frame), len(frame)) + frame
    path.write_bytes(bytes(out))


def talking(source: Endpoint, destination: Endpoint, begin_s: float, end_s: float, ssrc: int) -> list[Sent]:
    """Return the packets of a voice in PCMA, 20 ms each."""
    return [
        (
            begin_s + 0.02 * number,
            source,
            destination,
            struct.pack("!BBHII", 0x80, 8, number + 1, 160 * number, ssrc) + b"\xd5" * 160,
        )
        for number in range(round((end_s - begin_s) * 50))
    ]


def calls_in_a_row(
    count: int, caller: Endpoint, callee: Endpoint, messages: Callable[[Talk, int], tuple[bytes, bytes]]
) -> list[Sent]:
    """Return the packets of calls from the same ports, one after the other; `messages`: INVITE and 200 of each."""
    packets = []
    for number in range(count):
        talk, begin = Talk(f"c{number}@x", from_tag=f"t{number}"), 40.0 * number
        ours, theirs = (caller[0], 5060), (callee[0], 5060)
        invite, ok = messages(talk, number)
        packets += talking(caller, callee, begin + 2, begin + 8, 2 * number)
        packets += talking(callee, caller, begin + 2, begin + 8, 2 * number + 1)
        packets += [(begin, ours, theirs, invite), (begin + 2, theirs, ours, ok)]
        packets.append((begin + 8, ours, theirs, talk.request("BYE", cseq=2, to_tag="tag-b")))
    return packets
