"""The E-model: from loss, delay and codec to a rating R, and from R to a MOS.

Narrowband is ITU-T G.107 (06/2015) whole: every input of the Recommendation is a field of `Connection`, with the
default value that it gives. Wideband (G.107.1, R up to 129) and fullband (G.107.2, R up to 148) take the delay and the
equipment impairment, and leave everything else at its default: the Recommendations do not model the rest yet.
"""

from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from math import exp, log2, log10, sqrt


class Band(StrEnum):
    """How much of the voice a codec carries, and so which of the three E-models rates it."""

    NARROW = "narrowband"  # 300 to 3400 Hz, G.107
    WIDE = "wideband"  # 50 to 7000 Hz, G.107.1
    FULL = "fullband"  # 20 to 20000 Hz, G.107.2; super-wideband codecs are rated on it too


BEST_R = {Band.NARROW: 93.2, Band.WIDE: 129.0, Band.FULL: 148.0}
"""R of a connection without any impairment: of G.107 with all defaults; Ro of G.107.1 and of G.107.2."""

_SCALE = {Band.NARROW: 1.0, Band.WIDE: 1.29, Band.FULL: 1.48}
"""By which R is divided before it becomes a MOS (Annex A of G.107.1 and of G.107.2)."""

_MOST_LOST_R = {Band.NARROW: 95.0, Band.WIDE: 95.0, Band.FULL: 132.0}
"""What the equipment impairment tends to as ever more is lost."""

_ABSOLUTE_DELAY_MS = 100.0  # mT of G.107: below it the delay itself is not noticed


@dataclass(frozen=True, slots=True)
class Connection:
    """The inputs of G.107 apart from codec, loss and absolute delay, named and preset as in its Table 2."""

    slr: float = 8.0  # send loudness rating, dB
    rlr: float = 2.0  # receive loudness rating, dB
    stmr: float = 15.0  # sidetone masking rating, dB
    d_receive: float = 3.0  # D-value of the telephone at the receive side
    d_send: float = 3.0
    telr: float = 65.0  # talker echo loudness rating, dB
    wepl: float = 110.0  # weighted echo path loss, dB
    echo_delay_ms: float = 0.0  # T, one way
    round_trip_ms: float = 0.0  # Tr, in the four-wire loop
    quantizing_distortion: float = 1.0  # qdu
    circuit_noise: float = -70.0  # Nc, dBm0p
    noise_floor: float = -64.0  # Nfor, dBmp
    room_noise_send: float = 35.0  # Ps, dB(A)
    room_noise_receive: float = 35.0  # Pr, dB(A)
    advantage: float = 0.0  # A: what users forgive for being mobile


DEFAULTS = Connection()


def rating(
    band: Band,
    *,
    loss_percent: float = 0.0,
    burst_ratio: float = 1.0,
    ie: float = 0.0,
    bpl: float = 4.3,
    delay_ms: float = 0.0,
) -> float:
    """Return R of a connection with defaults, codec, loss and absolute delay, never below 0.

    loss_percent: packets that are not played (Ppl); burst_ratio: BurstR of G.107, 1 where losses are independent; ie,
    bpl: of the codec, on the scale of its band; delay_ms: mouth to ear (Ta).
    """
    impaired = equipment_impairment(band, loss_percent, burst_ratio, ie, bpl)
    best = _best_narrowband_r() if band is Band.NARROW else BEST_R[band]
    return max(0.0, best - delay_impairment(delay_ms) - impaired)


def narrowband_r(
    connection: Connection,
    *,
    loss_percent: float = 0.0,
    burst_ratio: float = 1.0,
    ie: float = 0.0,
    bpl: float = 4.3,
    delay_ms: float = 0.0,
) -> float:
    """Return R by the whole of G.107, equation 7-1; it may be negative."""
    c = connection
    olr = c.slr + c.rlr
    pre = c.room_noise_receive + 10 * log10(1 + 10 ** ((10 - (c.stmr + c.d_receive)) / 10))
    noise = _sum_of_levels(
        c.circuit_noise,
        c.room_noise_send - c.slr - c.d_send - 100 + 0.004 * (c.room_noise_send - olr - c.d_send - 14) ** 2,
        c.rlr - 121 + pre + 0.008 * (pre - 35) ** 2,
        c.noise_floor + c.rlr,
    )
    ro = 15 - 1.5 * (c.slr + noise)
    sidetone = _sidetone_impairment(c)
    simultaneous = _loudness_impairment(olr, noise, c.rlr) + sidetone + _quantizing_impairment(c, ro)
    delay = (
        _talker_echo_impairment(c, noise, sidetone)
        + _listener_echo_impairment(c, ro)
        + delay_impairment(delay_ms)
    )
    equipment = equipment_impairment(Band.NARROW, loss_percent, burst_ratio, ie, bpl)
    return ro - simultaneous - delay - equipment + c.advantage


@cache
def _best_narrowband_r() -> float:
    return narrowband_r(DEFAULTS)


def equipment_impairment(band: Band, loss_percent: float, burst_ratio: float, ie: float, bpl: float) -> float:
    """Return Ie-eff: what codec and loss take from R (G.107 equation 7-29)."""
    if loss_percent <= 0:
        return ie
    return ie + (_MOST_LOST_R[band] - ie) * loss_percent / (loss_percent / burst_ratio + bpl)


def delay_impairment(delay_ms: float) -> float:
    """Return Idd: what the delay from mouth to ear takes from R, echo apart (G.107 equation 7-27)."""
    if delay_ms <= _ABSOLUTE_DELAY_MS:
        return 0.0
    x = log2(delay_ms / _ABSOLUTE_DELAY_MS)
    return 25.0 * float((1 + x**6) ** (1 / 6) - 3 * (1 + (x / 3) ** 6) ** (1 / 6) + 2)


def mos(r: float, band: Band = Band.NARROW) -> float:
    """Return the estimated MOS of R, 1 to 4.5 (G.107 Annex B; Annex A of G.107.1 and of G.107.2).

    For R below 6.5 the polynomial of Annex B dips below 1, which no MOS is.
    """
    x = r / _SCALE[band]
    if x >= 100:
        return 4.5
    return max(1.0, 1 + 0.035 * x + x * (x - 60) * (100 - x) * 7e-6) if x > 0 else 1.0


def _sum_of_levels(*levels: float) -> float:
    """Return the level of several independent noises together, dB."""
    return 10 * log10(sum(10 ** (level / 10) for level in levels))


def _loudness_impairment(olr: float, noise: float, rlr: float) -> float:
    """Return Iolr: too loud a connection (equation 7-8)."""
    x = (olr + 0.2 * (64 + noise - rlr)) / 8
    return float(20 * ((1 + x**8) ** (1 / 8) - x))


def _sidetone_impairment(c: Connection) -> float:
    """Return Ist: too much or too little sidetone (equation 7-10)."""
    masked = -10 * log10(10 ** (-c.stmr / 10) + exp(-c.echo_delay_ms / 4) * 10 ** (-c.telr / 10))
    return float(
        12 * (1 + ((masked - 13) / 6) ** 8) ** (1 / 8)
        - 28 * (1 + ((masked + 1) / 19.4) ** 35) ** (1 / 35)
        - 13 * (1 + ((masked - 3) / 33) ** 13) ** (1 / 13)
        + 29
    )


def _quantizing_impairment(c: Connection, ro: float) -> float:
    """Return Iq: quantizing distortion (equation 7-12)."""
    q = 37 - 15 * log10(c.quantizing_distortion)
    g = 1.07 + 0.258 * q + 0.0602 * q**2
    y = (ro - 100) / 15 + 46 / 8.4 - g / 9
    z = 46 / 30 - g / 40
    return 15 * log10(1 + 10**y + 10**z)


def _talker_echo_impairment(c: Connection, noise: float, sidetone: float) -> float:
    """Return Idte: the echo of one's own voice (equation 7-19), with what the sidetone changes about it."""
    delay_ms = c.echo_delay_ms
    terv = c.telr - 40 * log10((1 + delay_ms / 10) / (1 + delay_ms / 150)) + 6 * exp(-0.3 * delay_ms**2)
    if c.stmr < 9:
        terv += sidetone / 2
    half = (-1.5 * (noise - c.rlr) - (80 + 2.5 * (terv - 14))) / 2
    echo = (half + sqrt(half**2 + 100) - 1) * (1 - exp(-delay_ms))
    return sqrt(echo**2 + sidetone**2) if c.stmr > 20 else echo


def _listener_echo_impairment(c: Connection, ro: float) -> float:
    """Return Idle: the echo of the other's voice (equation 7-25)."""
    half = (ro - 10.5 * (c.wepl + 7) * float((c.round_trip_ms + 1) ** -0.25)) / 2
    return sqrt(half**2 + 169) + half
