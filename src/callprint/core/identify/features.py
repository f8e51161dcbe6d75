"""From evidence logs to the feature rows that the compact network reads. Pure and compiled.

`FEATURE_VERSION` belongs to the meaning of every column: a model made for another version is refused.
"""

import numpy as np
import numpy.typing as npt

from callprint.core.ground.compiled import Array, compiled_allocating, read_only
from callprint.core.identify import handshake_features as handshake_part
from callprint.core.identify import header_features as header
from callprint.core.identify import payload_features as payload
from callprint.core.identify import rtcp_features as rtcp_part
from callprint.core.identify import timing_features as timing
from callprint.core.identify.evidence_records import (
    MAXIMUM_RTCP,
    MAXIMUM_RTP,
    RTP_COLUMNS,
    checked_spans,
    read_log,
)
from callprint.core.identify.handshake_features import write_dtls, write_stun
from callprint.core.identify.header_features import write_extension, write_header, write_start, write_type
from callprint.core.identify.payload_features import write_payload
from callprint.core.identify.rtcp_features import write_clear, write_rtcp
from callprint.core.identify.timing_features import (
    clock_rate,
    usual_increment,
    write_arrival,
    write_sizes,
    write_timestamps,
)

FEATURE_VERSION = 2

GROUPS: dict[str, tuple[str, ...]] = {
    "start": header.START_NAMES,
    "header": header.HEADER_NAMES,
    "type": header.TYPE_NAMES,
    "extension": header.EXTENSION_NAMES,
    "timestamps": timing.TIMESTAMP_NAMES,
    "sizes": timing.SIZE_NAMES,
    "arrival": timing.ARRIVAL_NAMES,
    "payload": payload.PAYLOAD_NAMES,
    "rtcp": rtcp_part.RTCP_NAMES,
    "clear": rtcp_part.CLEAR_NAMES,
    "stun": handshake_part.STUN_NAMES,
    "dtls": handshake_part.DTLS_NAMES,
}
"""Feature names by group, in column order. Training drops whole groups, so that no verdict leans on one."""

FEATURE_NAMES: tuple[str, ...] = tuple(name for names in GROUPS.values() for name in names)

_S = len(header.START_NAMES)
_H = _S + len(header.HEADER_NAMES)
_T = _H + len(header.TYPE_NAMES)
_X = _T + len(header.EXTENSION_NAMES)
_C = _X + len(timing.TIMESTAMP_NAMES)
_Z = _C + len(timing.SIZE_NAMES)
_A = _Z + len(timing.ARRIVAL_NAMES)
_P = _A + len(payload.PAYLOAD_NAMES)
_R = _P + len(rtcp_part.RTCP_NAMES)
_K = _R + len(rtcp_part.CLEAR_NAMES)
_U = _K + len(handshake_part.STUN_NAMES)
_F = _U + len(handshake_part.DTLS_NAMES)


def group_columns(group: str) -> slice:
    """Return the columns of a feature group."""
    start = 0
    for name, members in GROUPS.items():
        if name == group:
            return slice(start, start + len(members))
        start += len(members)
    raise KeyError(group)


@compiled_allocating
def _write_rows(buffer: Array, spans: Array, maximum_packets: int, rows: Array) -> None:
    rtp = np.zeros((MAXIMUM_RTP, RTP_COLUMNS), np.int64)
    rtcp = np.zeros((MAXIMUM_RTCP, 3), np.int64)
    handshake = np.zeros((2, 2), np.int64)
    work = np.zeros(_F, np.float64)
    for i in range(spans.shape[0]):
        packets, reports = read_log(buffer, spans[i, 0], spans[i, 1], rtp[:maximum_packets], rtcp, handshake)
        increment, increment_count = usual_increment(rtp, packets)
        rate, ratio = (8000.0, 0.0) if packets == 0 else clock_rate(rtp, packets, increment)
        write_start(buffer, rtp, packets, increment, work[:_S])
        write_header(rtp, packets, increment, work[_S:_H])
        write_type(rtp, packets, work[_H:_T])
        write_extension(buffer, rtp, packets, work[_T:_X])
        write_timestamps(rtp, packets, increment, increment_count, rate, ratio, work[_X:_C])
        write_sizes(rtp, packets, increment, work[_C:_Z])
        write_arrival(rtp, packets, increment, rate, work[_Z:_A])
        write_payload(buffer, rtp, packets, work[_A:_P])
        write_rtcp(buffer, rtp, packets, rtcp, reports, work[_P:_R])
        write_clear(buffer, rtp, packets, rtcp, reports, rate, work[_R:_K])
        write_stun(buffer, handshake[0], work[_K:_U])
        write_dtls(buffer, handshake[1], work[_U:_F])
        for j in range(_F):
            rows[i, j] = work[j]


def features(
    buffer: npt.NDArray[np.uint8], spans: npt.NDArray[np.int64], maximum_packets: int = MAXIMUM_RTP
) -> npt.NDArray[np.float32]:
    """Return one feature row for each evidence log.

    buffer: (bytes,) uint8; spans: (n, 2) int64, (start, end) of each log in it. At most `maximum_packets`
    RTP records of each log are looked at. Returns (n, len(FEATURE_NAMES)) float32, always finite.
    Raises ValueError when a span lies outside the buffer.
    """
    spans = checked_spans(buffer, spans)
    rows = np.zeros((len(spans), len(FEATURE_NAMES)), np.float32)  # (n, F) float32
    _write_rows(read_only(buffer), spans, min(maximum_packets, MAXIMUM_RTP), rows)
    return rows


def packet_counts(rows: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """Return how many RTP packets each feature row looked at; (n, F) float32 in, (n,) int64 out."""
    log2 = rows[:, FEATURE_NAMES.index("packets_log2")]
    return np.rint(np.exp2(log2.astype(np.float64)) - 1.0).astype(np.int64)
