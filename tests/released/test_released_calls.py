"""Snapshots and journals of a site's calls, as version 0.1.0 wrote them, are read and lead to the rows of then."""

import base64
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from released_files import assert_holds, differences, golden, golden_json, golden_lines, plain

from callprint.core.call import Vote
from callprint.core.calls import assembly_snapshot
from callprint.core.ground.named_rows import NamedRows
from callprint.core.ground.snapshot import Snapshot
from callprint.core.relay import journal, site_snapshot
from callprint.core.relay.journal import decode_inputs, encode_inputs
from callprint.core.relay.site import SiteCalls
from callprint.core.relay.site_inputs import SignallingRecord
from callprint.core.spam.detectors import make_detector
from callprint.core.verdict import FlowSummary, Verdict
from callprint.core.verdicts.rows import SUMMARIES, VERDICTS
from callprint.core.wire.signalling import decode_record

JOURNAL = ("home/journal-1.bin", "home/journal-2.bin", "home/journal-3.bin")
JUDGEMENT = ("spam_score", "spam", "action", "reason", "detector")
"""The fields that come from the detector: they may change when the detector gets another name, and only then."""


def fetch_from(name: str):
    """Stand in for Kafka: give the record at an offset."""
    records = {
        (line["partition"], line["offset"]): base64.b64decode(line["record_base64"])
        for line in golden_lines(name)
    }
    return lambda at: decode_record(records[at.partition, at.offset])


def restored(name: str, detector: str, expected: dict[str, Any], signalling: str) -> SiteCalls:
    home = SiteCalls(expected["site"], make_detector(detector))
    assert site_snapshot.restore(home, Snapshot.unpack(golden(name)), fetch_from(signalling))
    return home


def known(home: SiteCalls) -> dict[str, Any]:
    """What is known of a site's calls, by name: the one place that says where it is kept."""
    assembler = home.assembler
    return {
        "site": home.site,
        "over": home.over,
        "repeats": home.repeats,
        "allowed": home.judge.allowed,
        "heard": list(home.user_votes.taken.values()),
        "verdicts": list(home.verdicts.values()),
        "calls_in_progress": assembler.calls_in_progress,
        "messages": assembler.messages,
        "waiting": home.order.waiting,
        "hurried": home.order.released_early,
        "sources": home.order.sources,
        "merged": sorted((each.time_ns, each.source, each.number, *each.at) for each in home.order.merged),
        "calls": assembler._table.all_calls(),
        "flows": [flow.report for *_, flow in sorted(assembler._flows)],
        "media_only": [
            (group.until_ns, [flow.report for flow in group.flows]) for group in assembler._alone.groups()
        ],
        "now_ns": assembler._now_ns,
        "body_defects": assembler.body_defects,
        "features": {",".join(map(str, call)): vector for call, vector in home.judge.vectors.items()},
    }


@pytest.mark.parametrize("detector", ["callprint", "empck"])
def test_histories_and_detectors_keep_their_numbers(detector):
    """Every array of then is there; it may have more columns."""
    expected = golden_json(f"expected/home-{detector}.json")["state"]
    home = restored(f"home/{detector}.cpst", detector, expected, "home/signalling.jsonl")
    was, found = Snapshot.unpack(golden(f"home/{detector}.cpst")), site_snapshot.snapshot(home)
    assert len(was.arrays) > 20
    for name, array in was.arrays.items():
        same = found.arrays[name][tuple(slice(length) for length in array.shape)]
        np.testing.assert_array_equal(same, array, name)
    assert_holds(was.plain["detector"], found.plain["detector"])


COUNTED_COPIES = ("caller_packets_per_s", "callee_packets_per_s", "caller_media_share")
"""Features into which 0.1.0 counted packets that were captured twice; the score moves in its seventh decimal."""


def without(features, names):
    return {name: value for name, value in features.items() if name not in names} if features else features


@pytest.mark.parametrize("detector", ["callprint", "empck"])
def test_a_site_goes_on_where_it_was(detector):
    """The strongest proof that nothing was lost: what the next inputs lead to, up to the end of every call."""
    expected = golden_json(f"expected/home-{detector}.json")
    home = restored(f"home/{detector}.cpst", detector, expected["state"], "home/signalling.jsonl")
    assert_holds(expected["state"], known(home))
    fetch = fetch_from("home/signalling.jsonl")
    for name, rows in zip(JOURNAL, expected["rows"], strict=True):
        found = [row for news in decode_inputs(golden(name), fetch) for row in home.take(news)]
        assert len(found) == len(rows)
        for was, row in zip(rows, map(plain, found), strict=True):
            passed_over = () if was["detector"] == row["detector"] else JUDGEMENT
            wanted = {field: value for field, value in was.items() if field not in passed_over}
            wanted["features"] = without(was["features"], COUNTED_COPIES)
            if wanted.get("spam_score") is not None:
                assert row["spam_score"] == pytest.approx(wanted.pop("spam_score"), abs=1e-6)
            assert not list(differences(wanted, row, was["call_id"]))


def test_entries_of_a_journal_give_the_inputs_of_then():
    fetch = fetch_from("home/signalling.jsonl")
    kinds = set()
    for name, entry in zip(JOURNAL, golden_json("expected/journal.json"), strict=True):
        inputs = decode_inputs(golden(name), fetch)
        assert len(inputs) == len(entry)
        for was, news in zip(entry, inputs, strict=True):
            kinds.add(was["kind"])
            wanted = {field: value for field, value in was.items() if field != "kind"}
            if isinstance(news, SignallingRecord):
                assert_holds(wanted, {"place": news.at, "origin": news.record.origin})
            else:
                assert_holds(wanted, news)
    assert len(kinds) == 4


def test_a_site_that_is_over_knows_every_repeat():
    expected = golden_json("expected/home-over.json")
    home = restored("home/over.cpst", "callprint", expected, "home/over-signalling.jsonl")
    assert home.over
    assert home.repeats == expected["repeats"]
    inputs = decode_inputs(golden("home/over-inputs.bin"), fetch_from("home/over-signalling.jsonl"))
    assert [home.take(news) for news in inputs] == [[]] * expected["inputs"]
    assert home.repeats == expected["repeats"] + expected["inputs"]


# The next field. What a later version could add to everything that is kept in rows:


@dataclass(frozen=True, slots=True)
class LaterVerdict(Verdict):
    declared_name: str | None = None


@dataclass(frozen=True, slots=True)
class LaterSummary(FlowSummary):
    capture: str | None = None


@dataclass(frozen=True, slots=True)
class LaterVote(Vote):
    sure: bool | None = None


@pytest.fixture
def next_version(monkeypatch):
    """The code of today with a field more of each kind."""
    rows = {
        "VERDICTS": NamedRows(LaterVerdict, VERDICTS._released),
        "SUMMARIES": NamedRows(LaterSummary, SUMMARIES._released),
        "VOTES": NamedRows(LaterVote, site_snapshot.VOTES._released),
    }
    for module in (site_snapshot, journal, assembly_snapshot):
        for name in rows.keys() & vars(module).keys():
            monkeypatch.setattr(module, name, rows[name])


@pytest.mark.usefixtures("next_version")
def test_the_next_field_loses_no_history():
    """The trap that this closes: one field more, and a cluster forgot all its callers."""
    expected = golden_json("expected/home-callprint.json")
    home = restored("home/callprint.cpst", "callprint", expected["state"], "home/signalling.jsonl")
    assert_holds(expected["state"], known(home))
    assert {type(verdict) for verdict in home.verdicts.values()} == {LaterVerdict}
    assert {vote.sure for vote in home.user_votes.taken.values()} == {None}
    reports = [flow.report for *_, flow in home.assembler._flows]
    assert {report.summary.capture for report in reports} == {None}
    fetch = fetch_from("home/signalling.jsonl")
    for name, rows in zip(JOURNAL, expected["rows"], strict=True):
        assert len([row for each in decode_inputs(golden(name), fetch) for row in home.take(each)]) == len(
            rows
        )


def test_a_version_back_and_forth_loses_no_history(request):
    """What the next version wrote is read by today's, and the other way round; a field nobody gave is not known."""
    expected = golden_json("expected/home-callprint.json")
    fetch = fetch_from("home/signalling.jsonl")
    entries = [encode_inputs(decode_inputs(golden(name), fetch)) for name in JOURNAL]
    home = restored("home/callprint.cpst", "callprint", expected["state"], "home/signalling.jsonl")
    today = site_snapshot.snapshot(home).pack()
    request.getfixturevalue("next_version")
    home = again(expected, today)
    assert_holds(expected["state"], known(home))
    later = site_snapshot.snapshot(home).pack()
    assert len(later) > len(today)
    later_entries = [encode_inputs(decode_inputs(entry, fetch)) for entry in entries]
    request.getfixturevalue("monkeypatch").undo()
    assert site_snapshot.snapshot(again(expected, later)).pack() == today
    assert [encode_inputs(decode_inputs(entry, fetch)) for entry in later_entries] == entries


def again(expected: dict[str, Any], packed: bytes) -> SiteCalls:
    home = SiteCalls(expected["state"]["site"], make_detector("callprint"))
    assert site_snapshot.restore(home, Snapshot.unpack(packed), fetch_from("home/signalling.jsonl"))
    return home
