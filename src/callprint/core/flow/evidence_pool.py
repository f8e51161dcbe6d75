"""Where evidence is kept: chains of small blocks, so that a packet takes its real length and no more."""

from callprint.core.evidence import EVIDENCE_HEADER, EVIDENCE_RTP_HEADER, HEADER_LENGTH
from callprint.core.flow import free_list
from callprint.core.flow.layout import BLOCK, Tables
from callprint.core.ground.arrays import Array
from callprint.core.ground.compiled import compiled, copy_bytes


@compiled
def _room_for(tables: Tables, row: int, size: int) -> bool:
    """Return whether `size` more bytes fit: asked first, so that no record is half written."""
    state = tables.state[0]
    flow = tables.flows[row]
    left = BLOCK - flow.tail_used if flow.tail_block >= 0 else 0
    needed = (size - left + BLOCK - 1) // BLOCK if size > left else 0
    return bool(needed <= state.free_blocks + tables.next_block.shape[0] - state.fresh_block)


@compiled
def _write(tables: Tables, row: int, data: Array, offset: int, length: int) -> None:
    """Write bytes to the end of a flow's chain, block by block. There must be room."""
    state = tables.state[0]
    flow = tables.flows[row]
    done = 0
    while done < length:
        block = flow.tail_block
        used = flow.tail_used
        if block < 0 or used == BLOCK:
            new, state.free_blocks, state.fresh_block = free_list.take(
                tables.free_blocks, state.free_blocks, state.fresh_block
            )
            tables.next_block[new] = -1
            if block < 0:
                flow.head_block = new
            else:
                tables.next_block[block] = new
            block = new
            used = 0
            flow.tail_block = new
        size = min(length - done, BLOCK - used)
        copy_bytes(tables.blocks, block * BLOCK + used, data, offset + done, size)
        flow.tail_used = used + size
        done += size


@compiled
def append(tables: Tables, row: int, data: Array, offset: int, length: int, time_ns: int, kind: int) -> bool:
    """Append one evidence record (core/evidence.py) to a flow's chain; False when the pool is full."""
    if not _room_for(tables, row, EVIDENCE_HEADER + length):
        return False
    _begin_record(tables, length, time_ns, kind)
    _write(tables, row, tables.scratch, 0, EVIDENCE_HEADER)
    _write(tables, row, data, offset, length)
    tables.flows[row].evidence_bytes += EVIDENCE_HEADER + length
    return True


@compiled
def append_header(
    tables: Tables, row: int, data: Array, offset: int, kept: int, length: int, time_ns: int
) -> bool:
    """Append the RTP header of a packet of `length` bytes, `kept` bytes at `offset`; False when the pool is full."""
    if not _room_for(tables, row, EVIDENCE_HEADER + HEADER_LENGTH + kept):
        return False
    _begin_record(tables, HEADER_LENGTH + kept, time_ns, EVIDENCE_RTP_HEADER)
    tables.scratch[EVIDENCE_HEADER] = length & 255
    tables.scratch[EVIDENCE_HEADER + 1] = length >> 8
    _write(tables, row, tables.scratch, 0, EVIDENCE_HEADER + HEADER_LENGTH)
    _write(tables, row, data, offset, kept)
    tables.flows[row].evidence_bytes += EVIDENCE_HEADER + HEADER_LENGTH + kept
    return True


@compiled
def _begin_record(tables: Tables, length: int, time_ns: int, kind: int) -> None:
    header = tables.scratch
    for i in range(8):
        header[i] = (time_ns >> (8 * i)) & 255
    header[8] = length & 255
    header[9] = length >> 8
    header[10] = kind
    header[11] = 0


@compiled
def gather(tables: Tables, row: int) -> int:
    """Copy a flow's evidence log to the end of the evidence buffer; return where it ends there."""
    state = tables.state[0]
    flow = tables.flows[row]
    at = state.evidence_used
    left = flow.evidence_bytes
    block = flow.head_block
    while left > 0:
        size = min(left, BLOCK)
        copy_bytes(tables.evidence, at, tables.blocks, block * BLOCK, size)
        at += size
        left -= size
        block = tables.next_block[block]
    state.evidence_used = at
    return int(at)


@compiled
def release(tables: Tables, row: int) -> None:
    """Give a flow's blocks back."""
    state = tables.state[0]
    flow = tables.flows[row]
    block = flow.head_block
    while block >= 0:
        tables.free_blocks[state.free_blocks] = block
        state.free_blocks += 1
        block = tables.next_block[block]
    flow.head_block = -1
    flow.tail_block = -1
    flow.tail_used = 0
    flow.evidence_bytes = 0
