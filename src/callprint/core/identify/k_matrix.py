"""The paper's representation: k-packets as matrices. Compiled.

Each of the first k RTP packets of an evidence log is one row: the UDP payload's bytes / 255, zero-padded to
256 columns (the paper, section V: IP and UDP headers removed, normalised).
"""

import numpy as np

from callprint.core.evidence import EVIDENCE_HEADER, EVIDENCE_RTP, EVIDENCE_RTP_SUMMARY
from callprint.core.ground.arrays import Array
from callprint.core.ground.compiled import compiled_allocating, read_only
from callprint.core.ground.loads import le16
from callprint.core.identify.card import MATRIX_COLUMNS
from callprint.core.identify.evidence_tables import checked_spans


@compiled_allocating
def _fill(buffer: Array, spans: Array, images: Array, packets: Array) -> None:
    for i in range(spans.shape[0]):
        at = spans[i, 0]
        row = 0
        while at + EVIDENCE_HEADER <= spans[i, 1] and row < images.shape[1]:
            length = le16(buffer, at + 8)
            kind = buffer[at + 10]
            at += EVIDENCE_HEADER
            if at + length > spans[i, 1] or kind == EVIDENCE_RTP_SUMMARY:
                break
            if kind == EVIDENCE_RTP:
                for j in range(min(length, images.shape[2])):
                    images[i, row, j] = buffer[at + j] / np.float32(255.0)
                row += 1
            at += length
        packets[i] = row


def k_matrices(buffer: Array, spans: Array, k: int) -> tuple[Array, Array]:
    """Return the images and how many of their rows are filled.

    buffer: (bytes,) uint8 with evidence logs, spans: (n, 2) int64. Returns (n, k, 256) float32 and (n,) int64;
    flows with fewer than k packets have rows of zeros. The first packet that is summarised (core/evidence.py) ends a
    flow. Raises ValueError when a span lies outside the buffer.
    """
    spans = checked_spans(buffer, spans)
    images = np.zeros((len(spans), k, MATRIX_COLUMNS), np.float32)  # (n, k, 256) float32
    packets = np.zeros(len(spans), np.int64)
    _fill(read_only(buffer), spans, images, packets)
    return images, packets
