"""Evidence logs without what a network of features does not look at: RTP packets with a summary of their media.

Media are four fifths of the bytes of evidence. Features (core/identify/payload_features.py) look at the first payload,
at first, second and last bytes of all, and at how often each byte value occurs up to a look. Looks are where parts of
a flow end, so that is counted by part. Features of a log and of what is made of it are the same bits.
"""

import numpy as np

from callprint.core.evidence import (
    BYTE_COUNTS_LENGTH,
    EVIDENCE_BYTE_COUNTS,
    EVIDENCE_HEADER,
    EVIDENCE_RTP,
    EVIDENCE_RTP_SUMMARY,
    HEADER_LENGTH,
    SUMMARY_BYTES,
    VALUES_COUNTED,
)
from callprint.core.ground.arrays import Array
from callprint.core.ground.compiled import Row, compiled_allocating, copy_bytes, read_only
from callprint.core.ground.loads import le16
from callprint.core.identify.evidence_tables import RTP_HEADER, RTP_RECORD, read_rtp

_ALL_COUNTS = 256 // VALUES_COUNTED * (EVIDENCE_HEADER + BYTE_COUNTS_LENGTH)
_SHORTEST = HEADER_LENGTH + SUMMARY_BYTES + 1  # bytes of media whose summary is shorter
_MOST_COUNTED = 65535  # bytes of one value in a part


@compiled_allocating
def _media_in(evidence: Array, at: int, packet: Row) -> int:
    """Read the whole RTP packet in the record at `at` into `packet`; return how long its media is, 0 of other kinds."""
    length = le16(evidence, at + 8)
    if evidence[at + 10] != EVIDENCE_RTP or length < RTP_HEADER:
        return 0
    read_rtp(evidence, 0, at + EVIDENCE_HEADER, length, length, packet)
    return int(packet.payload_length)


@compiled_allocating
def _put_summary(evidence: Array, at: int, packet: Row, counts: Array, out: Array, to: int) -> int:
    """Write the record at `at` in its short form to out[to:], and count its media; return where that ends."""
    media = packet.payload
    size = packet.payload_length
    header = media - packet.offset
    length = HEADER_LENGTH + header + SUMMARY_BYTES
    copy_bytes(out, to, evidence, at, EVIDENCE_HEADER)
    out[to + 8] = length & 255
    out[to + 9] = length >> 8
    out[to + 10] = EVIDENCE_RTP_SUMMARY
    to += EVIDENCE_HEADER
    out[to] = (header + size) & 255
    out[to + 1] = (header + size) >> 8
    copy_bytes(out, to + HEADER_LENGTH, evidence, packet.offset, header)
    to += HEADER_LENGTH + header
    repeats = 0
    before = np.int64(-1)
    for i in range(media, media + size):
        value = np.int64(evidence[i])
        counts[value] += 1
        repeats += value == before
        before = value
    out[to] = evidence[media]
    out[to + 1] = evidence[media + 1]
    out[to + 2] = evidence[media + size - 1]
    out[to + 3] = repeats
    return to + SUMMARY_BYTES


@compiled_allocating
def _put_counts(time: Array, counts: Array, out: Array, to: int) -> int:
    """Write counts to out[to:], with the time of the record that `time` begins with; return where they end."""
    for first in range(0, 256, VALUES_COUNTED):
        copy_bytes(out, to, time, 0, EVIDENCE_HEADER)
        out[to + 8] = BYTE_COUNTS_LENGTH
        out[to + 9] = 0
        out[to + 10] = EVIDENCE_BYTE_COUNTS
        to += EVIDENCE_HEADER
        out[to] = first
        for i in range(VALUES_COUNTED):
            out[to + 1 + 2 * i] = counts[first + i] & 255
            out[to + 2 + 2 * i] = counts[first + i] >> 8
        to += BYTE_COUNTS_LENGTH
    return to


@compiled_allocating
def _summarise(
    evidence: Array,
    starts: Array,
    events: Array,
    generations: Array,
    tenant: Array,
    begun: Array,
    out: Array,
    borders: Array,
) -> None:
    table = np.zeros(1, RTP_RECORD)
    packet = table[0]
    counts = np.zeros(256, np.int64)
    to = 0
    for i in range(starts.shape[0]):
        row = events[i].row
        if tenant[row] != generations[i]:
            tenant[row] = generations[i]
            begun[row] = False
        start, end = starts[i], events[i].end
        counts[:] = 0
        at = last = start
        while at < end:
            size = EVIDENCE_HEADER + le16(evidence, at + 8)
            media = _media_in(evidence, at, packet)
            if begun[row] and media >= _SHORTEST:
                to = _put_summary(evidence, at, packet, counts, out, to)
            else:
                copy_bytes(out, to, evidence, at, size)
                to += size
                begun[row] |= media > 0
            last = at
            at += size
        if to - borders[i] + _ALL_COUNTS < end - start and counts.max() <= _MOST_COUNTED:
            to = _put_counts(evidence[last:], counts, out, to)
        else:
            copy_bytes(out, borders[i], evidence, start, end - start)
            to = borders[i] + end - start
        borders[i + 1] = to


class Summariser:
    """Shortens what is new in evidence logs; it remembers of which flows a packet with media was shipped whole."""

    def __init__(self, maximum_flows: int) -> None:
        """`maximum_flows` is the flow engine's."""
        self._tenant = np.zeros(maximum_flows, dtype=np.uint32)
        self._begun = np.zeros(maximum_flows, dtype=np.bool_)

    def take(
        self, evidence: Array, starts: Array, events: Array, generations: Array
    ) -> tuple[Array, Array, Array]:
        """Return shorter records, (bytes,) uint8, and where those of each event start and end in them, (n,) int64 each.

        evidence: (bytes,) uint8 as the flow engine wrote it (trusted); starts: (n,) int64, where begins what is new
        with each event; events: (n,) EVENT; generations: (n,) of its flow. Records that would not get shorter stay.
        """
        borders = np.zeros(len(starts) + 1, dtype=np.int64)
        shorter = np.empty(int((events["end"] - starts).sum()), dtype=np.uint8)
        _summarise(
            *(read_only(evidence), starts, events, generations),
            *(self._tenant, self._begun, shorter, borders),
        )
        return shorter[: borders[-1]], borders[:-1], borders[1:]
