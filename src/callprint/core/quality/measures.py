"""The quality of flows as fields of their summaries, from the rows of the flow engine."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from callprint.core.flow.window_layout import REPORTED, WINDOW
from callprint.core.ground.arrays import Array
from callprint.core.ground.changed import changed
from callprint.core.quality.flow_rating import UNNAMED, Measured, Rating, doubts_of, never_rated, rated
from callprint.core.quality.windows import Interval, intervals, merged, read_windows, windows_text
from callprint.core.verdict import FlowSummary

FIELDS = (
    *("jitter_min_ms", "jitter_mean_ms", "jitter_max_ms", "late", "burst_density", "gap_density"),
    *("longest_gap_ms", "pause_share", "quiet_share", "packet_ms"),
    *("r_factor", "mos", "mos_band", "round_trip_ms", "far_lost_share", "far_jitter_ms", "far_mos"),
    *("quality_notes", "quality_windows"),
)
"""The fields of a FlowSummary that are filled in here, in its order."""

_UNKNOWN = (None,) * len(FIELDS)
_G711 = ("PCMU", "PCMA")


@dataclass(frozen=True, slots=True)
class FlowWindows:
    """The windows of several flows, one flow after the other, with what else is known of each."""

    windows: Array  # (m,) WINDOW
    counts: Array  # (n,) int64: windows of each flow; 0: not known
    reported: Array  # (n,) REPORTED


def windows_of_none(flows: int) -> FlowWindows:
    """Return that nothing is known of the quality of so many flows."""
    return FlowWindows(np.zeros(0, WINDOW), np.zeros(flows, np.int64), np.zeros(flows, REPORTED))


def quality_columns(flows: Array, codecs: list[str], found: FlowWindows) -> list[tuple[Any, ...]]:
    """Return the values of FIELDS for each flow. flows: (n,) FLOW; codecs: of each, by RFC 3551."""
    rows = intervals(found.windows)
    of_flows = zip(
        codecs,
        found.counts.tolist(),
        found.reported.tolist(),
        *(flows[name].tolist() for name in ("clock_rate_hz", "bytes", "received", "duplicates")),
        ((flows["last_rtp_ns"] - flows["first_seen_ns"]) * 1e-6).tolist(),
        strict=True,
    )
    values = []
    at = 0
    for codec, count, reported, clock_rate_hz, size, received, duplicates, lasted_ms in of_flows:
        parts = rows[at : at + count]
        at += count
        if not parts:
            values.append(_UNKNOWN)
            continue
        about = _Reported(*reported)
        measured = Measured(
            codec,
            clock_rate_hz,
            round(about.packet_ms, 3) or None,
            size / max(received, 1),  # 0 in a damaged part
            about.round_trip_ms,
            doubts_of(about.doubts, received, duplicates),
        )
        values.append(_values(parts, about, measured, lasted_ms))
    return values


def with_codec(summary: FlowSummary, codec: str | None) -> FlowSummary:
    """Return a summary with a rating, where its payload type does not say the codec; codec: by SDP, None if unknown.

    Stores keep the first value of a field, so such a flow gets its rating when it is known whether SDP says more.
    """
    if summary.quality_windows is None or summary.codec != UNNAMED:
        return summary
    measured = measured_of(summary, codec or UNNAMED)
    rating = never_rated(measured)  # most often, and the windows need not be read
    if rating is None:
        _, parts = read_windows(summary.quality_windows)
        rating = rated(measured, merged(parts))
    r, mos, band, notes = _of_rating(rating)
    return changed(summary, r_factor=r, mos=mos, mos_band=band, quality_notes=notes)


def measured_of(summary: FlowSummary, codec: str | None = None) -> Measured:
    """Return what the rating of a flow depends on, for windows of it as well."""
    notes = tuple((summary.quality_notes or "").split(","))
    return Measured(
        codec or summary.announced_codec or summary.codec,
        summary.clock_rate_hz,
        summary.packet_ms,
        summary.bytes / max(1, summary.packets + summary.long_packets),
        summary.round_trip_ms,
        tuple(note for note in notes if note.startswith("capture_")),
    )


def _of_rating(rating: Rating) -> tuple[float | None, float | None, str | None, str | None]:
    band = None if rating.band is None else rating.band.value
    return rating.r, rating.mos, band, ",".join(rating.notes) or None


class _Reported(NamedTuple):
    """A row of REPORTED."""

    packet_ms: float
    span_s: int
    doubts: int
    reports: int
    first_lost: int
    first_highest: int
    lost: int
    highest: int
    jitter_sum_ms: float
    jitter_reports: int
    receiver_round_trip_ms: float
    sender_round_trip_ms: float
    sender_report: int
    sender_report_ns: int
    far_r: int
    far_mos_tenths: int
    far_delay_ms: int
    far_discard: int

    @property
    def round_trip_ms(self) -> float | None:
        """The way from the capture to either end and back, as far as it is known."""
        both = self.receiver_round_trip_ms + self.sender_round_trip_ms
        return round(both, 3) if both > 0 else None

    @property
    def far_lost_share(self) -> float | None:
        """What the receiver says was lost, of what was sent between its first and its newest report."""
        sent = (self.highest - self.first_highest) & 0xFFFFFFFF
        if not self.reports or not 0 < sent < 0x80000000:
            return None
        return round(min(1.0, max(0, self.lost - self.first_lost) / sent), 6)

    @property
    def far_jitter_ms(self) -> float | None:
        """Mean of the jitter that the receiver reports."""
        return round(self.jitter_sum_ms / self.jitter_reports, 3) if self.jitter_reports else None

    @property
    def far_mos(self) -> float | None:
        """The listening MOS of RTCP XR."""
        return self.far_mos_tenths / 10 if 10 <= self.far_mos_tenths <= 50 else None


def _values(parts: list[Interval], about: _Reported, measured: Measured, lasted_ms: float) -> tuple[Any, ...]:
    """Return the values of FIELDS for a flow."""
    heard = merged(parts)
    rating = (
        rated(measured, heard) if measured.codec != UNNAMED else Rating(None, None, None, measured.doubts)
    )
    r, mos, band, notes = _of_rating(rating)
    with_jitter = heard.jitter_packets > 0
    sent_in_gaps = heard.expected - heard.burst_packets
    return (
        heard.jitter_min_us / 1e3 if with_jitter else None,
        heard.jitter_mean_us / 1e3 if with_jitter else None,
        heard.jitter_max_us / 1e3 if with_jitter else None,
        heard.late if with_jitter else None,
        _share(heard.burst_missing, heard.burst_packets, 6) if heard.expected else None,
        _share(heard.missing - heard.burst_missing, sent_in_gaps, 6) if heard.expected else None,
        heard.longest_gap_ms,
        _share(heard.pause_ms, lasted_ms, 4) if with_jitter else None,
        _share(heard.quiet, heard.listened, 4) if measured.codec in _G711 else None,
        measured.packet_ms,
        *(r, mos, band),
        measured.round_trip_ms,
        about.far_lost_share,
        about.far_jitter_ms,
        about.far_mos,
        notes,
        windows_text(about.span_s, parts),
    )


def _share(part: float, whole: float, decimals: int) -> float:
    return round(min(1.0, max(0.0, part / whole)), decimals) if whole > 0 else 0.0
