"""From what is measured of a flow to R and MOS, with what was assumed, or why none is claimed."""

from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from callprint.core.flow.window_layout import DOUBT_CUT, DOUBT_DROPS, LATE_AFTER_S
from callprint.core.quality.codecs import Impairment, impairment
from callprint.core.quality.emodel import Band, mos, rating
from callprint.core.quality.windows import Interval

LEAST_PACKETS = 50
"""Packets of a flow below which no MOS is claimed: a second of voice."""

UNNAMED = "dynamic"
"""The codec of a flow whose payload type RFC 3551 leaves open."""

_RTP_HEADER = 12
_DUPLICATES_IN_DOUBT = 0.01
_USUAL_PACKET_MS = 20.0


class Note(StrEnum):
    """Why there is no MOS, or what it rests on."""

    CODEC_UNKNOWN = "codec_unknown"  # no values for this codec, or nobody says which it is
    TOO_SHORT = "too_short"
    CAPTURE_DROPS = "capture_drops"  # the capture itself lost packets meanwhile
    CAPTURE_CUT = "capture_cut"  # a snap length cut packets meanwhile
    CAPTURE_DUPLICATES = "capture_duplicates"  # more than a hundredth came twice: seen at two places?
    CODEC_ASSUMED = "codec_assumed"  # a dynamic payload type with 48 kHz: Opus
    DELAY_UNKNOWN = "delay_unknown"  # no RTCP says: the network's delay counts as 0


class Rating(NamedTuple):
    """What the E-model says of a flow or a window."""

    r: float | None
    mos: float | None
    band: Band | None
    notes: tuple[str, ...]


class Measured(NamedTuple):
    """What a rating depends on besides the packets themselves."""

    codec: str  # by SDP or RFC 3551
    clock_rate_hz: int
    packet_ms: float | None
    payload_bytes: float  # of a packet, on average, RTP header included
    round_trip_ms: float | None
    doubts: tuple[str, ...] = ()  # notes that forbid a MOS


def doubts_of(flags: int, received: int, duplicates: int) -> tuple[str, ...]:
    """Return why loss in the capture may not be loss in the network. flags: DOUBT_ bits."""
    return (
        *((Note.CAPTURE_DROPS,) if flags & DOUBT_DROPS else ()),
        *((Note.CAPTURE_CUT,) if flags & DOUBT_CUT else ()),
        *((Note.CAPTURE_DUPLICATES,) if duplicates > _DUPLICATES_IN_DOUBT * received else ()),
    )


@lru_cache(maxsize=4096)
def never_rated(measured: Measured) -> Rating | None:
    """Return the rating of a flow that gets no MOS whatever was heard of it; None where that decides."""
    if measured.doubts:
        return Rating(None, None, None, measured.doubts)
    name, _ = _codec(measured)
    return Rating(None, None, None, (Note.CODEC_UNKNOWN,)) if _impairment(measured, name) is None else None


def rated(measured: Measured, heard: Interval, least_packets: int = LEAST_PACKETS) -> Rating:
    """Return the rating of a flow, or of a window of it, by what was heard of it."""
    return _rated(measured, heard.expected < least_packets, heard.missing_percent, heard.burst_ratio)


@lru_cache(maxsize=4096)  # flows without loss are alike
def _rated(measured: Measured, too_short: bool, missing_percent: float, burst_ratio: float) -> Rating:
    if measured.doubts:
        return Rating(None, None, None, measured.doubts)
    name, assumed = _codec(measured)
    found = _impairment(measured, name)
    if found is None:
        return Rating(None, None, None, (Note.CODEC_UNKNOWN,))
    packet_ms = measured.packet_ms or _USUAL_PACKET_MS
    if too_short:
        return Rating(None, None, None, (Note.TOO_SHORT,))
    network_ms = (measured.round_trip_ms or 0.0) / 2
    r = rating(
        found.band,
        loss_percent=missing_percent,
        burst_ratio=burst_ratio,
        ie=found.ie,
        bpl=found.bpl,
        delay_ms=packet_ms + found.lookahead_ms + LATE_AFTER_S * 1e3 + network_ms,
    )
    unknown = () if measured.round_trip_ms is not None else (Note.DELAY_UNKNOWN,)
    notes = (*assumed, *found.assumed, *unknown)
    return Rating(round(r, 1), round(mos(r, found.band), 2), found.band, tuple(map(str, notes)))


def _codec(measured: Measured) -> tuple[str, tuple[str, ...]]:
    """Return the codec that counts, and what was assumed."""
    if measured.codec == UNNAMED and measured.clock_rate_hz == 48000:
        return "OPUS", (Note.CODEC_ASSUMED,)
    return measured.codec, ()


def _impairment(measured: Measured, codec: str) -> Impairment | None:
    packet_ms = measured.packet_ms or _USUAL_PACKET_MS
    return impairment(codec, max(0.0, measured.payload_bytes - _RTP_HEADER) * 8 / packet_ms)
