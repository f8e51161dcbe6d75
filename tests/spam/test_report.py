"""The report counts what was measured, and the command line reaches what it names."""

import argparse
import importlib.util
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from callprint.cli import spit
from callprint.core.spam import prior_weights, scorecard
from callprint.core.spam.features import NAMES
from callprint.lab.spam.experiment import LARGE, Cell, cells
from callprint.lab.spam.learn import weights_text
from callprint.lab.spam.methods import DETECTOR
from callprint.lab.spam.table import Table, volume


def result(cell, f):
    rates = {"tp": f, "fp": 1.0 - f, "f": f}
    return asdict(cell) | {"all": rates, "without_vote": rates, "seconds": 0.0}


@pytest.fixture(scope="module")
def table():
    """Results of the quick grid, in which the F-measure of every cell is 0.7, of our detector 0.9."""
    wanted = cells(1, quick=True)
    return Table({cell: result(cell, 0.9 if cell.method == DETECTOR else 0.7) for cell in wanted})


def test_means_are_over_seeds_and_nan_where_nothing_was_measured():
    found = Table(
        {Cell("v4", "MPCK", 0.1, 0.0, s): result(Cell("v4", "MPCK", 0.1, 0.0, s), 0.2 * s) for s in range(3)}
    )
    assert found.mean("v4", "MPCK", 0.1, 0.0) == pytest.approx(0.2)
    assert np.isnan(found.mean("v5", "MPCK", 0.1, 0.0))
    assert found.series("v4", "MPCK", "f") == [(0.1, pytest.approx(0.2), pytest.approx(0.2 * np.sqrt(2 / 3)))]


def test_a_trace_counts_only_when_every_method_was_measured_on_it(table):
    assert table.is_complete("v4", 0.02, 0.2)
    assert table.is_complete(LARGE, 0.02, 0.2)  # without MPCK, which is left out there
    assert not table.is_complete("v4", 0.02, 0.1)


def test_the_volume_is_over_the_grid_that_was_measured(table):
    ratios, noises = table.grid()
    assert len(ratios) > 2
    assert len(noises) > 2
    assert volume(table.surface("v5", DETECTOR), ratios, noises) == pytest.approx(0.9 * 0.8)


def test_learn_writes_a_module_that_loads(tmp_path, capsys):
    parser = argparse.ArgumentParser()
    spit.add_parser(parser.add_subparsers())
    path = tmp_path / "weights.py"
    args = parser.parse_args(["spit", "learn", "--traces", "2", "--output", str(path)])
    assert args.run(args) == 0
    assert "learned from" in capsys.readouterr().out
    spec = importlib.util.spec_from_file_location("weights", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    card = scorecard.load(module.WEIGHTS)
    assert card.edges.shape[0] == len(NAMES)


def test_the_shipped_scorecard_is_written_as_learn_writes_it():
    text = Path(prior_weights.__file__).read_text()
    assert text.endswith(f"WEIGHTS: dict[str, Any] = {weights_text(prior_weights.WEIGHTS)}")


def test_wrong_usage_is_told_so(capsys):
    parser = argparse.ArgumentParser()
    spit.add_parser(parser.add_subparsers())
    with pytest.raises(SystemExit):
        parser.parse_args(["spit", "experiment", "--seeds", "0"])
    assert "no number of at least 1" in capsys.readouterr().err
