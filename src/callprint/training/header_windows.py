"""Windows of evidence as they would be had the capture cut every packet behind its RTP header."""

from dataclasses import replace

import numpy as np

from callprint.core.evidence import EVIDENCE_HEADER, EVIDENCE_RTP, EVIDENCE_RTP_HEADER, HEADER_LENGTH
from callprint.core.flow.headers import header_bytes
from callprint.core.ground.compiled import compiled_allocating, read_only
from callprint.training.windows import Windows


@compiled_allocating
def _cut_to_headers(buffer, spans, out, out_spans):
    """Copy the logs to `out`, with headers in place of RTP packets; returns where they end."""
    to = 0
    for i in range(spans.shape[0]):
        out_spans[i, 0] = to
        at = spans[i, 0]
        while at < spans[i, 1]:
            length = np.int64(buffer[at + 8]) + (np.int64(buffer[at + 9]) << 8)
            size = EVIDENCE_HEADER + length
            if buffer[at + 10] == EVIDENCE_RTP:
                kept = np.int64(header_bytes(buffer, at + EVIDENCE_HEADER, length))
                out[to : to + 8] = buffer[at : at + 8]
                out[to + 8] = HEADER_LENGTH + kept
                out[to + 9] = 0
                out[to + 10] = EVIDENCE_RTP_HEADER
                out[to + 11] = 0
                to += EVIDENCE_HEADER
                out[to] = length & 255
                out[to + 1] = length >> 8
                to += HEADER_LENGTH
                out[to : to + kept] = buffer[at + EVIDENCE_HEADER : at + EVIDENCE_HEADER + kept]
                to += kept
            else:
                out[to : to + size] = buffer[at : at + size]
                to += size
            at += size
        out_spans[i, 1] = to
    return to


def header_windows(windows: Windows) -> Windows:
    """Return windows with the headers of their RTP packets in place of these."""
    out = np.empty(len(windows.buffer) + HEADER_LENGTH * int(windows.packets.sum()), np.uint8)
    spans = np.empty_like(windows.spans)
    end = _cut_to_headers(read_only(windows.buffer), read_only(windows.spans), out, spans)
    return replace(windows, buffer=out[:end].copy(), spans=spans)
