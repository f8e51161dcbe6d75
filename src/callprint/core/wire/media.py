"""The media batch: parts of flows, with the packets that each part adds to its flow's evidence.

An agent sends a flow in parts, one at each event of the flow engine: a checkpoint, the horizon, the end. A part
holds the packets that came since the previous part (`first_record` says how many came before those), so every
packet is sent once, and a reader that has all parts of a flow has its evidence log byte for byte. A part also
holds the flow's statistics as they stood at the event.
"""

from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np

from callprint.core.capture import name as capture_name
from callprint.core.evidence import EVIDENCE_KINDS
from callprint.core.flow.engine import no_windows
from callprint.core.flow.layout import DECIDED, EVENT_CHECKPOINT, EVENT_END, EVENT_HORIZON
from callprint.core.flow.window_layout import REPORTED, WINDOW, WINDOWS_KEPT
from callprint.core.ground.arrays import Array
from callprint.core.ground.errors import DecodeError
from callprint.core.verdict import ENDED_NAMES
from callprint.core.wire.frame import BatchFormat, BatchType, Origin, TableFormat, with_columns


class PartKind(IntEnum):
    """Why a part was sent; the first three are the flow engine's events."""

    CHECKPOINT = EVENT_CHECKPOINT
    HORIZON = EVENT_HORIZON
    END = EVENT_END
    STATISTICS = 3  # between events, so that a long call is seen to go on


# Released layouts: they never change. A new column goes into a further layout at the end, as core/wire/frame.py says.
_RELEASED_PART = np.dtype(
    [
        ("time_ns", "<i8"),  # of the event: when the evidence was complete, or the flow's last sign of life
        ("first_record", "<u4"),  # evidence records of this flow that earlier parts brought
        ("records", "<u4"),  # evidence records that this part brings: rows of the second table
        ("k", "<u2"),  # RTP packets in the evidence up to here
        ("kind", "u1"),  # a PartKind
        ("ended", "u1"),  # why the flow ended: index into ENDED_NAMES
        # The flow as it stood, as in FLOW: its key, what a verdict quotes, and the statistics of a summary.
        ("src_hi", "<u8"),
        ("src_lo", "<u8"),
        ("dst_hi", "<u8"),
        ("dst_lo", "<u8"),
        ("src_port", "<u2"),
        ("dst_port", "<u2"),
        ("ssrc", "<u4"),
        ("first_seen_ns", "<i8"),
        ("last_rtp_ns", "<i8"),
        ("last_active_ns", "<i8"),
        ("evidence_last_ns", "<i8"),
        ("received", "<i8"),
        ("expected_before", "<i8"),
        ("base_sequence", "<i8"),
        ("maximum_sequence", "<i8"),
        ("duplicates", "<i8"),
        ("reordered", "<i8"),
        ("jitter", "<f8"),
        ("clock_rate_hz", "<u4"),
        ("packets", "<i8"),
        ("bytes", "<i8"),
        ("long_packets", "<i8"),
        ("rtcp_packets", "<i8"),
        ("payload_type", "u1"),
        ("started_midflow", "u1"),
        ("evidence_state", "u1"),
    ],
    align=True,
)
_PART_WITH_CAPTURE = with_columns(
    _RELEASED_PART, [("capture", capture_name.COLUMN)]
)  # where it was first seen
# How many of the k packets left their headers alone: 0 where verdicts are based on whole packets.
_PART_WITH_HEADERS = with_columns(_PART_WITH_CAPTURE, [("evidence_headers", "<u2")])
_PART_LAYOUTS = (
    _RELEASED_PART,
    _PART_WITH_CAPTURE,
    _PART_WITH_HEADERS,
    # How many windows of the flow's quality the part brings, at its end, and a row of REPORTED.
    with_columns(_PART_WITH_HEADERS, [("windows", "u1"), ("reported", f"V{REPORTED.itemsize}")]),
)
_RELEASED_PACKET = np.dtype(
    [
        ("time_ns", "<i8"),
        (
            "length",
            "u1",
        ),  # bytes of the evidence record, for most kinds the UDP payload; at most MAXIMUM_PAYLOAD
        # Below EVIDENCE_KINDS; readers refuse a kind that they do not know. That of headers came with the third layout
        # of parts; those of summaries with none, as agents send them only when they are told to; that of Allocate with
        # none, so that bolts are to be updated before agents.
        ("kind", "u1"),
    ],
    align=True,
)
_SHIPPED_PACKET_LAYOUTS = (_RELEASED_PACKET,) * len(_PART_LAYOUTS)
FORMAT = BatchFormat(
    BatchType.MEDIA,
    TableFormat(
        _PART_LAYOUTS,
        {"capture": b"", "evidence_headers": 0, "windows": 0, "reported": np.zeros((), REPORTED).tobytes()},
    ),
    TableFormat(_SHIPPED_PACKET_LAYOUTS),
)

PART = FORMAT.first.latest
"""One part of a flow."""

SHIPPED_PACKET = FORMAT.second.latest
"""One packet of a part; the packets of the first part come first."""

KEY_FIELDS = ("src_hi", "src_lo", "dst_hi", "dst_lo", "src_port", "dst_port", "ssrc", "first_seen_ns")

_NOT_OF_THE_FLOW = (
    *("time_ns", "first_record", "records", "k", "kind", "ended"),
    *("capture", "windows", "reported"),
)
SHIPPED_FLOW_FIELDS = tuple(name for name in FORMAT.first.columns if name not in _NOT_OF_THE_FLOW)
"""The fields of a FLOW row that a part quotes as they are; of `capture`, a number there, it has the name."""

_TIMES = ("time_ns", "first_seen_ns", "last_rtp_ns", "last_active_ns", "evidence_last_ns")
_COUNTS = (
    *("received", "expected_before", "duplicates", "reordered"),
    *("packets", "bytes", "long_packets", "rtcp_packets"),
)
_SEQUENCES = ("base_sequence", "maximum_sequence")
# No packet has a time beyond this (1823 to 2116), and no flow a counter; sums of a few of them are whole numbers of
# 64 bits, as every store keeps them.
MOST_NS = 1 << 62
_MOST_COUNTED = 1 << 60
_MOST_JITTER = 1e12


@dataclass(frozen=True, slots=True)
class MediaBatch:
    """Parts of flows of one partition, in the order of their events."""

    origin: Origin
    parts: Array  # (n,) PART
    packets: Array  # (m,) SHIPPED_PACKET
    payload: Array  # (bytes,) uint8: the UDP payloads, one after the other
    windows: Array = field(
        default_factory=no_windows
    )  # (w,) WINDOW: the windows of the parts, one after the other


def encode_media(batch: MediaBatch) -> bytes:
    """Return the batch as bytes."""
    windows = np.frombuffer(batch.windows.tobytes(), np.uint8)
    payload = np.concatenate((batch.payload, windows)) if len(windows) else batch.payload
    return FORMAT.encode(batch.origin, batch.parts, batch.packets, payload)


def decode_media(data: bytes) -> MediaBatch:
    """Return the batch that the bytes hold. Raises DecodeError that names the defect."""
    frame = FORMAT.decode(data)
    parts, packets = frame.first, frame.second
    if int(parts["records"].sum(dtype=np.int64)) != len(packets):
        raise DecodeError("the parts of the batch count more or fewer packets than it holds")
    packet_bytes = int(packets["length"].sum(dtype=np.int64))
    windows = int(parts["windows"].sum(dtype=np.int64))
    if packet_bytes + windows * WINDOW.itemsize != len(frame.payload):
        raise DecodeError("the lengths of the packets of the batch do not add up to its payload")
    if len(packets) and int(packets["kind"].max()) >= EVIDENCE_KINDS:
        raise DecodeError("a packet of the batch is of a kind that evidence does not have")
    if len(parts) and int(parts["kind"].max()) > max(PartKind):
        raise DecodeError("a part of the batch is of an unknown kind")
    if len(parts) and int(parts["ended"].max()) >= len(ENDED_NAMES):
        raise DecodeError("a flow of the batch ended for an unknown reason")
    if len(parts):
        _check_ranges(parts)
        if int(parts["windows"].max()) > WINDOWS_KEPT + 1:
            raise DecodeError("a flow of the batch has more windows than any flow keeps")
        for name in set(parts["capture"].tolist()):
            capture_name.decoded(name)
    payload, of_windows = frame.payload[:packet_bytes], frame.payload[packet_bytes:]
    return MediaBatch(frame.origin, parts, packets, payload, np.frombuffer(of_windows.tobytes(), WINDOW))


def _check_ranges(parts: Array) -> None:
    """Raise DecodeError for values that no flow engine produces: a row that no store takes would block it for good."""
    times = np.stack([parts[name] for name in _TIMES])
    if int(times.min()) < -MOST_NS or int(times.max()) >= MOST_NS:
        raise DecodeError("a time of the batch is out of range")
    counts = np.stack([parts[name] for name in _COUNTS])
    if int(counts.min()) < 0 or int(counts.max()) > _MOST_COUNTED:
        raise DecodeError("a counter of a flow of the batch is out of range")
    sequences = np.stack([parts[name] for name in _SEQUENCES])
    if int(sequences.min()) < -_MOST_COUNTED or int(sequences.max()) > _MOST_COUNTED:
        raise DecodeError("a sequence number of a flow of the batch is out of range")
    if (parts["maximum_sequence"] < parts["base_sequence"]).any():
        raise DecodeError("the sequence of a flow of the batch ends before it begins")
    reported = np.frombuffer(parts["reported"].tobytes(), REPORTED)
    for name in ("packet_ms", "jitter_sum_ms", "receiver_round_trip_ms", "sender_round_trip_ms"):
        if not ((reported[name] >= 0) & (reported[name] <= _MOST_JITTER)).all():
            raise DecodeError(f"{name} of a flow of the batch is out of range")
    jitter = parts["jitter"]
    if not ((jitter >= 0) & (jitter <= _MOST_JITTER)).all():
        raise DecodeError("the jitter of a flow of the batch is out of range")
    if int(parts["evidence_state"].max()) > DECIDED:
        raise DecodeError("the evidence of a flow of the batch is in an unknown state")
