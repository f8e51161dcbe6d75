"""Exemplars: what is written comes back, and whatever the bytes, they fit the network or a ModelError says why not."""

import io
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from model_cards import CARD

from callprint.core.ground.errors import ModelError
from callprint.core.identify.card import parse_card
from callprint.core.identify.feature_row import FEATURE_NAMES
from callprint.core.identify.features import packet_counts
from callprint.model_files import DEFAULT_MODEL, read_card_text
from callprint.training import exemplars as module
from callprint.training.exemplars import (
    Exemplars,
    exemplars_path,
    join_exemplars,
    load_exemplars,
    save_exemplars,
)

DIGEST = "ab" * 32
ROWS = 12
MEAN = np.linspace(-3, 3, len(FEATURE_NAMES)).astype(np.float32)
REACH = np.full(len(FEATURE_NAMES), 8, np.float32)


def sample(rows: int = ROWS) -> Exemplars:
    rng = np.random.default_rng(5)
    seen = rng.integers(2, 101, rows)
    features = (MEAN + rng.uniform(-8, 8, (rows, len(FEATURE_NAMES)))).astype(np.float32)
    features[:, FEATURE_NAMES.index("packets_log2")] = np.log2(seen + 1)
    flags = rng.random((2, rows)) < 0.5
    return Exemplars(
        DIGEST, features, np.arange(rows) % 2, np.arange(rows) // 2, seen, seen, seen * 0, *flags
    )


@pytest.fixture(scope="module")
def of_two():
    """The card of a network for two applications, to which the exemplars belong."""
    return replace(CARD, onnx_sha256=DIGEST, classes=("one", "two"), engines=("one", "two"))


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    path = tmp_path_factory.mktemp("exemplars") / "two-exemplars.npz"
    save_exemplars(sample(), MEAN, REACH, path)
    return path


def test_what_is_written_comes_back(written, of_two):
    before, after = sample(), load_exemplars(written, of_two)
    assert after.network == DIGEST
    assert np.abs(after.features - before.features).max() <= REACH.max() / 127 / 2 + 1e-5
    np.testing.assert_array_equal(after.seen, packet_counts(after.features))
    for name in ("target", "call", "seen", "packets", "first", "renegotiated", "headers"):
        np.testing.assert_array_equal(getattr(after, name), getattr(before, name), name)


def test_the_same_rows_give_the_same_bytes(written, tmp_path):
    save_exemplars(sample(), MEAN, REACH, tmp_path / "again.npz")
    assert (tmp_path / "again.npz").read_bytes() == written.read_bytes()


def test_they_belong_to_one_network(written, of_two):
    with pytest.raises(ModelError, match="another network"):
        load_exemplars(written, replace(of_two, onnx_sha256="cd" * 32))
    with pytest.raises(ModelError, match="more applications"):
        load_exemplars(written, replace(of_two, classes=("one",)))


def test_a_missing_file_says_how_it_is_made(tmp_path, of_two):
    with pytest.raises(ModelError, match="make_exemplars"):
        load_exemplars(tmp_path / "none.npz", of_two)


def test_calls_of_joined_exemplars_stay_apart():
    both = join_exemplars(sample(), sample())
    assert len(both.target) == 2 * ROWS
    assert not set(both.call[:ROWS]) & set(both.call[ROWS:])


def test_what_is_added_again_and_again_stays_small_enough_to_be_read(tmp_path, of_two, monkeypatch):
    monkeypatch.setattr(module, "MOST_ROWS", 100)
    found = sample()
    for _ in range(10):
        found = join_exemplars(found, sample())
    save_exemplars(found, MEAN, REACH, tmp_path / "two-exemplars.npz")
    assert np.bincount(load_exemplars(tmp_path / "two-exemplars.npz", of_two).target).tolist() == [50, 50]


def arrays_of(path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


def packed(arrays: dict[str, np.ndarray]) -> bytes:
    out = io.BytesIO()
    np.savez(out, **arrays)
    return out.getvalue()


def refused(data: bytes, path, card) -> None:
    path.write_bytes(data)
    with pytest.raises(ModelError):
        load_exemplars(path, card)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("features", lambda array: array[:, :-1]),
        ("features", lambda array: array[:-1]),
        ("features", lambda array: array.astype(np.float64)),
        ("features", np.asfortranarray),
        ("target", lambda array: array + 2),
        ("target", lambda array: array.reshape(2, -1)),
        ("mean", lambda array: array * np.nan),
        ("step", lambda array: array * np.inf),
        ("version", lambda array: array + 1),
        ("network", lambda array: array | 0x80),
        ("network", lambda array: array[:-1]),
        ("call", lambda array: np.array([[1], None], object)),
        ("call", lambda array: array[:0]),
    ],
)
def test_arrays_that_do_not_fit_are_refused(written, of_two, tmp_path, name, change):
    arrays = arrays_of(written)
    refused(packed({**arrays, name: change(arrays[name])}), tmp_path / "bad.npz", of_two)


def test_a_shape_that_would_fill_the_memory_is_refused_before_anything_is_read(written, of_two, tmp_path):
    with zipfile.ZipFile(written) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    claimed = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        claimed, {"descr": "|i1", "fortran_order": False, "shape": (len(FEATURE_NAMES), 10**12)}
    )
    members["features.npy"] = claimed.getvalue()
    with zipfile.ZipFile(tmp_path / "bomb.npz", "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    with pytest.raises(ModelError):
        load_exemplars(tmp_path / "bomb.npz", of_two)


@given(st.integers(0, 10**9), st.binary(min_size=1, max_size=8), st.booleans())
def test_damaged_bytes_load_or_are_refused(written, of_two, tmp_path_factory, place, bytes_, cut):
    data = bytearray(written.read_bytes())
    at = place % len(data)
    data[at : at + len(bytes_)] = bytes_
    path = tmp_path_factory.getbasetemp() / "damaged.npz"
    path.write_bytes(bytes(data[:at]) if cut else bytes(data))
    try:
        found = load_exemplars(path, of_two)
    except ModelError:
        return
    assert np.isfinite(found.features).all()
    assert found.target.max(initial=0) < len(of_two.classes)
    assert {len(getattr(found, name)) for name in module._ROW_TYPES} == {len(found.features)}


def test_those_that_ship_belong_to_the_network_that_ships():
    card = parse_card(read_card_text(DEFAULT_MODEL.with_suffix(".json")))
    path = exemplars_path(DEFAULT_MODEL)
    assert path.stat().st_size < 2_000_000
    found = load_exemplars(path, card)
    assert set(found.target.tolist()) == set(range(len(card.classes)))
    assert found.headers.any()
    assert found.renegotiated.any()
