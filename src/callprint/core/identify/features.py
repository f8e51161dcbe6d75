"""From evidence logs to the feature rows that the compact network reads. Pure and compiled."""

import numpy as np
import numpy.typing as npt

from callprint.core.ground.arrays import Array
from callprint.core.ground.compiled import compiled_aside, read_only
from callprint.core.identify.evidence_tables import (
    HANDSHAKE_RECORD,
    MAXIMUM_RTCP,
    MAXIMUM_RTP,
    RTCP_RECORD,
    RTP_RECORD,
    byte_counts,
    checked_spans,
    is_by_headers,
    read_log,
)
from callprint.core.identify.feature_row import FEATURE_NAMES, WORK_ROW, by_name
from callprint.core.identify.handshake_features import write_dtls, write_stun
from callprint.core.identify.header_features import write_extension, write_header, write_start, write_type
from callprint.core.identify.payload_features import write_payload
from callprint.core.identify.rtcp_features import write_clear, write_rtcp
from callprint.core.identify.timing_features import (
    INCREMENT,
    clock_rate,
    count_increments,
    usual_increment,
    write_arrival,
    write_sizes,
    write_timestamps,
)


@compiled_aside
def _write_rows(buffer: Array, spans: Array, maximum_packets: int, rows: Array) -> None:
    rtp = np.zeros(MAXIMUM_RTP, RTP_RECORD)
    rtcp = np.zeros(MAXIMUM_RTCP, RTCP_RECORD)
    handshake = np.zeros(2, HANDSHAKE_RECORD)
    counts = np.zeros(256, np.int64)
    increment_table = np.zeros(MAXIMUM_RTP, INCREMENT)
    work = np.zeros(1, WORK_ROW)
    columns = work.view(np.float64)  # (F,)
    row = work[0]
    for i in range(spans.shape[0]):
        by_headers = is_by_headers(buffer, spans[i, 0], spans[i, 1])
        packets, reports = read_log(
            buffer, spans[i, 0], spans[i, 1], by_headers, rtp[:maximum_packets], rtcp, handshake
        )
        summarised = (rtp["summarised"][:packets] * rtp["payload_length"][:packets]).sum()
        if summarised and byte_counts(buffer, spans[i, 0], spans[i, 1], counts) != summarised:
            packets = 0  # counts of more packets than are looked at say nothing about these
        increments = increment_table[: count_increments(rtp, packets, increment_table)]
        increment, increment_count = usual_increment(increments)
        rate, ratio = (8000.0, 0.0) if packets == 0 else clock_rate(rtp, packets, increment)
        columns[:] = 0.0
        write_start(buffer, rtp, packets, increment, row.start)
        write_header(rtp, packets, increment, row.header)
        write_type(rtp, packets, row.type)
        write_extension(buffer, rtp, packets, row.extension)
        write_timestamps(rtp, packets, increments, increment, increment_count, rate, ratio, row.timestamps)
        write_sizes(rtp, packets, increment, row.sizes)
        write_arrival(rtp, packets, increment, rate, row.arrival)
        if (
            not by_headers
        ):  # where there is nothing but headers of most packets, all payloads count as missing
            write_payload(buffer, rtp, packets, counts, row.payload)
        write_rtcp(buffer, rtp, packets, rtcp, reports, row.rtcp)
        write_clear(buffer, rtp, packets, rtcp, reports, rate, row.clear)
        write_stun(buffer, handshake[0], row.stun)
        write_dtls(buffer, handshake[1], row.dtls)
        for j in range(columns.shape[0]):
            rows[i, j] = columns[j]


def features(
    buffer: npt.NDArray[np.uint8], spans: npt.NDArray[np.int64], maximum_packets: int = MAXIMUM_RTP
) -> npt.NDArray[np.float32]:
    """Return one feature row for each evidence log.

    buffer: (bytes,) uint8; spans: (n, 2) int64, (start, end) of each log in it. At most `maximum_packets`
    RTP records of each log are looked at; a log with more that summarises some (core/evidence.py) counts as one
    without any. Returns (n, len(FEATURE_NAMES)) float32, always finite.
    Raises ValueError when a span lies outside the buffer.
    """
    spans = checked_spans(buffer, spans)
    rows = np.zeros((len(spans), len(FEATURE_NAMES)), np.float32)  # (n, F) float32
    _write_rows(read_only(buffer), spans, min(maximum_packets, MAXIMUM_RTP), rows)
    return rows


def packet_counts(rows: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """Return how many RTP packets each feature row looked at; (n, F) float32 in, (n,) int64 out."""
    log2 = by_name(rows)["timestamps"]["packets_log2"]
    return np.rint(np.exp2(log2.astype(np.float64)) - 1.0).astype(np.int64)
