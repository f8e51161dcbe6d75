"""The experiment commands from one end to the other, on tiny sizes; the live player beside the detector's arrays."""

import numpy as np
import pytest

from callprint.core.call import Action, Phase
from callprint.core.spam import prior_weights, scorecard
from callprint.lab.spam import (
    all_experiments,
    cell,
    experiment,
    million,
    playback,
    report_detector,
    report_paper,
    report_pictures,
    table,
    traces,
)
from callprint.lab.spam.digests import ALL_CODE, OTHERS_CODE, OWN_CODE, code_digest
from callprint.lab.spam.population import Legitimate
from callprint.lab.spam.report import write_report
from callprint.lab.spam.traces import Campaign, named_trace

SMALL = {
    name: (
        Legitimate(110, 30, office_hours_only=True, businesses=0, business_share=0.0),
        (Campaign(25, sources=3),),
    )
    for name in ("v4", "v5", "v6", "v7")
}


@pytest.fixture
def tiny(monkeypatch):
    """Few cells of four small traces; slow baselines stand aside for a quick one. Everything else is as it is."""
    for module in (experiment, report_detector, report_pictures, table, all_experiments, traces):
        monkeypatch.setattr(module, "TRACES", SMALL)
    for module in (experiment, report_detector, table):
        monkeypatch.setattr(module, "RATIOS", (0.0, 0.1))
        monkeypatch.setattr(module, "NOISES", (0.0, 0.2))
    for module in (experiment, table):
        monkeypatch.setattr(module, "SURFACE_RATIOS", (0.1, 1.0))
        monkeypatch.setattr(module, "SURFACE_NOISES", (0.0, 1.0))
    for module in (experiment, report_paper, table):
        monkeypatch.setattr(module, "SWEEP_NOISES", (0.0, 0.2, 1.0))
    monkeypatch.setattr(all_experiments, "FEEDBACK", ((0.1, 0.1),))
    quick = experiment.METHODS["logistic regression"]
    slow = [name for name in experiment.METHODS if "forest" in name or "k-means" in name]
    monkeypatch.setattr(experiment, "METHODS", experiment.METHODS | dict.fromkeys(slow, quick))
    cell.drawn_trace.cache_clear()
    yield
    cell.drawn_trace.cache_clear()


def test_the_whole_report_is_written_and_nothing_is_computed_twice(tiny, tmp_path, monkeypatch):
    scale = all_experiments.Scale(1, sizes=(60, 120), repeats=2, calls_a_day=600, millions=2, played=1)
    findings = all_experiments.all_findings(tmp_path / "cache", scale, processes=1)
    text = write_report(findings, tmp_path).read_text()
    for heading in (
        "Our detector beside the four",
        "Feedback against no feedback",
        "Live, at its own thresholds",
        "Recall at a false-positive rate",
        "What each part is worth",
        "Beside the paper",
        "Noise from 0 to 1",
        "Iterations to convergence",
        "Time against calls",
        "Eq. 6",
    ):
        assert heading in text
    assert findings.digest in text
    assert "±" in text
    assert "nan" not in text
    drawn = {path.name for path in (tmp_path / "pictures").iterdir()}
    assert {name for name in drawn if f"pictures/{name}" in text} == drawn
    monkeypatch.setattr(experiment, "compute", None)
    monkeypatch.setattr(all_experiments, "timing", None)
    assert all_experiments.all_findings(tmp_path / "cache", scale, processes=1) == findings


def test_files_of_the_cache_are_named_by_the_code(tmp_path, monkeypatch):
    files = experiment.cache_files(tmp_path)
    assert code_digest(OWN_CODE) in files["callprint"].name
    assert code_digest(OTHERS_CODE) in files["eMPCK"].name
    assert len({code_digest(code) for code in (OWN_CODE, OTHERS_CODE, ALL_CODE)}) == 3


def test_with_one_seed_there_is_no_spread():
    (row,) = [row for row in experiment.convergence(1, ratios=(0.3,)) if row["trace"] == "v4"]
    assert row["MPCK spread"] == row["eMPCK spread"] == 0.0
    assert row["MPCK"] >= 2


def test_timing_has_spreads():
    (row,) = experiment.timing((100,), repeats=3)
    assert row["calls"] == 100
    assert row["MPCK"] > 0.0
    assert row["MPCK spread"] >= 0.0


def test_recall_counts_and_names_its_campaigns():
    found = million.recall_at_low_false_positives(days=2, calls_a_day=2_000)
    assert (found["legitimate"], found["spam"]) == (2_000, 200)
    assert [row["method"] for row in found["rows"]].count("callprint") == 2
    for row in found["rows"]:
        assert row["recall"] == pytest.approx(np.mean([row[name] for name in million.CAMPAIGNS]))
    for row in found["actions"]:
        for shares in (row["legitimate"], row["spam"]):
            assert 1.0 >= shares["watch"] >= shares["challenge"] >= shares["block"] >= 0.0


def test_the_live_player_and_the_arrays_of_the_million_say_the_same():
    trace = named_trace("v4", 3)
    card = scorecard.load(prior_weights.WEIGHTS)
    ends = [
        j.score for _, phase, j in playback.play(trace, np.full(len(trace.spam), -1)) if phase is Phase.END
    ]
    # In the order of their ends, as the player judges them; it has too few callers to estimate a base rate.
    order = np.argsort(trace.calls["ended_ns"], kind="stable")
    _, caller = np.unique(trace.calls["caller"][order], return_inverse=True)
    running = million._running(card, million.transform(trace.vectors[order]), caller, at_end=True)
    few = running[:, 1] <= 200  # beyond so many calls the live mean forgets
    odds = 0.01 / 0.99 / (card.spammer_rate / (1.0 - card.spammer_rate))
    logits = card.prior_logits(running[:, 0], running[:, 1], float(np.log(odds)))
    np.testing.assert_allclose(np.array(ends)[few], million.sigmoid(logits)[few], rtol=1e-6)


def test_shares_of_actions_add_up():
    rows = playback.action_shares("v4", (3,), 0.1, 0.0)
    assert [row["calls"] for row in rows] == [788, 212, 788, 212]
    for row in rows:
        assert sum(row[action.value] for action in Action) == pytest.approx(1.0)
    spam_at_end = next(row for row in rows if row["spam"] and row["phase"] == "end")
    assert spam_at_end["block"] + spam_at_end["challenge"] > 0.5
