"""The E-model as ITU-T G.107 (06/2015) prints it, equation by equation: an oracle without a line of callprint."""

from math import log10

# Table 2: the defaults of a connection.
SLR, RLR, STMR, LSTR, DS, TELR, WEPL, QDU = 8, 2, 15, 18, 3, 65, 110, 1
NC, NFOR, PS, PR, OLR = -70, -64, 35, 35, 10


def basic_ratio() -> tuple[float, float]:
    """No of 7-3 and Ro of 7-2."""
    nos = PS - SLR - DS - 100 + 0.004 * (PS - OLR - DS - 14) ** 2
    pre = PR + 10 * log10(1 + 10 ** ((10 - LSTR) / 10))
    nor = RLR - 121 + pre + 0.008 * (pre - 35) ** 2
    no = 10 * log10(sum(10 ** (each / 10) for each in (NC, nos, nor, NFOR + RLR)))
    return no, 15 - 1.5 * (SLR + no)


def simultaneous(no: float, ro: float) -> float:
    """Is of 7-8: loudness, sidetone, quantizing."""
    x = OLR + 0.2 * (64 + no - RLR)
    loud = 20 * ((1 + (x / 8) ** 8) ** (1 / 8) - x / 8)
    st = -10 * log10(10 ** (-STMR / 10) + 10 ** (-TELR / 10))
    side = 12 * (1 + ((st - 13) / 6) ** 8) ** (1 / 8) - 28 * (1 + ((st + 1) / 19.4) ** 35) ** (1 / 35)
    side += 29 - 13 * (1 + ((st - 3) / 33) ** 13) ** (1 / 13)
    q = 37 - 15 * log10(QDU)
    g = 1.07 + 0.258 * q + 0.0602 * q**2
    quantized = 15 * log10(1 + 10 ** ((ro - 100) / 15 + 46 / 8.4 - g / 9) + 10 ** (46 / 30 - g / 40))
    return loud + side + quantized


def delayed(ro: float, absolute_ms: float) -> float:
    """Id of 7-18 without delay of an echo: listener echo at its least, and too long a delay."""
    rle = 10.5 * (WEPL + 7)
    echo = (ro - rle) / 2 + (((ro - rle) / 2) ** 2 + 169) ** 0.5
    if absolute_ms <= 100:
        return echo
    x = log10(absolute_ms / 100) / log10(2)
    return echo + 25 * ((1 + x**6) ** (1 / 6) - 3 * (1 + (x / 3) ** 6) ** (1 / 6) + 2)


def r_factor(
    loss_percent: float, absolute_ms: float, ie: float, bpl: float, burst_ratio: float = 1.0
) -> float:
    """R of 7-1 with Ie-eff of 7-29, without advantage."""
    no, ro = basic_ratio()
    effective = ie + (95 - ie) * loss_percent / (loss_percent / burst_ratio + bpl)
    return ro - simultaneous(no, ro) - delayed(ro, absolute_ms) - effective


def mos(r: float) -> float:
    """B-4 of Annex B."""
    if r <= 0:
        return 1.0
    return 4.5 if r >= 100 else 1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6
