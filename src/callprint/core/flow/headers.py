"""RTP headers of packets that are not looked at as a whole: too long for the filter, or cut by the capture."""

from callprint.core.evidence import HEADER_LENGTH
from callprint.core.ground.arrays import Array
from callprint.core.ground.compiled import compiled
from callprint.core.ground.loads import be16, load8
from callprint.core.packets import MAXIMUM_PAYLOAD

_MOST = MAXIMUM_PAYLOAD - HEADER_LENGTH  # so that no record of evidence is longer than others may be


@compiled
def header_bytes(data: Array, offset: int, length: int) -> int:
    """Return how many of the `length` bytes of an RTP packet are its header, with CSRC list and extension.

    As much as evidence keeps: of an extension that is longer, or that has been cut, what there is.
    """
    size = 12 + 4 * (load8(data, offset) & 0x0F)
    if data[offset] & 0x10:
        size += 4
        if size <= length:
            size += 4 * be16(data, offset + size - 2)
    return min(size, length, _MOST)
