"""A named cluster as training data: the folder of captures and `flows.csv` that `callprint train` reads.

Each flow becomes a pcap of its own with raw IP packets (link type 101): its evidence, with the UDP payloads and times
of the wire. RTCP is on the RTP ports, because an evidence log does not record its own.
"""

import csv
import ipaddress
import re
import struct
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from callprint.core.evidence import (
    EVIDENCE_ALLOCATE,
    EVIDENCE_DTLS,
    EVIDENCE_H225,
    EVIDENCE_RTP_HEADER,
    EVIDENCE_STUN,
    split,
)
from callprint.core.ground.errors import DatasetError
from callprint.core.verdict import FlowKey
from callprint.declared_names import shipped_names
from callprint.owner_only import FILE_MODE, make_folder
from callprint.training.dataset import LABEL_ENCODING, LABEL_FILE

if TYPE_CHECKING:
    from callprint.unknowns.clusters import KeptFlow  # which needs scikit-learn

COLUMNS = (
    *("capture", "src_ip", "src_port", "dst_ip", "dst_port"),
    *("application", "engine", "call", "codec"),
)
APPLICATION = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._+-]{0,63}")
PCAP_NANOSECONDS = 0xA1B23C4D
PCAP_ENDS_NS = (1 << 32) * 10**9  # seconds since 1970 have 32 bits
LINK_RAW_IP = 101
DTLS_RECORD_HEADER = 13  # RFC 6347 4.1
STUN_HEADER = 20  # RFC 8489 5
UDP, UDP_HEADER, IPV4_HEADER = 17, 8, 20
MOST_PAYLOAD = 0xFFFF - IPV4_HEADER - UDP_HEADER


def check_application(name: str) -> str:
    """Return the name. Raises DatasetError when it cannot serve as a class and a folder."""
    if not APPLICATION.fullmatch(name) or name.lower() == "unknown":
        raise DatasetError(
            f"{name!r} cannot name an application: up to 64 letters, digits, spaces and . _ + -, and not `unknown`"
        )
    return name


def engine_of(application: str, known: Mapping[str, str]) -> str:
    """Return the media stack of an application. known: those that the network has, by application."""
    return known.get(application) or shipped_names().engine_of(application) or application


def named_flows(folder: Path) -> frozenset[str]:
    """Return the digests of the flows that a folder already has, with a label. Raises DatasetError."""
    try:
        with (folder / LABEL_FILE).open(newline="", encoding=LABEL_ENCODING, errors="replace") as file:
            labelled = {row.get("capture") or "" for row in csv.DictReader(file)}
    except FileNotFoundError:
        return frozenset()
    except (OSError, csv.Error) as error:
        raise DatasetError(f"{folder / LABEL_FILE} cannot be read: {error}") from error
    captures = (path for path in folder.glob("*/*.pcap"))
    return frozenset(path.stem for path in captures if path.relative_to(folder).as_posix() in labelled)


def write_named(folder: Path, application: str, engine: str, flows: "Iterable[KeptFlow]") -> int:
    """Add flows to a training folder; those that it already has stay as they are. Returns how many were added.

    Raises DatasetError when the folder cannot be written or holds another kind of `flows.csv`.
    """
    check_application(application)
    known = named_flows(folder)
    labels = folder / LABEL_FILE
    rows = []
    try:
        make_folder(folder)  # first, since those above get what the umask leaves
        make_folder(folder / application)
        _check_columns(labels)
        for flow in flows:
            if flow.digest in known:
                continue
            capture = Path(application) / f"{flow.digest}.pcap"
            key = flow.kept.flow
            (folder / capture).touch(mode=FILE_MODE)
            (folder / capture).write_bytes(flow_capture(key, flow.kept.evidence))
            rows.append((capture.as_posix(), *key[:4], application, engine, session_name(key), flow.codec))
        # Labels come last: a capture without a label is ignored, a label without a capture would be an error.
        new = not labels.exists()
        labels.touch(mode=FILE_MODE)
        with labels.open("r+", newline="", encoding="utf-8", errors="surrogateescape") as file:
            written = file.read()
            if written and not written.endswith("\n"):  # an editor left the last line open
                file.write("\n")
            writer = csv.writer(file)
            if new:
                writer.writerow(COLUMNS)
            writer.writerows(rows)
    except OSError as error:
        raise DatasetError(f"{folder} cannot be written: {error.strerror}") from error
    return len(rows)


def _check_columns(labels: Path) -> None:
    if labels.exists():
        first = labels.read_text(encoding=LABEL_ENCODING, errors="replace").partition("\n")[0].strip()
        if first != ",".join(COLUMNS):
            raise DatasetError(
                f"{labels} has other columns than `callprint unknowns name` writes: name another folder"
            )


def session_name(flow: FlowKey) -> str:
    """Return a name for both directions of a media session, the same at any time: training never divides them."""
    ends = sorted((address, port & ~1) for address, port in ((flow[0], flow[1]), (flow[2], flow[3])))
    return " ".join(f"{address} {port}" for address, port in ends)


def flow_capture(flow: FlowKey, evidence: bytes) -> bytes:
    """Return the evidence of a flow as a capture, a pcap of raw IP packets.

    Its times are those of the wire, or count from 1970 where one of them is before that or after 2106.
    """
    parts = [struct.pack("<IHHiIII", PCAP_NANOSECONDS, 2, 4, 0, 0, 65535, LINK_RAW_IP)]
    records = split(np.frombuffer(evidence, np.uint8))
    earliest_ns = min((time_ns for time_ns, _, _ in records), default=0)
    latest_ns = max((time_ns for time_ns, _, _ in records), default=0)
    began_ns = 0 if earliest_ns >= 0 and latest_ns < PCAP_ENDS_NS else earliest_ns
    for time_ns, kind, payload in records:
        # A header is of a packet before there were enough whole ones and counts for nothing; H.225 is no UDP payload.
        if kind in (EVIDENCE_RTP_HEADER, EVIDENCE_H225):
            continue
        packet = _packet(flow, _padded(kind, payload))
        seconds, nanoseconds = divmod(min(time_ns - began_ns, PCAP_ENDS_NS - 1), 10**9)
        parts.append(struct.pack("<IIII", seconds, nanoseconds, len(packet), len(packet)) + packet)
    return b"".join(parts)


def _padded(kind: int, payload: bytes) -> bytes:
    """Pad a handshake message, of which evidence keeps only the beginning, to the length that its header announces."""
    length = len(payload)
    if kind == EVIDENCE_DTLS:
        length = DTLS_RECORD_HEADER + int.from_bytes(payload[11:13], "big")
    elif kind in (EVIDENCE_STUN, EVIDENCE_ALLOCATE):
        length = STUN_HEADER + int.from_bytes(payload[2:4], "big")
    return payload + bytes(max(0, min(length, MOST_PAYLOAD) - len(payload)))


def _packet(flow: FlowKey, payload: bytes) -> bytes:
    source, destination = ipaddress.ip_address(flow.src_ip), ipaddress.ip_address(flow.dst_ip)
    length = UDP_HEADER + len(payload)
    udp = struct.pack("!HHHH", flow.src_port, flow.dst_port, length, 0)
    if source.version == 4:
        header = struct.pack("!BBHHHBBH", 0x45, 0, IPV4_HEADER + length, 0, 0, 64, UDP, 0)
        ip = header + source.packed + destination.packed
        checksum = _checksum(ip)
        return ip[:10] + struct.pack("!H", checksum) + ip[12:] + udp + payload
    ip = struct.pack("!IHBB", 6 << 28, length, UDP, 64) + source.packed + destination.packed
    pseudo = source.packed + destination.packed + struct.pack("!II", length, UDP)
    checksum = _checksum(pseudo + udp + payload) or 0xFFFF  # obligatory over IPv6, RFC 8200 8.1
    return ip + udp[:6] + struct.pack("!H", checksum) + payload


def _checksum(data: bytes) -> int:
    """Return the Internet checksum, RFC 1071."""
    padded = data + b"\0" * (len(data) & 1)
    total = sum(int(word) for word in struct.unpack(f"!{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
