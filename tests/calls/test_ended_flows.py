"""Flows that are columns become the same calls, with the same said of them, as flows that are objects."""

from dataclasses import replace

from call_player import CallPlayer
from hypothesis import given, settings
from hypothesis import strategies as st
from report_tables import report_table
from sip_scenario import at, flow

from callprint.core.calls.ended_flow import EndedFlow, cells_of, ended_flows
from callprint.core.calls.settings import CallSettings
from callprint.core.ground.table import Rows, Same
from callprint.core.quality.measures import with_codec, without_codec
from callprint.core.verdict import FlowReport

HOSTS = ("10.0.0.1", "10.0.0.2", "10.0.0.3")
WINDOWS = ("1 0 250,250,249", "1 10 100,90,80,0,0,0,0,5,15,3,1,10,5", None)


@st.composite
def a_flow(draw):
    ends = [(draw(st.sampled_from(HOSTS)), draw(st.sampled_from([4000, 5000]))) for _ in range(2)]
    begin_s = draw(st.integers(0, 60))
    lasts_s = draw(st.integers(0, 30))
    report = flow(*ends, begin_s, begin_s + lasts_s, ssrc=draw(st.integers(1, 3)))
    summary = replace(
        report.summary,
        codec=draw(st.sampled_from(["dynamic", "PCMU"])),
        clock_rate_hz=draw(st.sampled_from([8000, 48000, 90000])),
        quality_windows=draw(st.sampled_from(WINDOWS)),
        quality_notes=draw(st.sampled_from([None, "capture_cut"])),
        first_sequence=draw(st.sampled_from([None, 1, 5])),
        lost=draw(st.sampled_from([0, 1, 40])),
    )
    return FlowReport(report.verdict, summary)


FLOWS = st.lists(a_flow(), max_size=8)


def rows_of(batches, maximum):
    """What batches of flows become: the rows of calls, and what is said of the flows."""
    calls = CallPlayer(CallSettings(maximum_flows=maximum))
    rows, said = [], []
    for number, batch in enumerate(batches):
        rows += calls.add_flows(batch)
        rows += calls.advance(at(15 * (number + 1)))
        said += calls.assembler.said.take()[0]
    rows += calls.finish()
    said += calls.assembler.said.take()[0]
    return list(map(repr, rows)), sorted(map(repr, said)), calls.assembler.flows_settled_early


@settings(max_examples=60, deadline=None)
@given(st.lists(FLOWS, max_size=3), st.sampled_from([3, 1000]))
def test_columns_and_objects_give_the_same_calls(batches, maximum):
    assert rows_of(map(report_table, batches), maximum) == rows_of(batches, maximum)


@settings(max_examples=60, deadline=None)
@given(FLOWS)
def test_ratings_without_a_codec_are_those_of_each_flow(reports):
    summaries = report_table(reports).columns["summary"]
    rated, places = without_codec(summaries)
    expected = [with_codec(report.summary, None) for report in reports]
    assert list(rated) == expected
    assert places == {i for i, each in enumerate(expected) if each is not reports[i].summary}


@settings(max_examples=30, deadline=None)
@given(FLOWS, FLOWS)
def test_fields_are_gathered_in_the_order_of_the_flows(one, other):
    flows = [*ended_flows(report_table(one)), *map(EndedFlow.of, other), *ended_flows(report_table(other))]
    flows = flows[::2] + flows[1::2]
    expected = [(each.verdict.k, each.summary.codec, each.summary.lost) for each in flows]
    assert cells_of(flows, ["k"], ["codec", "lost"]) == expected


def test_a_table_with_changed_values():
    reports = [flow((HOSTS[0], port), (HOSTS[1], 5000), 0, 5) for port in (4000, 4002, 4004)]
    table = report_table(reports).columns["verdict"]
    table = replace(table, columns={**table.columns, "declared_by": Same(None)})
    changed = replace(table[1], declared_by="sip", application="baresip")
    assert list(table.changed({1: changed})) == [table[0], changed, table[2]]
    assert table.changed({}) is table
    assert list(table.chosen([2, 0])) == [table[2], table[0]]
    assert table.chosen([0, 1, 2]) is table
    rows = Rows([*table])
    rows.extend(table)
    assert list(rows) == [*table, *table]
