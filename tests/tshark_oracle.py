"""Compare the decoders and the dissector with tshark, packet by packet.

    python tests/tshark_oracle.py --data ../shared/data/public

mergecap joins the captures into one (so Wireshark's own readers are compared too), tshark prints the innermost
addresses, ports and times, and every difference must have a reason from EXPLANATIONS.
"""

import argparse
import csv
import ipaddress
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from callprint.core import dissect
from callprint.core.packets import PacketKind
from callprint.sources import open_captures

FIELDS = [
    "frame.time_epoch",
    "frame.protocols",
    "ip.src",
    "ip.dst",
    "ipv6.src",
    "ipv6.dst",
    "udp.srcport",
    "udp.dstport",
    "frame.len",
    "frame.cap_len",
]

# Protocols that callprint deliberately does not look into: rare, or encrypted, or copies of packets in reports.
NOT_OPENED = [
    "capwap.data",
    "nsh",
    "wg",
    "sflow",
    "openflow",
    "ayiya",
    "macsec",
    "cfp",
    "arcnet",
    "nflog",
    "pktap",
    "user_dlt",
    "udp:gre",
    "udp:ip",
    "udp:mpls",
    "gre:wlan",
]

# Wireshark refuses these files: link types that it does not know, a section of version 2, a cut file.
UNREADABLE_BY_WIRESHARK = [
    "brcm-tag-prepend.pcap",
    "brcm-tag.pcap",
    "dsa-high-vid.pcap",
    "dsa.pcap",
    "edsa-high-vid.pcap",
    "edsa.pcap",
    "frf16_magic_ie-oobr.pcap",
    "hoobr_juniper3.pcap",
    "juniper_es_oobr.pcap",
    "juniper_monitor_invalid_cookie_length.pcap",
    "kday6.pcap",
    "vtp_asan-2.pcap",
    "vtp_asan-3.pcap",
    "vtp_asan.pcap",
    "bad_rsn_parsing_overrides_ssid.pcap",
    "test901.pcapng",
]


@dataclass(frozen=True)
class Difference:
    """One packet that tshark reads differently; `reason` is None when nothing explains it."""

    file: str
    packet: int
    ours: str
    theirs: str
    reason: str | None


def compare(files: list[Path]) -> tuple[int, list[Difference]]:
    """Return how many packets were compared, and every difference."""
    readable = [file for file in files if file.name not in UNREADABLE_BY_WIRESHARK]
    with tempfile.TemporaryDirectory() as folder:
        merged = Path(folder) / "merged.pcapng"
        subprocess.run(
            ["mergecap", "-a", "-F", "pcapng", "-w", merged, *readable], check=True, capture_output=True
        )
        lines = _tshark(merged)
    compared, differences = 0, []
    theirs = iter(lines)
    for file in readable:
        for number, (row, original, captured) in enumerate(_rows(file), start=1):
            line = next(theirs)
            # tshark numbers custom blocks of pcapng among the packets; they have lengths of their own.
            while line[1] == "data" and line[8:] != [str(original), str(captured)]:
                line = next(theirs)
            compared += 1
            difference = _difference(file.name, number, row, line)
            if difference is not None:
                differences.append(difference)
    assert next(theirs, None) is None, "tshark read more packets than callprint"
    return compared, differences


def _tshark(capture: Path) -> list[list[str]]:
    options = [f"{name}:FALSE" for name in ("ip.defragment", "ipv6.defragment", "tcp.desegment_tcp_streams")]
    command = ["tshark", "-n", "-r", str(capture), "-T", "fields", "-E", "occurrence=l", "-E", "separator=/t"]
    command += [word for option in options for word in ("-o", option)]
    command += [word for field in FIELDS for word in ("-e", field)]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [line.split("\t") for line in printed.splitlines()]


def _rows(file: Path) -> Iterator[tuple[np.void, int, int]]:
    for batch in open_captures([file]):
        rows = dissect.dissect(batch.data, batch.records)
        for row, record in zip(rows, batch.records, strict=True):
            yield row, int(record["original"]), int(record["captured"])


def _difference(file: str, number: int, row: np.void, line: list[str]) -> Difference | None:
    time, protocols, *addresses, _length, _captured = line
    kind = PacketKind(int(row["kind"]))
    ports = addresses[4:6]
    theirs = {(*addresses[0:2], *ports), (*addresses[2:4], *ports)} if ports[0] else set()
    ours = None
    if row["transport"] == 17:
        ours = (
            address(row["src_hi"], row["src_lo"]),
            address(row["dst_hi"], row["dst_lo"]),
            str(row["src_port"]),
            str(row["dst_port"]),
        )
    told, expected = f"{kind.name} {ours or ''}", f"{protocols} {' '.join(addresses)}"
    if ours is None and "icmp" in protocols:
        return None  # tshark opens the datagram that an ICMP error quotes
    if (ours is not None) != bool(theirs) or (ours is not None and ours not in theirs):
        return Difference(file, number, told, expected, _explain(file, kind, protocols))
    if time and _nanoseconds(time) != int(row["time_ns"]):
        return Difference(file, number, str(row["time_ns"]), time, _explain_time(file, time))
    return None


def _explain(file: str, kind: PacketKind, protocols: str) -> str | None:
    inside = protocols.rsplit(":udp", 1)[-1]
    if kind == PacketKind.FRAGMENT:
        return "a fragment is never read as if it were whole; tshark reads the first one"
    if any(name in protocols for name in NOT_OPENED):
        return "an encapsulation that callprint does not open"
    if any(tunnel in inside for tunnel in ("vxlan", "geneve", "gtp", "teredo")):
        return "the tunnel holds no whole UDP; tshark's last UDP header is the tunnel's own"
    if kind == PacketKind.TRUNCATED and ":udp:" in protocols:
        return "the snapshot length cut the packet; callprint does not open a tunnel that is cut"
    if file == "arkime_synthetic.pcap" and "geneve" in protocols:
        return "Geneve from its port, not to it"
    if file == "vxlan_port_8472.pcap":
        return "VXLAN on the port that Linux used first; tshark does not open it"
    if file.startswith("bigtcp-") or file == "udp-length-heapoverflow.pcap":
        return "a UDP length that contradicts the IP length"
    if file in ("LINKTYPE_IPV6_invalid.pcap", "LINKTYPE_IPV4_invalid.pcap"):
        return "the link type names the other IP version; callprint goes by the version field"
    if file in ("NullLoopback.pcap", "null_loopback.pcap"):
        return "an EtherType where the address family should be"
    if file == "ipv6-mobility-dst-opts.pcap":
        return "tshark stops at a mobility option"
    return None


def _explain_time(file: str, time: str) -> str | None:
    if float(time) == 0:
        return "a simple packet block has no time; callprint gives it that of the packet before"
    if file in (
        "fuzz-2021-06-07-c6c72a0a56.pcap",
        "atm-oam-loopback-print-overrun.pcap",
        "rx_serviceid_oobr.pcap",
        "timestamp_invalid_micro.pcap",
        "timestamp_invalid_nano.pcap",
        "pcapng-example.pcapng",
    ):
        return "a fraction of a second above one second, or a time that does not fit into 64 bits"
    return None


def address(high: int, low: int) -> str:
    """Write an address of a PACKET row as text."""
    if high == 0 and int(low) >> 32 == 0xFFFF:
        return str(ipaddress.IPv4Address(int(low) & 0xFFFFFFFF))
    return str(ipaddress.IPv6Address(int(high) << 64 | int(low)))


def _nanoseconds(time: str) -> int:
    seconds, _, fraction = time.partition(".")
    return int(seconds) * 1_000_000_000 + int(fraction[:9].ljust(9, "0"))


def manifest(data: Path) -> list[dict[str, str]]:
    """Return the rows of the corpus' manifest."""
    with (data / "manifest.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def main() -> None:
    """Compare every file of the corpus and print the differences by reason, and those without one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/public"))
    data = parser.parse_args().data
    files = [data / row["file"] for row in manifest(data)]
    compared, differences = compare(files)
    print(f"{compared:,} packets of {len(files):,} files compared, {len(differences):,} differ:")
    for reason, count in Counter(one.reason for one in differences).most_common():
        print(f"{count:6,}  {reason or 'UNEXPLAINED'}")
    for one in differences:
        if one.reason is None:
            print(one)


if __name__ == "__main__":
    main()
