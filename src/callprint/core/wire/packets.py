"""Media packets beyond the heads of their flows, from an agent that ships more than verdicts need (`--head`).

They go to a topic of their own, which the topology does not read: no verdict looks beyond the evidence horizon.
Packets are of any length, and whole unless the capture has cut them; they have the addresses of their flow.
"""

from dataclasses import dataclass

import numpy as np

from callprint.core.ground.arrays import Array
from callprint.core.ground.errors import DecodeError
from callprint.core.packets import PacketKind
from callprint.core.wire.frame import NO_TABLE, BatchFormat, BatchType, Origin, TableFormat, with_columns

MEDIA_KINDS = tuple(
    map(
        int,
        (
            *(PacketKind.RTP, PacketKind.RTCP, PacketKind.RTP_LONG, PacketKind.RTCP_LONG),
            PacketKind.RTP_CUT,  # came with the second layout
        ),
    )
)

# Released layouts: they never change. A new column goes into a further layout at the end, as core/wire/frame.py says.
_RELEASED = np.dtype(
    [
        ("time_ns", "<i8"),
        ("src_hi", "<u8"),  # addresses as in PACKET
        ("src_lo", "<u8"),
        ("dst_hi", "<u8"),
        ("dst_lo", "<u8"),
        ("src_port", "<u2"),
        ("dst_port", "<u2"),
        ("length", "<u2"),  # bytes of UDP payload in the batch
        ("kind", "u1"),  # a PacketKind of MEDIA_KINDS
    ],
    align=True,
)
_LAYOUTS = (
    _RELEASED,
    with_columns(_RELEASED, [("missing", "<u2")]),  # bytes of UDP payload that the capture has cut off
)
FORMAT = BatchFormat(
    BatchType.PACKETS, TableFormat(_LAYOUTS, {"missing": 0}), TableFormat((NO_TABLE,) * len(_LAYOUTS))
)

WHOLE_PACKET = FORMAT.first.latest
"""One packet; the payload of the first one comes first."""


@dataclass(frozen=True, slots=True)
class PacketBatch:
    """Packets of one partition, in the order in which they were captured."""

    origin: Origin
    packets: Array  # (n,) WHOLE_PACKET
    payload: Array  # (bytes,) uint8


def encode_packets(batch: PacketBatch) -> bytes:
    """Return the batch as bytes."""
    nothing = np.zeros(0, dtype=NO_TABLE)
    return FORMAT.encode(batch.origin, batch.packets, nothing, batch.payload)


def decode_packets(data: bytes) -> PacketBatch:
    """Return the batch that the bytes hold. Raises DecodeError that names the defect."""
    frame = FORMAT.decode(data)
    packets = frame.first
    if len(frame.second) or int(packets["length"].sum(dtype=np.int64)) != len(frame.payload):
        raise DecodeError("the lengths of the packets of the batch do not add up to its payload")
    if not np.isin(packets["kind"], MEDIA_KINDS).all():
        raise DecodeError("a packet of the batch is not a media packet")
    return PacketBatch(frame.origin, packets, frame.payload)
