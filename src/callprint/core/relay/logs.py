"""Evidence logs (core/evidence.py) to packet columns and back, compiled."""

import numpy as np

from callprint.core.evidence import EVIDENCE_HEADER
from callprint.core.ground.arrays import Array
from callprint.core.ground.compiled import compiled, read_only
from callprint.core.wire.media import SHIPPED_PACKET


@compiled
def _count(evidence: Array, starts: Array, ends: Array, records: Array) -> int:
    """Write the number of records in span i to records[i]; return the payload bytes of all of them."""
    payload = 0
    for i in range(starts.shape[0]):
        at = int(starts[i])
        records[i] = 0
        while at < ends[i]:
            length = np.int64(evidence[at + 8]) | (np.int64(evidence[at + 9]) << 8)
            at += int(EVIDENCE_HEADER + length)
            payload += int(length)
            records[i] += 1
    return payload


@compiled
def _split(evidence: Array, starts: Array, ends: Array, packets: Array, payload: Array) -> None:
    row = 0
    out = 0
    for i in range(starts.shape[0]):
        at = int(starts[i])
        while at < ends[i]:
            time_ns = np.int64(0)
            for j in range(8):
                time_ns |= np.int64(evidence[at + j]) << (8 * j)
            length = np.int64(evidence[at + 8]) | (np.int64(evidence[at + 9]) << 8)
            packet = packets[row]
            packet["time_ns"] = time_ns
            packet["length"] = length
            packet["kind"] = evidence[at + 10]
            at += EVIDENCE_HEADER
            for j in range(length):
                payload[out + j] = evidence[at + j]
            at += int(length)
            out += int(length)
            row += 1


@compiled
def _join(packets: Array, payload: Array, log: Array) -> None:
    at = 0
    taken = 0
    for row in range(packets.shape[0]):
        packet = packets[row]
        for j in range(8):
            log[at + j] = (packet["time_ns"] >> (8 * j)) & 255
        length = np.int64(packet["length"])
        log[at + 8] = length & 255
        log[at + 9] = length >> 8
        log[at + 10] = packet["kind"]
        log[at + 11] = 0
        at += EVIDENCE_HEADER
        for j in range(length):
            log[at + j] = payload[taken + j]
        at += int(length)
        taken += int(length)


def split_logs(evidence: Array, starts: Array, ends: Array) -> tuple[Array, Array, Array]:
    """Split the whole records between starts[i] and ends[i] into columns.

    evidence: (bytes,) uint8 as the flow engine wrote it (trusted); starts, ends: (n,) int64.
    Returns the number of records in each span (n,) int64, packets (m,) SHIPPED_PACKET, payload (bytes,) uint8.
    """
    records = np.zeros(len(starts), dtype=np.int64)  # (n,)
    payload = np.empty(_count(read_only(evidence), starts, ends, records), dtype=np.uint8)
    packets = np.empty(int(records.sum()), dtype=SHIPPED_PACKET)  # (m,)
    _split(read_only(evidence), starts, ends, packets, payload)
    return records, packets, payload


def join_logs(records: Array, packets: Array, payload: Array) -> tuple[Array, Array]:
    """Join packet columns into evidence logs: the inverse of `split_logs`.

    Returns the logs one after the other (bytes,) uint8, and their borders (n + 1,) int64: log i lies between
    borders[i] and borders[i + 1].
    """
    sizes = packets["length"].astype(np.int64) + EVIDENCE_HEADER  # (m,)
    ends = np.concatenate(([0], np.cumsum(sizes)))  # (m + 1,)
    borders = ends[np.concatenate(([0], np.cumsum(records.astype(np.int64))))]  # (n + 1,)
    log = np.empty(int(ends[-1]), dtype=np.uint8)
    _join(read_only(packets), read_only(payload), log)
    return log, borders
