"""Histories against their definitions, their bounds, and hostile rows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callprint.core.calls.facts import CALL, ENDED_BY_CALLEE
from callprint.core.ground.errors import ConfigError
from callprint.core.ground.keys import stable_key
from callprint.core.spam.features import (
    END_COLUMNS,
    FEATURE_COUNT,
    FEATURES,
    PAPER_COLUMNS,
    SETUP_COLUMNS,
    Feature,
    transform,
)
from callprint.core.spam.histories import CallHistory

START_NS = 1_800_000_000 * 1_000_000_000


def call(at_s, caller=1, callee=2, talk_s=30.0, **fields):
    """One answered call of caller number 4930000000 + caller."""
    row = np.zeros(1, CALL)[0]
    row["started_ns"] = START_NS + int(at_s * 1e9)
    row["answered_ns"] = row["started_ns"] + 5_000_000_000
    row["ended_ns"] = row["answered_ns"] + int(talk_s * 1e9)
    row["status"], row["caller"], row["callee"] = 200, caller, callee
    row["caller_number"], row["callee_number"] = 4_930_000_000 + caller, 4_930_000_000 + callee
    row["caller_jitter_ms"] = np.nan
    for name, value in fields.items():
        row[name] = value
    return row


def vectors_of(*calls):
    return CallHistory(1_000).replay(np.array(list(calls), CALL))


def test_the_table_is_in_column_order_and_keeps_the_numbers_of_the_paper():
    assert list(FEATURES) == list(range(FEATURE_COUNT))
    assert PAPER_COLUMNS[9 - 1] == Feature.SINCE_LAST_CALL
    assert PAPER_COLUMNS[16 - 1] == Feature.CALL_FREQUENCY
    assert sorted(SETUP_COLUMNS + END_COLUMNS) == list(range(FEATURE_COUNT))


def test_features_9_and_16_of_the_paper():
    vectors = vectors_of(call(0), call(600), call(1800), call(1800, caller=9))
    assert np.isnan(vectors[0, Feature.SINCE_LAST_CALL])
    np.testing.assert_allclose(vectors[1:3, Feature.SINCE_LAST_CALL], [600, 1200])
    expected = [0, np.exp(-600 / 3600), np.exp(-1800 / 3600) + np.exp(-1200 / 3600), 0]
    np.testing.assert_allclose(vectors[:, Feature.CALL_FREQUENCY], expected)


def test_ratios_count_ended_calls_only_and_are_drawn_to_the_neutral_value():
    short = {"talk_s": 2.0, "ended_by": ENDED_BY_CALLEE}
    vectors = vectors_of(call(0, **short), call(100, **short), call(105))
    assert np.isnan(vectors[0, Feature.SHORT_CALL_RATIO])
    # At 105 s the call of 100 s is still ringing: one ended call, two imaginary ones at the neutral value.
    faded = np.exp(-98 / 86_400)
    assert vectors[2, Feature.SHORT_CALL_RATIO] == pytest.approx((faded + 2 * 0.1) / (faded + 2), rel=1e-6)
    assert vectors[2, Feature.CALLEE_HANGUP_RATIO] == pytest.approx((faded + 2 * 0.5) / (faded + 2), rel=1e-6)


def test_who_knows_whom():
    vectors = vectors_of(call(0, 1, 2), call(100, 2, 1), call(200, 1, 2), call(300, 1, 3))
    np.testing.assert_array_equal(vectors[:, Feature.CALLEE_CALLED_CALLER], [0, 1, 1, 0])
    np.testing.assert_array_equal(vectors[2:, Feature.CALLED_BEFORE], [1, 0])


def test_a_campaign_survives_rotating_numbers_and_shows_sequential_dialling():
    calls = [call(60 * i, caller=100 + i, callee=500 + i, campaign=77, talk_s=3) for i in range(20)]
    last = vectors_of(*calls)[-1]
    assert last[Feature.CALL_FREQUENCY] == 0
    assert last[Feature.CAMPAIGN_FREQUENCY] > 15
    assert last[Feature.CAMPAIGN_NEW_CALLER_RATIO] > 0.9
    assert last[Feature.CAMPAIGN_SHORT_CALL_RATIO] > 0.8
    assert last[Feature.CALLEE_STEP] == 1


def test_live_steps_and_replay_give_the_same_vectors():
    random = np.random.default_rng(0)
    calls = np.array(
        [
            call(t, *random.integers(1, 6, 2), talk_s=random.exponential(60))
            for t in random.uniform(0, 5_000, 60)
        ],
        CALL,
    )
    calls = calls[np.argsort(calls["started_ns"])]
    steps = sorted(
        [(c["started_ns"], 0, i) for i, c in enumerate(calls)]
        + [(c["ended_ns"], 1, i) for i, c in enumerate(calls)]
    )
    history, live = CallHistory(1_000), {}
    for _, is_end, i in steps:
        live[i] = history.end(calls[i], live[i]) if is_end else history.setup(calls[i])
    np.testing.assert_array_equal([live[i] for i in range(60)], CallHistory(1_000).replay(calls))


def test_memory_is_bounded_and_the_busy_stay():
    history = CallHistory(capacity=64)
    for i in range(2_000):
        history.setup(call(i, caller=10_000 + i))
        if i % 5 == 0:
            history.setup(call(i + 0.5, caller=7))
    assert history.evicted > 1_500
    assert history.setup(call(2_001, caller=7))[Feature.CALLS_PER_DAY] > 390


def test_a_restored_history_goes_on_as_if_never_stopped():
    calls = np.array([call(100 * i, 1 + i % 3, 5, campaign=4) for i in range(30)], CALL)
    whole = CallHistory(100).replay(calls)
    first = CallHistory(100)
    first.replay(calls[:15])
    np.testing.assert_array_equal(CallHistory.restore(first.snapshot()).replay(calls[15:]), whole[15:])


def test_damaged_state_is_refused():
    state = CallHistory(100).snapshot()
    with pytest.raises(ConfigError, match="lacks"):
        CallHistory.restore({k: v for k, v in state.items() if k != "callers_sums"})
    with pytest.raises(ConfigError, match="another form"):
        CallHistory.restore(state | {"callers_sums": np.zeros((0, 3))})


@given(st.lists(st.binary(min_size=CALL.itemsize, max_size=CALL.itemsize), min_size=1, max_size=12))
@settings(max_examples=60, deadline=None)
def test_any_bytes_as_calls_give_numbers_or_nan_and_the_same_ones_again(rows):
    """Invariant: whatever a call claims, its vector holds no infinity and a second history agrees."""
    calls = np.frombuffer(b"".join(rows), CALL).copy()
    # Packet times come from capture records, never from the call's own text: sane, but in any order.
    for column in ("started_ns", "answered_ns", "ended_ns"):
        calls[column] = np.abs(calls[column]) % (1 << 61)
    calls["caller_jitter_ms"] = np.where(
        np.isfinite(calls["caller_jitter_ms"]), calls["caller_jitter_ms"], np.nan
    )
    one, other = (CallHistory(64).replay(calls) for _ in range(2))
    np.testing.assert_array_equal(one, other)
    assert not np.isinf(one).any()
    assert not np.isinf(transform(one)).any()


def test_keys_are_stable_and_never_zero():
    assert stable_key("sip:alice@example.org") == 13_493_275_835_909_724_284
    assert stable_key("ab", "c") != stable_key("a", "bc")
    assert stable_key() > 0
