"""The E-model against what G.107, G.107.1 and G.113 print, and what must hold of any model of quality."""

import g107
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callprint.core.quality.codecs import codecs, impairment
from callprint.core.quality.emodel import (
    BEST_R,
    DEFAULTS,
    Band,
    Connection,
    delay_impairment,
    mos,
    narrowband_r,
    rating,
)

percents = st.floats(0, 100)
bands = st.sampled_from(list(Band))


def test_defaults_give_what_the_recommendation_prints():
    r = narrowband_r(DEFAULTS)
    assert round(r, 1) == 93.2
    assert round(mos(r), 2) == 4.41


@pytest.mark.parametrize(("r", "expected"), [(90, 4.34), (80, 4.03), (70, 3.60), (60, 3.10), (50, 2.58)])
def test_mos_of_table_b_1(r, expected):
    assert mos(r) == pytest.approx(expected, abs=0.007)  # the table's own rounding


@pytest.mark.parametrize(
    ("ie", "expected"),
    [(8, 4.42), (1, 4.49), (3, 4.48), (5, 4.46), (7, 4.43), (10, 4.39), (13, 4.34), (26, 4.02), (41, 3.51)],
)
def test_mos_of_the_modes_of_amr_wb(ie, expected):
    """G.113 Table IV.1 with G.107.1 Annex A, without loss."""
    assert mos(rating(Band.WIDE, ie=ie), Band.WIDE) == pytest.approx(expected, abs=0.006)


def test_a_delay_within_100_ms_takes_nothing_and_400_ms_take_about_24():
    """The curves of G.114 (Figure 1): R of 93 up to 150 ms, and near 70 at 400 ms."""
    assert delay_impairment(100) == 0
    assert rating(Band.NARROW, delay_ms=150) > 92
    assert rating(Band.NARROW, delay_ms=400) == pytest.approx(69, abs=1)


def test_an_echo_of_one_s_own_voice_is_worse_the_later_it_comes():
    rs = [
        narrowband_r(Connection(echo_delay_ms=t, round_trip_ms=2 * t), delay_ms=t) for t in range(0, 500, 50)
    ]
    assert rs == sorted(rs, reverse=True)
    assert rs[0] - rs[-1] >= 34


@pytest.mark.parametrize(("ie", "bpl", "expected"), [(0, 25.1, 77.4), (11, 19, 64.7), (5, 10, 58.2)])
def test_five_percent_of_random_loss(ie, bpl, expected):
    """Ie-eff worked by hand: Ie + (95 - Ie) * 5 / (5 + Bpl)."""
    assert rating(Band.NARROW, loss_percent=5, ie=ie, bpl=bpl) == pytest.approx(expected, abs=0.05)


@given(percents, st.floats(1, 8), st.floats(0, 60), st.floats(1, 40), st.floats(0, 2000))
def test_it_is_what_the_equations_give(loss, burst_ratio, ie, bpl, delay_ms):
    ours = rating(Band.NARROW, loss_percent=loss, burst_ratio=burst_ratio, ie=ie, bpl=bpl, delay_ms=delay_ms)
    theirs = g107.r_factor(loss, delay_ms, ie, bpl, burst_ratio)
    assert ours == pytest.approx(max(0.0, theirs), abs=0.02)
    assert mos(ours) == pytest.approx(max(1.0, g107.mos(theirs)), abs=0.001)


@given(bands, percents, percents, st.floats(1, 8), st.floats(0, 60), st.floats(1, 40), st.floats(0, 2000))
def test_more_loss_never_raises_mos(band, one, other, burst_ratio, ie, bpl, delay_ms):
    less, more = sorted((one, other))
    better, worse = (
        rating(band, loss_percent=loss, burst_ratio=burst_ratio, ie=ie, bpl=bpl, delay_ms=delay_ms)
        for loss in (less, more)
    )
    assert worse <= better + 1e-9
    assert mos(worse, band) <= mos(better, band) + 1e-9


@given(bands, percents, st.floats(0, 60), st.floats(1, 40), st.floats(1, 40))
def test_a_codec_that_bears_loss_better_is_rated_no_lower(band, loss, ie, one, other):
    weak, robust = sorted((one, other))
    assert (
        rating(band, loss_percent=loss, ie=ie, bpl=robust)
        >= rating(band, loss_percent=loss, ie=ie, bpl=weak) - 1e-9
    )


@given(bands, percents, st.floats(1, 8), st.floats(1, 8), st.floats(0, 3000), st.floats(0, 3000))
def test_longer_bursts_and_longer_delays_are_never_better(band, loss, one, other, soon, late):
    short, long = sorted((one, other))
    first, second = sorted((soon, late))
    assert (
        rating(band, loss_percent=loss, burst_ratio=long, delay_ms=second)
        <= rating(band, loss_percent=loss, burst_ratio=short, delay_ms=first) + 1e-9
    )


@given(bands, st.floats(-50, 200), st.floats(-50, 200))
def test_mos_rises_with_r_and_stays_on_its_scale(band, one, other):
    low, high = sorted((one, other))
    assert 1 <= mos(low, band) <= mos(high, band) <= 4.5


def test_every_codec_has_values_on_its_scale():
    assert len(codecs()) > 12
    for name in codecs():
        for rate in (None, 0.0, 13.2, 1000.0):
            found = impairment(name.lower(), rate)
            assert found is not None
            assert 0 <= found.ie < BEST_R[found.band]
            assert found.bpl >= 1
            assert found.source


def test_of_several_rates_the_nearest_counts():
    assert impairment("opus", 39)[1] == impairment("opus", 64)[1] == 10.67
    assert impairment("EVS", 24)[1:3] == (7.2, 11.4)


def test_nothing_is_made_up_for_a_codec_without_values():
    assert impairment("speex", 20) is None
    assert impairment("dynamic", None) is None
