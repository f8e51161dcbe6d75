"""Blocks of the kernel's packet ring (TPACKET_V3 of linux/if_packet.h): packet headers in a shared buffer.

The layout is that of the kernel's structs in the byte order of the machine; the processors on which both Numba
and the ring run (x86-64, ARM64) are little-endian.
"""

import numpy as np

from callprint.core.ground.compiled import compiled
from callprint.core.ground.loads import le16, le32

# struct tpacket_block_desc
BLOCK_STATUS = 8
BLOCK_PACKETS = 12
BLOCK_FIRST = 16

# struct tpacket3_hdr
_NEXT, _SECONDS, _NANOSECONDS, _CAPTURED, _ORIGINAL, _MAC = 0, 4, 8, 12, 16, 24


@compiled
def walk_block(
    ring: np.ndarray,  # (n,) uint8, all blocks
    at: int,  # where the header of the next packet of the block begins
    left: int,  # packets of the block that are still to come
    link_type: int,
    records: np.ndarray,  # (m,) RECORD, written
) -> tuple[int, int]:
    """Write up to m packets of a block; return (how many, where the next header begins).

    A VLAN tag that the kernel took off stands in the packet header, not in the frame. The frame is complete
    without it, so it is dissected as if it had never been tagged.
    """
    count = 0
    while count < left and count < records.shape[0]:
        row = records[count]
        row.time_ns = le32(ring, at + _SECONDS) * 1_000_000_000 + le32(ring, at + _NANOSECONDS)
        row.offset = at + le16(ring, at + _MAC)
        row.captured = le32(ring, at + _CAPTURED)
        row.original = le32(ring, at + _ORIGINAL)
        row.link_type = link_type
        count += 1
        at += le32(ring, at + _NEXT)
    return count, at
