"""What tshark says about the streams and messages of a capture: one run of tshark, its fields put together."""

import subprocess
from collections import Counter, defaultdict
from collections.abc import Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from differential.rfc_reader import RtpPacket

FIELDS = (
    "frame.protocols",
    *("frame.time_epoch", "ip.src", "ip.dst", "ipv6.src", "ipv6.dst", "udp.srcport", "udp.dstport"),
    *("rtp.ssrc", "rtp.seq", "rtp.timestamp", "rtp.p_type", "udp.payload", "tcp.port"),
    *("sip.Method", "sip.Status-Code", "sip.Call-ID"),
)


class StreamKey(NamedTuple):
    """Which stream: sender, receiver, SSRC."""

    source: str
    source_port: int
    destination: str
    destination_port: int
    ssrc: int


@dataclass
class Shown:
    """What tshark showed of one capture."""

    streams: dict[StreamKey, list[RtpPacket]] = field(default_factory=lambda: defaultdict(list))
    rtcp: Counter[tuple[str, str]] = field(default_factory=Counter)  # datagrams from one address to another
    requests: Counter[str] = field(default_factory=Counter)
    responses: Counter[int] = field(default_factory=Counter)
    calls: set[str] = field(default_factory=set)  # Call-IDs of INVITE requests
    protocols: dict[tuple[str, int, str, int], set[str]] = field(default_factory=lambda: defaultdict(set))
    tcp_ports: set[int] = field(default_factory=set)  # that carried SIP


def read(capture: Path, rtp_ports: Set[int] = frozenset()) -> Shown:
    """Run tshark; `rtp_ports`: UDP ports to decode as RTP; RTCP is looked for on these and the next ones."""
    beside = {port + 1 for port in rtp_ports if port % 2 == 0}
    media = sorted(rtp_ports | beside)
    shown = "rtp || rtcp || sip" + (f" || udp.port in {{{','.join(map(str, media))}}}" if media else "")
    command = ["tshark", "-n", "-r", str(capture), "-Y", shown, "-T", "fields"]
    command += ["-E", "separator=/t", "-E", "occurrence=a", "-E", "aggregator=|"]
    command += [word for port in sorted(set(rtp_ports)) for word in ("-d", f"udp.port=={port},rtp")]
    command += [word for name in FIELDS for word in ("-e", name)]
    printed = subprocess.run(command, check=False, capture_output=True, text=True, errors="replace").stdout
    result = Shown()
    for line in printed.splitlines():
        _take(dict(zip(FIELDS, line.split("\t"), strict=True)), result)
    return result


def _take(row: dict[str, str], shown: Shown) -> None:
    def last(*names: str) -> str:
        return next((row[name].rsplit("|", 1)[-1] for name in names if row[name]), "")

    source, destination = last("ip.src", "ipv6.src"), last("ip.dst", "ipv6.dst")
    ends = (source, int(last("udp.srcport") or 0), destination, int(last("udp.dstport") or 0))
    shown.protocols[ends].add(row["frame.protocols"])
    if row["rtp.seq"]:
        key = StreamKey(*ends, int(last("rtp.ssrc"), 0))
        packet = RtpPacket(
            nanoseconds(row["frame.time_epoch"]),
            int(last("rtp.seq")),
            int(last("rtp.timestamp")),
            int(last("rtp.p_type")),
        )
        shown.streams[key].append(packet)
    elif _is_rtcp(last("udp.payload")):
        shown.rtcp[source, destination] += 1
    if row["sip.Method"] or row["sip.Status-Code"]:
        methods = [name for name in row["sip.Method"].split("|") if name]
        shown.requests.update(methods)
        shown.tcp_ports.update(int(port) for port in row["tcp.port"].split("|") if port)
        shown.responses.update(int(code) for code in row["sip.Status-Code"].split("|") if code)
        if "INVITE" in methods:
            shown.calls.update(row["sip.Call-ID"].split("|"))


def _is_rtcp(payload: str) -> bool:
    """Return whether a payload, in hexadecimal digits, is RTCP on a port of RTP (RFC 5761 4)."""
    data = bytes.fromhex(payload[:16])
    return len(payload) >= 16 and data[0] >> 6 == 2 and 192 <= data[1] <= 223


def nanoseconds(time: str) -> int:
    """Return a time that tshark printed, in nanoseconds: a float would lose the last digits."""
    seconds, _, fraction = time.partition(".")
    return int(seconds) * 1_000_000_000 + int(fraction[:9].ljust(9, "0") or 0)
