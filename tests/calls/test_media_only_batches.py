"""Calls of media alone are described and judged many at once: as the attempts and the detector would one by one."""

import operator
from dataclasses import replace
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from report_tables import report_table
from sip_scenario import at, flow

from callprint.core.call import CallState, EndedBy, Phase
from callprint.core.calls.attempt import Attempt
from callprint.core.calls.call_rows import cells_of
from callprint.core.calls.ended_flow import EndedFlow, ended_flows
from callprint.core.calls.events import CallEvent, CallStep
from callprint.core.calls.facts import CALL, facts_with_media
from callprint.core.calls.media_only import MediaGroup, MediaOnlyCall
from callprint.core.calls.media_only_rows import media_only_calls
from callprint.core.calls.party import Party
from callprint.core.ground.table import Rows
from callprint.core.signalling.identity import MISSING, Identity
from callprint.core.spam import own_detector
from callprint.core.spam.detector_names import OWN
from callprint.core.spam.detectors import make_detector
from callprint.core.spam.features import FEATURE_COUNT
from callprint.core.spam.interface import SpamDetector
from callprint.core.spam.judging import CallJudge
from callprint.core.spam.known_callers import KnownCaller
from callprint.core.verdict import FlowReport
from callprint.stores.columns import CALL as CALL_COLUMNS

ENDS = ("10.0.0.1", 4000), ("10.0.0.2", 5000)
SECONDS = st.integers(0, 9_000).map(lambda tenths: tenths / 10)


@st.composite
def media_flow(draw):
    begin_s, lasts_s = draw(SECONDS), draw(SECONDS)
    ends = draw(st.sampled_from([ENDS, ENDS[::-1]]))
    report = flow(*ends, begin_s, begin_s + lasts_s, ssrc=draw(st.integers(1, 3)))
    summary = replace(
        report.summary,
        duplicates=draw(st.integers(0, 3)),
        long_packets=draw(st.integers(0, 50)),
        lost=draw(st.integers(0, 40)),
        jitter_ms=draw(st.sampled_from([0.0, 0.4, 30.0, 200.0])),
        first_sequence=draw(st.sampled_from([None, 1, 5])),
        mos=draw(st.sampled_from([None, 3.2])),
        clock_rate_hz=draw(st.sampled_from([8000, 90_000])),
        quiet_share=draw(st.sampled_from([None, 1.0])),
        capture=draw(st.sampled_from([None, "a.pcap"])),
    )
    by = draw(st.sampled_from([None, "rtcp"]))
    verdict = replace(report.verdict, declared_application=by and "baresip", declared_by=by)
    return FlowReport(verdict, summary)


def kept_as(reports, tables):
    """The flows of reports: as columns of one table or of several, or the reports themselves."""
    of_each = {
        0: [reports],
        1: [report_table(reports)],
        2: [report_table([each]) for each in reports],
    }
    return [flow for given in of_each[tables] for flow in ended_flows(given)]


MEDIA_CALL = st.builds(
    MediaOnlyCall,
    st.builds(
        MediaGroup,
        st.just(0),
        st.builds(kept_as, st.lists(media_flow(), min_size=1, max_size=4), st.integers(0, 2)),
        st.sampled_from([None, "192.0.2.7"]),
    ),
    st.integers(at(2_000), at(20_000)),
)


def as_attempt(group):
    """The call as one with signalling would be kept, of which nothing was seen."""
    reports = [each.report for each in group.flows]
    flows = sorted(reports, key=lambda report: (report.verdict.flow.first_seen_ns, report.verdict.flow))
    first = flows[0].verdict.flow
    caller = [each for each in flows if each.verdict.flow[:2] == first[:2]]
    callee = [each for each in flows if each.verdict.flow[:2] != first[:2]]
    ended_ns = max(report.summary.last_seen_ns for report in flows)
    return Attempt(
        call_id="",
        from_tag="",
        caller=Party(Identity("", -1), flows=caller),
        callee=Party(Identity("", -1), flows=callee),
        started_ns=first.first_seen_ns,
        last_ns=ended_ns,
        invite_cseq=0,
        attestation=MISSING,
        campaign="",
        signalling_ip="",
        state=CallState.COMPLETED,
        answered_ns=callee[0].verdict.flow.first_seen_ns if callee else None,
        ended_ns=ended_ns,
        ended_by=EndedBy.MEDIA,
        capture=caller[0].summary.capture,
        relayed_by=group.relayed_by,
    )


@settings(max_examples=100, deadline=None)
@given(st.lists(MEDIA_CALL, min_size=1, max_size=5), st.sampled_from([OWN, None]))
def test_media_only_calls_are_judged_as_attempts_are(calls, detector):
    together, single = (CallJudge(detector=detector and make_detector(detector, 20)) for _ in range(2))
    expected = []
    for group, judged_at_ns in calls:
        attempt = as_attempt(group)
        cells = cells_of(attempt, Phase.END, judged_at_ns)
        event = CallEvent(CallStep.SETTLED, judged_at_ns, facts_with_media(attempt), attempt.key, cells)
        expected += single.judge_all([event])
    found = together.judge_all(calls)
    assert len({record.call_id for record in found if record.call_id.startswith("media:")}) >= 1
    got = [replace(record, call_id="") for record in found]
    assert list(map(repr, got)) == list(map(repr, expected))  # repr: NaN is not equal to itself


@pytest.mark.parametrize("learns", [False, True])
def test_a_batch_of_calls_of_media_alone_is_judged_as_one_by_one(learns):
    random = np.random.default_rng(7)
    count = 300
    facts = np.zeros(count, CALL)
    features = np.where(
        random.random((count, FEATURE_COUNT)) < 0.5, np.nan, random.exponential(20, (count, 1))
    )
    now_ns = [at(60 * i) for i in range(count)]
    together, single = make_detector(OWN, 20), make_detector("callprint", 20)
    for detector in (together, single):
        for caller in range(1, 4):
            detector.callers.remember(caller, KnownCaller(5.0, 2.0, np.zeros(FEATURE_COUNT), 0))
    fewest = 1 if learns else 500
    with mock.patch.object(own_detector, "CALLERS_FOR_BASE_RATE", fewest):
        found = together.judge_media_only(facts, features, now_ns)
        expected = SpamDetector.judge_media_only(single, facts, features, now_ns)
    assert found == expected
    assert len({judgement.reason for judgement in found}) > 10


@pytest.mark.parametrize("tables", [0, 1, 2])
def test_facts_are_those_of_the_columns(tables):
    calls = [
        MediaOnlyCall(MediaGroup(0, kept_as([flow(*ENDS, 0, 5), flow(*ENDS[::-1], 1, 6)], tables)), at(9))
    ]
    found = media_only_calls(calls)
    (facts,) = found.facts
    assert [facts["started_ns"], facts["answered_ns"], facts["ended_ns"]] == [at(0), at(1), at(6)]
    assert [facts["caller_packets"], facts["callee_packets"]] == [250, 250]


def test_rows_are_a_sequence_of_values():
    judged = CallJudge().judge_all([MediaOnlyCall(MediaGroup(0, [EndedFlow.of(flow(*ENDS, 0, 5))]), at(9))])
    rows = Rows(judged)
    rows.extend(list(judged))
    assert len(rows) == 2
    assert rows[0].call_id == rows[-1].call_id
    assert len([*rows, *rows]) == len(rows + rows) == len(operator.add([], rows)) * 2
    rows.clear()
    assert rows == []


@settings(max_examples=50, deadline=None)
@given(st.lists(MEDIA_CALL, max_size=4))
def test_columns_are_stored_as_values_are(calls):
    found = CallJudge(detector=make_detector(OWN, 20)).judge_all(calls)
    assert list(zip(*CALL_COLUMNS.cells(found), strict=True)) == list(map(CALL_COLUMNS.row, found))
