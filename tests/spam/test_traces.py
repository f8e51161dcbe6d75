"""The generator keeps what the paper fixes about its traces, and the experiments their rules."""

import json

import numpy as np
import pytest

from callprint.core.ground.errors import ConfigError, DatasetError
from callprint.core.spam.features import Feature
from callprint.lab.spam.cell import Cell, compute, draw_votes
from callprint.lab.spam.experiment import cells, load_results
from callprint.lab.spam.methods import METHODS
from callprint.lab.spam.table import SURFACE_NOISES, SURFACE_RATIOS, volume
from callprint.lab.spam.traces import TRACES, named_trace


def test_what_the_paper_fixes():
    assert named_trace("v4", 0).spam.sum() == 212
    assert named_trace("v5", 0).spam.sum() == 45


def test_v5_has_the_same_gaps_for_both_kinds_and_v4_has_not():
    def gap_ratio(name):
        spam, other = [], []
        for seed in range(6):
            trace = named_trace(name, seed)
            gaps = trace.vectors[:, Feature.SINCE_LAST_CALL]
            spam.append(gaps[trace.spam])
            other.append(gaps[~trace.spam])
        return np.nanmean(np.concatenate(spam)) / np.nanmean(np.concatenate(other))

    assert 0.7 < gap_ratio("v5") < 1.4
    assert gap_ratio("v4") < 0.3


@pytest.mark.parametrize("name", [n for n in TRACES if n != "one-in-1000"])
def test_traces_are_in_time_order_repeatable_and_differ_by_seed(name):
    one, again, other = named_trace(name, 1), named_trace(name, 1), named_trace(name, 2)
    assert np.all(np.diff(one.calls["started_ns"]) >= 0)
    np.testing.assert_array_equal(one.vectors, again.vectors)
    assert not np.array_equal(one.calls["started_ns"], other.calls["started_ns"][: len(one.calls)])
    ended = one.calls["ended_ns"]
    assert np.all(ended >= one.calls["started_ns"])
    assert np.all((one.calls["answered_ns"] == 0) == (one.calls["status"] != 200))


def test_there_is_no_such_trace():
    with pytest.raises(ConfigError, match="v4, v5"):
        named_trace("v9", 0)


def test_votes_have_exactly_the_shares_asked_for():
    spam = np.arange(1_000) < 100
    votes = draw_votes(spam, 0.3, 0.2, seed=0)
    assert (votes >= 0).sum() == 300
    assert ((votes >= 0) & (votes != spam)).sum() == 60


def test_volume_of_a_perfect_method_is_the_papers_ideal():
    assert volume(
        np.ones((len(SURFACE_NOISES), len(SURFACE_RATIOS))), SURFACE_RATIOS, SURFACE_NOISES
    ) == pytest.approx(0.9)


def test_a_cell_is_the_same_again_and_a_damaged_cache_names_its_line(tmp_path):
    cell = Cell("v4", "eMPCK", 0.1, 0.1, 0)
    one, again = compute(cell, METHODS), compute(cell, METHODS)
    assert one["all"] == again["all"]
    cache = tmp_path / "cells.jsonl"
    cache.write_text(json.dumps(one) + "\n")
    assert load_results(cache)[cell]["without_vote"] == one["without_vote"]
    cache.write_text(json.dumps(one) + "\n{broken\n")
    with pytest.raises(DatasetError, match="line 2"):
        load_results(cache)
    assert len(set(cells(1))) == len(cells(1)) > len(cells(1, quick=True))


def test_our_detector_beats_the_papers_four_where_it_is_quick_to_show():
    for trace, ratio, noise in (("v4", 0.0, 0.0), ("v6", 0.1, 0.3), ("v5", 0.5, 0.0)):
        ours = compute(Cell(trace, "callprint", ratio, noise, 0), METHODS)["without_vote"]["f"]
        for other in ("eMPCK", "eMPCK multi-class", "pMPCK"):
            assert ours > compute(Cell(trace, other, ratio, noise, 0), METHODS)["without_vote"]["f"]
