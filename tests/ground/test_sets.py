"""Sets of a bounded table: where a key may stand, and which entry makes room for it."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from callprint.core.ground.mixing import mix
from callprint.core.ground.sets import WAYS, entry_to_claim, first_of_set

ENTRY = np.dtype([("time_ns", "<i8"), ("used", "u1")])
NOW_NS, STALE_NS = 1000, 100


def full_table(sets: int = 4) -> np.ndarray:
    entries = np.zeros(sets * WAYS, ENTRY)
    entries["time_ns"], entries["used"] = NOW_NS, 1
    return entries


def claim(entries: np.ndarray, first: int, draws: int = 1) -> int:
    return entry_to_claim(entries, np.uint32(first // WAYS), NOW_NS - STALE_NS, draws)


@given(st.integers(0, 10), st.integers(0, 2**32 - 1))
def test_a_hash_chooses_one_whole_set_inside_the_table(power, key_hash):
    sets = 1 << power
    assert first_of_set(sets * WAYS, np.uint32(key_hash)) == key_hash % sets * WAYS


def test_an_empty_or_stale_entry_goes_before_any_other():
    first = 2 * WAYS
    for change in ({"used": 0}, {"time_ns": NOW_NS - STALE_NS - 1}):
        entries = full_table()
        for way in (first + 6, first + 3):
            for field, value in change.items():
                entries[field][way] = value
            assert claim(entries, first) == way, "the first of them"


def test_in_a_full_set_every_entry_has_its_turn_and_no_other_set_is_touched():
    entries, first = full_table(), WAYS
    assert {claim(entries, first, draws) for draws in range(200)} == set(range(first, first + WAYS))


def test_the_mixer_is_that_of_murmurhash3():
    """The finaliser fmix64 of https://github.com/aappleby/smhasher."""

    def fmix64(value: int) -> int:
        for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
            value = (value ^ value >> 33) * factor % 2**64
        return value ^ value >> 33

    for value in (0, 1, 12345, 2**63, 2**64 - 1):
        assert mix(np.uint64(value)) == fmix64(value)
