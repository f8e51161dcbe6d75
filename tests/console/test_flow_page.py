"""A flow's page: what it could be and why, its quality over time, what its packets say."""

import re

import numpy as np
import pytest
from evidence_logs import headers_of, sender_report, steady_flow
from verdict_samples import LINPHONE, summary, verdict
from window_values import windows_text

from callprint.console import flow_charts, shown
from callprint.console.why import GROUP_NAMES
from callprint.core.identify.feature_row import GROUPS
from callprint.core.quality.windows import Interval
from callprint.inference import DEFAULT_MODEL, load_model
from callprint.inference.explained import explain
from callprint.output.quality_report import rated_windows
from callprint.stores import open_store

PATH = f"/flows/{shown.flow_id(LINPHONE)}"
LOG = steady_flow(100, sequence=7) + sender_report(1_700_000_003_000_000_000, 9, 9)
WINDOWS = [
    Interval(500, 500, 499, 800),
    Interval(500, 460, 459, 1900, missing=45, runs=12, late=5),
    Interval(),
]


@pytest.fixture(scope="module")
def shipped():
    return load_model(DEFAULT_MODEL)


def unknown(shipped, **changes):
    return verdict(
        LINPHONE,
        "unknown",
        reason="novel",
        best_application="pyvoip",
        model=shipped.name,
        **{"model_digest": shipped.digest, **changes},
    )


def test_every_group_of_features_has_a_name():
    assert GROUP_NAMES.keys() == GROUPS.keys()


@pytest.mark.parametrize("log", [LOG, headers_of(LOG), steady_flow(3)])
def test_probabilities_are_those_of_the_verdict(shipped, log):
    found = explain(shipped, log)
    decision = shipped.identify(*_one(log))
    assert sum(share for _, share in found.probabilities) == pytest.approx(1.0, abs=1e-5)
    name, share = found.probabilities[0]
    assert name == shipped.applications[decision.application[0]]
    assert share == pytest.approx(float(decision.confidence[0]), abs=1e-4)
    assert {each.group for each in found.groups} == set(GROUPS)


def test_a_group_that_holds_what_is_usual_says_nothing(shipped):
    rows = shipped.feature_rows(*_one(steady_flow(50)))
    assert rows.shape[1] == shipped.usual_row.shape[0]
    stun = next(each for each in explain(shipped, steady_flow(50)).groups if each.group == "stun")
    payload = next(each for each in explain(shipped, steady_flow(50)).groups if each.group == "payload")
    assert abs(stun.odds) < abs(payload.odds)  # it has no STUN, which is usual; its payload is silence


@pytest.mark.parametrize("log", [b"", b"\xff" * 40, LOG[:200]])
def test_a_log_with_too_little_is_not_explained(shipped, log):
    assert explain(shipped, log) is None or explain(shipped, log).packets > 0


def _one(log):
    return np.frombuffer(log, np.uint8), np.array([[0, len(log)]])


def test_the_page_shows_what_it_could_be_and_why(shipped, store, visitor):
    with open_store(str(store)) as opened:
        opened.put_verdicts([unknown(shipped)])
        opened.put_unknown_evidence([(unknown(shipped), LOG)])
    text = visitor.get(PATH).text
    for words in (
        "What it could be",
        "What spoke for",
        "unlike known applications",
        "payload bytes",
        "Unlikeness",
    ):
        assert words in text
    again = visitor.get(PATH)
    assert again.text.count("%</text>") == text.count("%</text>") > 5


@pytest.mark.parametrize(
    ("digest", "words"), [("0" * 16, "is not among the models here"), (None, "did not note which one")]
)
def test_another_model_does_not_speak_for_the_one_that_judged(shipped, store, visitor, digest, words):
    with open_store(str(store)) as opened:
        opened.put_verdicts([unknown(shipped, model_digest=digest)])
        opened.put_unknown_evidence([(unknown(shipped), LOG)])
    text = visitor.get(PATH).text
    assert words in text
    assert "What spoke for" not in text


def test_damaged_packets_are_said(shipped, store, visitor):
    with open_store(str(store)) as opened:
        opened.put_verdicts([unknown(shipped)])
        opened.put_unknown_evidence([(unknown(shipped), b"\xff" * 40)])
    assert "too few or damaged" in visitor.get(PATH).text


def test_quality_over_time(store, visitor):
    with open_store(str(store)) as opened:
        opened.put_flows(
            [
                summary(
                    last_seen_ns=LINPHONE.first_seen_ns + 30 * 10**9,
                    quality_windows=windows_text(10, WINDOWS),
                    mos=3.9,
                    packet_ms=20.0,
                )
            ]
        )
    text = visitor.get(PATH).text
    assert "10–20 s; MOS" in text
    assert "40 lost, 5 late of 500" in text
    assert "20–30 s; no MOS" in text


def test_quality_that_is_no_windows_is_no_error(store, visitor):
    with open_store(str(store)) as opened:
        opened.put_flows(
            [summary(last_seen_ns=LINPHONE.first_seen_ns + 30 * 10**9, quality_windows="9 x <b>")]
        )
    assert "The row holds totals alone" in visitor.get(PATH).text


def test_more_loss_never_draws_a_higher_bar():
    windows = rated_windows(
        summary(
            packet_ms=20.0,
            quality_windows=windows_text(
                10,
                [
                    Interval(500, 500 - lost, missing=lost, runs=max(1, lost // 2))
                    for lost in (0, 5, 25, 50, 100)
                ],
            ),
        )
    )
    picture = str(flow_charts.quality(windows, "x"))
    heights = [
        float(each)
        for each in re.findall(
            r'<rect class="(?:fill-good|c-watch|fill-bad)"[^>]*height="([0-9.]+)"', picture
        )
    ]
    assert heights == sorted(heights, reverse=True)
    assert len(heights) == 5


def test_what_the_packets_say(store, visitor):
    with open_store(str(store)) as opened:
        opened.put_verdicts(
            [
                verdict(
                    engine="oRTP", engine_confidence=0.97, declared_application="zoiper", declared_version="5<b>",
                    declared_by="rtcp", based_on="packets",
                )
            ]
        )  # fmt: skip
    text = visitor.get(PATH).text
    assert "oRTP" in text
    assert "5&lt;b&gt;" in text
    assert "in RTCP" in text
