"""From packet rows to whole SIP messages: out of datagrams, reassembled fragments and ordered TCP segments.

This is what a capture agent ships and what call assembly reads; nothing is parsed here.
"""

from typing import Any, NamedTuple

import numpy as np

from callprint.core.ground.addresses import Endpoint, address_text
from callprint.core.ground.arrays import Array
from callprint.core.packets import PACKET, PacketKind
from callprint.core.signalling.fragments import FragmentReassembler, read_fragment
from callprint.core.signalling.tcp import TcpMessage, TcpReassembler


class RawMessage(NamedTuple):
    """One SIP message as it was on the wire."""

    time_ns: int  # packet time of its last byte
    source_ip: str
    payload: bytes
    capture: str | None = None  # the file or interface that its last byte came from
    # Where it came from and went to, for people to look at: agents do not send it.
    source_port: int = 0
    target: Endpoint = ("", 0)


class SignallingReader:
    """Finds the SIP messages in packet batches; `tcp` and `fragments` hold the counters of their pieces."""

    def __init__(self, maximum_streams: int = 4096) -> None:
        self.tcp = TcpReassembler(maximum_streams)
        self.fragments = FragmentReassembler()
        self.datagrams = 0

    def read(
        self, data: Array, packets: Array, records: Array | None = None, capture: str | None = None
    ) -> list[RawMessage]:
        """Return the messages that a batch completes, in the order of capture, but for those that waited behind holes.

        data: (bytes,) uint8, packets: (n,) PACKET; rows of other kinds are passed over. Fragmented datagrams are
        reassembled only when `records`, (n,) RECORD, says where the frames of the packets end. `capture`: the name of
        the file or interface that the batch is from.
        """
        kinds = packets["kind"]
        wanted = (kinds == PacketKind.SIP_UDP) | (kinds == PacketKind.SIP_TCP)
        if records is not None:
            wanted |= kinds == PacketKind.FRAGMENT
        rows = np.flatnonzero(wanted)
        messages: list[RawMessage] = []
        for index, row in zip(rows.tolist(), packets[rows].tolist(), strict=True):
            packet = _Packet(*row)
            addresses = (packet.src_hi, packet.src_lo, packet.dst_hi, packet.dst_lo)
            if packet.kind == PacketKind.SIP_TCP:
                payload = data[packet.offset : packet.offset + packet.length].tobytes()
                stream = (*addresses, packet.src_port, packet.dst_port)
                sequence, flags = packet.tcp_sequence, packet.tcp_flags
                found = self.tcp.segment(packet.time_ns, stream, sequence, flags, payload, capture)
                messages += map(_of_stream, found)
                continue
            messages += map(_of_stream, self.tcp.overdue(packet.time_ns))
            datagram = self._datagram(data, packet, None if records is None else records[index])
            if datagram is not None:
                source_ip = address_text(packet.src_hi, packet.src_lo)
                target = address_text(packet.dst_hi, packet.dst_lo), packet.dst_port
                messages.append(
                    RawMessage(packet.time_ns, source_ip, datagram, capture, packet.src_port, target)
                )
        return messages

    def close(self) -> list[RawMessage]:
        """End everything: the capture is over. Return the messages that waited behind holes of TCP streams."""
        self.fragments.close()
        return list(map(_of_stream, self.tcp.close()))

    def _datagram(self, data: Array, packet: "_Packet", record: Any) -> bytes | None:
        if packet.kind == PacketKind.SIP_UDP:
            self.datagrams += 1
            return data[packet.offset : packet.offset + packet.length].tobytes()
        begin = int(record["offset"])
        frame = data[begin : begin + int(record["captured"])].tobytes()
        addresses = (packet.src_hi, packet.src_lo, packet.dst_hi, packet.dst_lo)
        fragment = read_fragment(frame, packet.offset - begin, addresses)
        if fragment is None:
            self.fragments.broken()
            return None
        return self.fragments.add(packet.time_ns, fragment)


def _of_stream(message: TcpMessage) -> RawMessage:
    src_hi, src_lo, dst_hi, dst_lo, src_port, dst_port = message.key
    target = address_text(dst_hi, dst_lo), dst_port
    source_ip = address_text(src_hi, src_lo)
    return RawMessage(message.time_ns, source_ip, message.payload, message.capture, src_port, target)


class _Packet(NamedTuple):
    """One PACKET row, its fields in the order of the dtype."""

    time_ns: int
    src_hi: int
    src_lo: int
    dst_hi: int
    dst_lo: int
    offset: int
    length: int
    missing: int
    src_port: int
    dst_port: int
    kind: int
    transport: int
    tcp_flags: int
    depth: int
    tcp_sequence: int


assert _Packet._fields == PACKET.names
