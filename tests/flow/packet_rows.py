"""Makes PACKET rows and their bytes for tests of the flow engine."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from h225_messages import CONNECT, Message, Vendor

from callprint.core.packets import PACKET, PacketKind

START_NS = 1_700_000_000_000_000_000
IPV4 = 0xFFFF << 32


@dataclass(frozen=True)
class Packet:
    """One UDP packet, in the terms of the engine's rules."""

    time_ms: float
    kind: PacketKind = PacketKind.RTP
    source: int = 1  # host number
    destination: int = 2
    source_port: int = 4000
    destination_port: int = 5000
    ssrc: int = 7
    sequence: int = 0  # of H.225: stands for a product; 0: none is named
    timestamp: int = 0
    payload_type: int = (
        0  # of STUN: the message type; of DTLS: the handshake message; of H.225: the manufacturer
    )
    marker: bool = False
    size: int = 172  # bytes that the capture holds
    missing: int = 0

    @property
    def time_ns(self) -> int:
        return START_NS + round(self.time_ms * 1e6)

    def payload(self) -> bytes:
        """Return the payload of UDP: the header of its kind, filled up to `size`. H.225: a whole message, of TCP."""
        if self.kind == PacketKind.H225:
            return Message(CONNECT, self.vendor()).encode()
        if self.kind == PacketKind.RTCP:
            words = max(1, self.size // 4 - 1)
            head = bytes([0x80, 201]) + words.to_bytes(2, "big") + self.ssrc.to_bytes(4, "big")
        elif self.kind == PacketKind.STUN:
            head = self.payload_type.to_bytes(2, "big") + (self.size - 20).to_bytes(2, "big")
            head += bytes.fromhex("2112a442") + self.sequence.to_bytes(12, "big")
        elif self.kind == PacketKind.DTLS:
            record = b"\x16\xfe\xfd" + bytes(8) + (self.size - 13).to_bytes(2, "big")
            head = record + bytes([self.payload_type]) + self.sequence.to_bytes(4, "big")
        else:
            second = self.payload_type | (0x80 if self.marker else 0)
            head = bytes([0x80, second]) + (self.sequence & 0xFFFF).to_bytes(2, "big")
            head += (self.timestamp & 0xFFFFFFFF).to_bytes(4, "big") + self.ssrc.to_bytes(4, "big")
        return head + bytes(i & 0xFF for i in range(self.size - len(head)))

    def vendor(self) -> Vendor:
        """Return who made the sender of H.225."""
        return Vendor(
            (181, 0, self.payload_type), f"Gateway {self.sequence}".encode() if self.sequence else None
        )


def packet_rows(packets: Iterable[Packet]) -> tuple[np.ndarray, np.ndarray]:
    """Return (data (bytes,) uint8, rows (n,) PACKET)."""
    packets = list(packets)
    rows = np.zeros(len(packets), dtype=PACKET)
    data = bytearray()
    for row, packet in zip(rows, packets, strict=True):
        payload = packet.payload()
        row["time_ns"] = packet.time_ns
        row["src_lo"] = IPV4 | (0x0A000000 + packet.source)
        row["dst_lo"] = IPV4 | (0x0A000000 + packet.destination)
        row["src_port"] = packet.source_port
        row["dst_port"] = packet.destination_port
        row["offset"] = len(data)
        row["length"], row["missing"] = len(payload), packet.missing
        row["kind"] = packet.kind
        row["transport"] = 17
        data += payload
    return np.frombuffer(bytes(data) or b"\0", dtype=np.uint8), rows


def stream(count: int, start: int = 0, time_ms: float = 0.0, **fields: object) -> list[Packet]:
    """Return a G.711 stream: `count` packets, one every 20 ms."""
    return [
        Packet(time_ms=time_ms + 20 * i, sequence=start + i, timestamp=160 * i, **fields)  # type: ignore[arg-type]
        for i in range(count)
    ]
