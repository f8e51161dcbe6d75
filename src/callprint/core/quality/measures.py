"""The quality of flows as fields of their summaries, from the rows of the flow engine."""

from dataclasses import dataclass
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np

from callprint.core.flow.window_layout import REPORTED, WINDOW
from callprint.core.ground.arrays import Array
from callprint.core.ground.changed import changed
from callprint.core.ground.table import ValueTable
from callprint.core.quality.flow_rating import UNNAMED, Measured, Rating, doubts_of, never_rated, rated
from callprint.core.quality.windows import (
    Interval,
    intervals,
    merged,
    of_flows,
    read_windows,
    windows_texts,
)
from callprint.core.verdict import FlowSummary

FIELDS = (
    *("jitter_min_ms", "jitter_mean_ms", "jitter_max_ms", "late", "burst_density", "gap_density"),
    *("longest_gap_ms", "pause_share", "quiet_share", "packet_ms"),
    *("r_factor", "mos", "mos_band", "round_trip_ms", "far_lost_share", "far_jitter_ms", "far_mos"),
    *("quality_notes", "quality_windows"),
)
"""The fields of a FlowSummary that are filled in here, in its order."""

_FAR = ("round_trip_ms", "far_lost_share", "far_jitter_ms", "far_mos")
_FAR_COUNTERS = ("reports", "jitter_reports", "far_mos_tenths")
_G711 = ("PCMU", "PCMA")
_RATED = ("r_factor", "mos", "mos_band", "quality_notes")
_OF_MEASURED = (
    *("clock_rate_hz", "packet_ms", "bytes", "packets", "long_packets"),
    *("round_trip_ms", "quality_notes"),
)
_about = attrgetter(*_OF_MEASURED)
_RatingCells = tuple[float | None, float | None, str | None, str | None]
"""R, MOS, band and notes."""


@dataclass(frozen=True, slots=True)
class FlowWindows:
    """The windows of several flows, one flow after the other, with what else is known of each."""

    windows: Array  # (m,) WINDOW
    counts: Array  # (n,) int64: windows of each flow; 0: not known
    reported: Array  # (n,) REPORTED


def windows_of_none(flows: int) -> FlowWindows:
    """Return that nothing is known of the quality of so many flows."""
    return FlowWindows(np.zeros(0, WINDOW), np.zeros(flows, np.int64), np.zeros(flows, REPORTED))


def quality_columns(flows: Array, codecs: list[str], found: FlowWindows) -> dict[str, list[Any]]:
    """Return the columns FIELDS of flows. flows: (n,) FLOW; codecs: of each, by RFC 3551."""
    known = np.flatnonzero(found.counts)
    if len(known) == len(flows):
        return _columns(flows, codecs, found)
    of_known = _columns(
        flows[known],
        [codecs[at] for at in known.tolist()],
        FlowWindows(found.windows, found.counts[known], found.reported[known]),
    )
    columns: dict[str, list[Any]] = {name: [None] * len(flows) for name in FIELDS}
    for name, cells in of_known.items():
        for at, cell in zip(known.tolist(), cells, strict=True):
            columns[name][at] = cell
    return columns


def with_codec(summary: FlowSummary, codec: str | None) -> FlowSummary:
    """Return a summary with a rating, where its payload type does not say the codec; codec: by SDP, None if unknown.

    Stores keep the first value of a field, so such a flow gets its rating when it is known whether SDP says more.
    """
    if summary.quality_windows is None or summary.codec != UNNAMED:
        return summary
    measured = measured_of(summary, codec or UNNAMED)
    r, mos, band, notes = _rated_by_text(measured, summary.quality_windows)
    return changed(summary, r_factor=r, mos=mos, mos_band=band, quality_notes=notes)


def _rated_by_text(measured: Measured, windows: str) -> _RatingCells:
    rating = never_rated(measured)  # most often, and the windows need not be read
    if rating is None:
        _, parts = read_windows(windows)
        rating = rated(measured, merged(parts))
    return _of_rating(rating)


def without_codec(summaries: ValueTable[FlowSummary]) -> tuple[ValueTable[FlowSummary], frozenset[int]]:
    """Return summaries as `with_codec` does where signalling says nothing, and the places of those that it rates."""
    texts = zip(summaries.cells("codec"), summaries.cells("quality_windows"), strict=True)
    places = [at for at, (codec, text) in enumerate(texts) if codec == UNNAMED and text is not None]
    if not places:
        return summaries, frozenset()
    chosen = summaries.chosen(places)
    ratings = []
    for *about, text in zip(*map(chosen.cells, (*_OF_MEASURED, "quality_windows")), strict=True):
        ratings.append(_rated_by_text(_measured(UNNAMED, *about), text))
    columns = {name: list(summaries.cells(name)) for name in _RATED}
    for name, cells in zip(_RATED, zip(*ratings, strict=True), strict=True):
        for at, cell in zip(places, cells, strict=True):
            columns[name][at] = cell
    return ValueTable(FlowSummary, {**summaries.columns, **columns}, len(summaries)), frozenset(places)


def measured_of(summary: FlowSummary, codec: str | None = None) -> Measured:
    """Return what the rating of a flow depends on, for windows of it as well."""
    return _measured(codec or summary.announced_codec or summary.codec, *_about(summary))


def _measured(
    codec: str,
    clock_rate_hz: int,
    packet_ms: float | None,
    octets: int,
    packets: int,
    long_packets: int,
    round_trip_ms: float | None,
    notes: str | None,
) -> Measured:
    doubts = tuple(note for note in notes.split(",") if note.startswith("capture_")) if notes else ()
    octets_each = octets / max(1, packets + long_packets)
    return Measured(codec, clock_rate_hz, packet_ms, octets_each, round_trip_ms, doubts)


def _of_rating(rating: Rating) -> _RatingCells:
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


def _columns(flows: Array, codecs: list[str], found: FlowWindows) -> dict[str, list[Any]]:
    """Return the columns FIELDS of flows that have windows."""
    every = intervals(found.windows)
    sums = of_flows(every, found.counts)
    of = dict(zip(Interval._fields, sums.T, strict=True))
    with_jitter, sent = of["jitter_packets"] > 0, of["expected"] > 0
    lasted_ms = (flows["last_rtp_ns"] - flows["first_seen_ns"]) * 1e-6
    packet_ms = [round(value, 3) or None for value in found.reported["packet_ms"].tolist()]
    far = _far_columns(found.reported)
    ratings = _ratings(flows, codecs, sums, packet_ms, far["round_trip_ms"], found.reported["doubts"])
    r, mos, band, notes = zip(*ratings, strict=True) if ratings else ((), (), (), ())
    g711 = np.array([codec in _G711 for codec in codecs], np.bool_)
    return {
        **{
            f"jitter_{which}_ms": _where(with_jitter, (of[f"jitter_{which}_us"] / 1e3).tolist())
            for which in ("min", "mean", "max")
        },
        "late": _where(with_jitter, of["late"].tolist()),
        "burst_density": _where(sent, _shares(of["burst_missing"], of["burst_packets"], 6)),
        "gap_density": _where(
            sent, _shares(of["missing"] - of["burst_missing"], of["expected"] - of["burst_packets"], 6)
        ),
        "longest_gap_ms": of["longest_gap_ms"].tolist(),
        "pause_share": _where(with_jitter, _shares(of["pause_ms"], lasted_ms, 4)),
        "quiet_share": _where(g711, _shares(of["quiet"], of["listened"], 4)),
        "packet_ms": packet_ms,
        "r_factor": list(r),
        "mos": list(mos),
        "mos_band": list(band),
        **far,
        "quality_notes": list(notes),
        "quality_windows": windows_texts(found.reported["span_s"].tolist(), every, found.counts),
    }


def _ratings(
    flows: Array,
    codecs: list[str],
    sums: Array,
    packet_ms: list[float | None],
    round_trip_ms: list[float | None],
    doubts: Array,
) -> list[_RatingCells]:
    """Return R, MOS, band and notes of flows; where only SDP says the codec, they come with it.

    sums: (n, counters) int64, the windows of each flow as one.
    """
    sizes, received, duplicates = (flows[name].tolist() for name in ("bytes", "received", "duplicates"))
    in_doubt = list(map(doubts_of, doubts.tolist(), received, duplicates))
    found: list[_RatingCells] = [(None, None, None, ",".join(doubt) or None) for doubt in in_doubt]
    named = [at for at, codec in enumerate(codecs) if codec != UNNAMED]
    rates_hz, heard = flows["clock_rate_hz"][named].tolist(), map(Interval._make, sums[named].tolist())
    for at, rate_hz, each in zip(named, rates_hz, heard, strict=True):
        octets = sizes[at] / max(received[at], 1)  # 0 in a damaged part
        about = (codecs[at], rate_hz, packet_ms[at], octets, round_trip_ms[at], in_doubt[at])
        found[at] = _of_rating(rated(Measured(*about), each))
    return found


def _far_columns(reported: Array) -> dict[str, list[Any]]:
    """Return what RTCP reports of flows, (n,) REPORTED; nothing where none came."""
    told = np.zeros(len(reported), np.bool_)
    for name in (*(f"{end}_round_trip_ms" for end in ("receiver", "sender")), *_FAR_COUNTERS):
        told |= reported[name] != 0
    columns: dict[str, list[Any]] = {name: [None] * len(reported) for name in _FAR}
    for at in np.flatnonzero(told).tolist():
        about = _Reported(*reported[at].tolist())
        for name in _FAR:
            columns[name][at] = getattr(about, name)
    return columns


def _where(known: Array, cells: list[Any]) -> list[Any]:
    """Return cells, None where they are not known; known: (n,) bool."""
    if known.all():
        return cells
    return [cell if is_known else None for cell, is_known in zip(cells, known.tolist(), strict=True)]


def _shares(parts: Array, wholes: Array, decimals: int) -> list[float]:
    """Return the share that each part, (n,), is of its whole, between 0 and 1; 0 of nothing."""
    shares = np.zeros(len(parts))
    np.divide(parts, wholes, out=shares, where=wholes > 0)
    found: list[float] = np.clip(shares, 0.0, 1.0).tolist()
    return [share if share in (0.0, 1.0) else round(share, decimals) for share in found]
