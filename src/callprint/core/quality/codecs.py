"""What each codec takes from R by itself (Ie) and how well it bears loss (Bpl), with the source of each value.

The ITU's values are those of G.113 (09/2024): Appendix I for narrowband, IV for wideband (one ear), V for fullband.
Where the ITU gives no Bpl for a codec, that of G.711 without concealment stands in its place, which is the worst that
G.113 has: a MOS with loss is then a lower bound. Such an assumption has a name in `Impairment.assumed`.
"""

from bisect import bisect_left
from typing import NamedTuple

from callprint.core.quality.emodel import Band

LEAST_BPL = 4.3
"""Bpl of G.711 without packet loss concealment, the lowest in G.113."""

ASSUMED_LOSS = "loss_tolerance"  # no Bpl is published for the codec
ASSUMED_RATE = "codec_rate"  # values for one of several bit rates, which RTP does not name
ASSUMED_KIN = "codec_values"  # the ITU has no values for the codec


class Impairment(NamedTuple):
    """The E-model's values of a codec at a bit rate."""

    band: Band
    ie: float
    bpl: float
    lookahead_ms: float  # delay of the algorithm beyond its packets
    source: str
    assumed: tuple[str, ...] = ()


_I = "G.113 App. I"
_IV = "G.113 App. IV"
_V = "G.113 App. V"
_OPUS = "M. Al-Ahmadi: E-model parameters of super-wideband Opus, 2021"

# PLC: phones conceal lost packets of G.711 (its Appendix I), and have done so for long.
_FIXED: dict[str, Impairment] = {
    "PCMU": Impairment(Band.NARROW, 0, 25.1, 0, _I),
    "PCMA": Impairment(Band.NARROW, 0, 25.1, 0, _I),
    "G729": Impairment(Band.NARROW, 11, 19.0, 5, _I),
    "G723": Impairment(Band.NARROW, 15, 16.1, 7.5, _I, (ASSUMED_RATE,)),  # 6.3 kbit/s
    "G728": Impairment(Band.NARROW, 7, LEAST_BPL, 0, _I, (ASSUMED_LOSS,)),
    "G726-40": Impairment(Band.NARROW, 2, LEAST_BPL, 0, _I, (ASSUMED_LOSS,)),
    "G726-32": Impairment(Band.NARROW, 7, LEAST_BPL, 0, _I, (ASSUMED_LOSS,)),
    "G726-24": Impairment(Band.NARROW, 25, LEAST_BPL, 0, _I, (ASSUMED_LOSS,)),
    "G726-16": Impairment(Band.NARROW, 50, LEAST_BPL, 0, _I, (ASSUMED_LOSS,)),
    "GSM": Impairment(Band.NARROW, 20, LEAST_BPL, 0, _I, (ASSUMED_LOSS,)),
    "GSM-EFR": Impairment(Band.NARROW, 5, 10.0, 0, _I),
    # Its mode of 12.2 kbit/s is GSM-EFR (3GPP TS 26.071); the ITU has no values for the others.
    "AMR": Impairment(Band.NARROW, 5, 10.0, 5, _I, (ASSUMED_KIN,)),
    "G722": Impairment(Band.WIDE, 13, LEAST_BPL, 1.5, _IV, (ASSUMED_LOSS,)),  # 64 kbit/s
    # 12.65 kbit/s, the usual mode of VoLTE.
    "AMR-WB": Impairment(Band.WIDE, 13, LEAST_BPL, 5, _IV, (ASSUMED_RATE, ASSUMED_LOSS)),
}

# (kbit/s, Ie, Bpl), by rising rate; super-wideband, on the scale of G.107.2.
_EVS = (
    (9.6, 22.7, 13.0), (13.2, 17.1, 11.7), (16.4, 10.8, 10.3), (24.4, 7.2, 11.4), (32, 8.7, 9.3), (48, 10.2, 9.6),
)  # fmt: skip
_OPUS_VBR = (
    (14, 38.06, 16.51), (16, 30.16, 11.83), (19, 23.81, 10.67), (22, 20.22, 10.47), (25, 20.21, 11.28),
    (28, 18.48, 10.63), (31, 16.83, 10.44), (34, 14.76, 10.12), (37, 12.08, 10.38), (40, 10.67, 9.79),
)  # fmt: skip
_BY_RATE = {
    "EVS": (_EVS, 12.0, _V, (ASSUMED_RATE,)),
    "OPUS": (_OPUS_VBR, 6.5, _OPUS, (ASSUMED_RATE, ASSUMED_KIN)),
}

_OTHER_NAMES = {
    "G729A": "G729",
    "G723.1": "G723",
    "GSM_EFR": "GSM-EFR",
    "AMR_WB": "AMR-WB",
    "G7221": "G722.1",
}


def impairment(codec: str, kbit_per_s: float | None) -> Impairment | None:
    """Return the values of a codec by its encoding name in SDP or RFC 3551; None where nothing is published.

    kbit_per_s: of the voice alone, as measured; of codecs with several rates, the nearest published one counts.
    """
    name = codec.upper()
    name = _OTHER_NAMES.get(name, name)
    if name not in _BY_RATE:
        return _FIXED.get(name)
    points, lookahead_ms, source, assumed = _BY_RATE[name]
    _, ie, bpl = points[0] if kbit_per_s is None else _nearest(points, kbit_per_s)
    return Impairment(Band.FULL, ie, bpl, lookahead_ms, source, assumed)


def _nearest(points: tuple[tuple[float, float, float], ...], rate: float) -> tuple[float, float, float]:
    at = bisect_left(points, (rate,))
    return min(points[max(0, at - 1) : at + 1], key=lambda point: abs(point[0] - rate))


def codecs() -> tuple[str, ...]:
    """Return the names of all codecs that have values, in order."""
    return tuple(sorted((*_FIXED, *_BY_RATE)))
