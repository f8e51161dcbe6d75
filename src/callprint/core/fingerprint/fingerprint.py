"""From evidence logs (core/evidence.py) to fingerprints. Pure and compiled.

    mf1_0608ac31n_rrrfnn1312_l.~_c12.1709.a1b2c3.d4e5f6.127
    │   │         │          │    DTLS hello
    │   │         │          RTCP
    │   │         RTP
    │   STUN request
    media fingerprint, version 1

A section that was not seen is "-". Two fingerprints are near when they differ in no section that both have seen.
docs/how/fingerprint.md specifies every character.
"""

import numpy as np

from callprint.core.fingerprint.handshake import put_hello, put_stun
from callprint.core.fingerprint.rtcp import put_rtcp
from callprint.core.fingerprint.rtp import PACKETS, put_rtp
from callprint.core.fingerprint.text import LONGEST_TEXT, put
from callprint.core.ground.arrays import Array
from callprint.core.ground.compiled import compiled_allocating, read_only
from callprint.core.identify.evidence_tables import (
    HANDSHAKE_RECORD,
    MAXIMUM_RTCP,
    RTCP_RECORD,
    RTP_RECORD,
    checked_spans,
    is_by_headers,
    read_log,
)

VERSION = "mf1"
SECTIONS = ("stun", "rtp", "rtcp", "dtls")
FINGERPRINT = np.dtype(f"S{LONGEST_TEXT}")
"""A fingerprint as ASCII; b"": none, because there was no RTP packet."""

_NONE = "-"
_HEAD = np.frombuffer(f"{VERSION}_".encode(), np.uint8)
_BETWEEN = ord("_")


@compiled_allocating
def _write(buffer: Array, spans: Array, texts: Array) -> None:
    rtp = np.zeros(PACKETS, RTP_RECORD)
    rtcp = np.zeros(MAXIMUM_RTCP, RTCP_RECORD)
    handshake = np.zeros(2, HANDSHAKE_RECORD)
    for i in range(spans.shape[0]):
        start, end = spans[i, 0], spans[i, 1]
        packets, reports = read_log(
            buffer, start, end, is_by_headers(buffer, start, end), rtp, rtcp, handshake
        )
        if packets == 0:
            continue
        text = texts[i]
        at = 0
        for character in _HEAD:
            at = put(text, at, character)
        at = put_stun(text, at, buffer, handshake[0])
        at = put_rtp(text, put(text, at, _BETWEEN), buffer, rtp, packets)
        at = put(text, at, _BETWEEN)
        at = put_rtcp(text, at, buffer, rtp[0].time_ns, rtcp, reports)
        at = put(text, at, _BETWEEN)
        put_hello(text, at, buffer, handshake[1])


def fingerprints(buffer: Array, spans: Array) -> Array:
    """Return the fingerprints of n evidence logs, (n,) FINGERPRINT.

    buffer: (bytes,) uint8; spans: (n, 2) int64, log i is buffer[spans[i, 0]:spans[i, 1]]. A damaged log counts as far
    as it goes. Raises ValueError when a span lies outside the buffer.
    """
    spans = checked_spans(buffer, spans)
    texts = np.zeros((len(spans), LONGEST_TEXT), np.uint8)
    if len(spans):
        _write(read_only(buffer), spans, texts)
    return texts.view(FINGERPRINT)[:, 0]


def sections(fingerprint: str) -> dict[str, str]:
    """Return the sections of a fingerprint by their names. Raises ValueError for any other text."""
    version, *parts = fingerprint.split("_")
    if version != VERSION or len(parts) != len(SECTIONS) or not all(parts):
        raise ValueError(f"not a fingerprint of version {VERSION}: {fingerprint!r}")
    return dict(zip(SECTIONS, parts, strict=True))


def is_near(one: str, other: str) -> bool:
    """Return whether two fingerprints agree in every section that both have seen, as two calls of one sender do."""
    pairs = zip(sections(one).values(), sections(other).values(), strict=True)
    return all(left == right or _NONE in (left, right) for left, right in pairs)
