"""The sites of one task on a real store: journal, snapshots, deaths, a store that does not answer."""

import random
import re
from dataclasses import replace

import pytest
from call_stream import busy_line, embedded_rows, frames_of, inputs_of, record
from sip_scenario import write_capture
from verdict_samples import LINPHONE, SHORT, summary, verdict

from callprint.core.call import AllowEntry, Vote
from callprint.core.ground.errors import DecodeError, StoreError
from callprint.core.relay.site_inputs import FlowResults
from callprint.core.signalling.identity import IdentityReader
from callprint.core.wire.source import site_of
from callprint.stores import CallQuery, VerdictQuery
from callprint.stores.base import CALL_STATE_DAYS
from callprint.stores.sqlite import SqliteStore
from callprint.stores.sqlite_evidence import DAY_NS

pytest.importorskip("kafka", reason="the extra `cluster` is not installed")

from callprint.topology import call_rows
from callprint.topology import sites as sites_module
from callprint.topology.sites import Sites


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    path = tmp_path_factory.mktemp("sites") / "calls.pcap"
    write_capture(path, busy_line(9))
    return frames_of(path)


@pytest.fixture
def store(tmp_path):
    with SqliteStore(tmp_path / "verdicts.sqlite") as store:
        yield store


class Away:
    """A store that fails at random, before or after it has done what it was asked."""

    def __init__(self, store, chance):
        self._store, self._chance = store, chance

    def __getattr__(self, name):
        method = getattr(self._store, name)

        def asked(*values, **named):
            if self._chance.random() < 0.15:
                raise StoreError("away")
            answer = method(*values, **named)
            if self._chance.random() < 0.15:
                raise StoreError("away after it was done")
            return answer

        return asked


def site_and(site_input):
    source = site_input.source if isinstance(site_input, FlowResults) else site_input.record.origin.source
    return site_of(source), site_input


def stored(store):
    return sorted(repr(call) for call in store.calls(CallQuery(last_only=False)))


def wanted(frames):
    return sorted(map(repr, embedded_rows(frames)))


def drive(frames, store, chance, steps_of_a_life, monkeypatch, opened=None):
    """Feed inputs as spouts do: what was not acknowledged comes again, also after a bolt has died."""
    monkeypatch.setattr(sites_module, "ENTRIES_BETWEEN_SNAPSHOTS", 7)
    inputs = inputs_of(record(frames, batch=200))
    opened = opened or (lambda: store)

    def fresh():
        return Sites(opened, "callprint", IdentityReader(), inputs.fetch)

    sites, now_s, step, died = fresh(), 0.0, 0, 0
    waiting = list(inputs.shuffled(chance))
    while waiting:
        some, waiting = waiting[:5], waiting[5:]
        while True:
            now_s += 0.02
            try:
                for site_input in some:
                    sites.put(*site_and(site_input))
                sites.flush(now_s)
                sites.upkeep(now_s)
                while sites.rows:  # an answer waits for them
                    sites.upkeep(now_s)
                break
            except StoreError:
                continue
        step += 1
        if step % steps_of_a_life == 0:
            sites, died = fresh(), died + 1
            waiting = some[2:] + waiting
    return died


@pytest.mark.parametrize("seed", range(3))
def test_no_death_loses_or_changes_a_row(frames, store, monkeypatch, seed):
    assert drive(frames, store, random.Random(seed), 3, monkeypatch) > 3
    assert stored(store) == wanted(frames)


@pytest.mark.parametrize("seed", range(3))
def test_rows_that_the_store_takes_in_parts_are_those_of_one_piece(frames, store, monkeypatch, seed):
    """Also when processes die, and the store does not answer, between two parts."""
    monkeypatch.setattr(call_rows, "ROWS_AT_ONCE", 1)
    chance = random.Random(seed)
    away = Away(store, chance)
    assert drive(frames, store, chance, 4, monkeypatch, opened=lambda: away) > 3
    assert stored(store) == wanted(frames)


def test_what_waits_is_stored_in_parts_and_no_snapshot_covers_it(frames, store, monkeypatch):
    monkeypatch.setattr(call_rows, "ROWS_AT_ONCE", 2)
    inputs = inputs_of(record(frames, batch=200))
    sites = Sites(lambda: store, "callprint", IdentityReader(), inputs.fetch)
    everything = [site_and(site_input) for site_input in inputs.in_turn()]
    for site_input in everything:
        sites.put(*site_input)
    sites.flush(0.0)
    assert len(stored(store)) == 2
    upkeeps = 0
    while sites.rows:
        assert store.call_state(everything[0][0])[0] == 0, "its journal is needed until all rows are stored"
        sites.upkeep(1.0)
        upkeeps += 1
    assert upkeeps == -(-len(wanted(frames)) // 2) - 1
    assert stored(store) == wanted(frames)


@pytest.mark.parametrize("seed", range(3))
def test_a_store_that_fails_at_any_time_only_delays(frames, store, monkeypatch, seed):
    chance = random.Random(seed)
    away = Away(store, chance)
    drive(frames, store, chance, 7, monkeypatch, opened=lambda: away)
    assert stored(store) == wanted(frames)


@pytest.mark.parametrize("failing", [False, True])
def test_stored_flows_are_completed_by_what_sdp_announced(tmp_path, store, monkeypatch, failing):
    """Other bolts store the flows; the site's bolt knows what SDP says about them."""
    packets = busy_line(5)
    packets = [
        (*sent, data.replace(b"RTP/AVP 8\r\n", b"RTP/AVP 8\r\na=rtpmap:8 G729/8000\r\n"))
        for *sent, data in packets
    ]
    packets = [(*sent, re.sub(rb"Content-Length: \d+", b"", data)) for *sent, data in packets]
    write_capture(tmp_path / "calls.pcap", packets)
    frames = frames_of(tmp_path / "calls.pcap")
    for each in inputs_of(record(frames, batch=200)).in_turn():
        if isinstance(each, FlowResults):
            store.put_verdicts(each.verdicts)
            store.put_flows(each.summaries)
    chance = random.Random(1)
    away = Away(store, chance) if failing else store
    drive(frames, store, chance, 3, monkeypatch, opened=lambda: away)
    found = [row.summary for row in store.verdicts(VerdictQuery())]
    assert len(found) == 10
    # Every third call has no signalling.
    assert sum(summary.announced_codec == "G729" for summary in found) == 8
    assert sum(summary.announced_codec is None for summary in found) == 2


def test_each_vote_is_taken_once_and_allowed_callers_are_left_alone(frames, store):
    inputs = inputs_of(record(frames, batch=200))
    sites = Sites(lambda: store, "callprint", IdentityReader(), inputs.fetch)
    everything = [site_and(site_input) for site_input in inputs.in_turn()]
    for site_input in everything[:20]:
        sites.put(*site_input)
    sites.flush(0.0)
    (loaded,) = sites._loaded.values()
    store.put_votes([Vote("c0@x", "t0", "+4930111111", "ann", 1_700_000_000_000_000_000, True)])
    store.put_allowed([AllowEntry("+4930111111", "bob", 1)])
    sites.upkeep(100.0)
    sites.upkeep(200.0)
    assert loaded.calls.judge.allowed == {"+4930111111"}
    assert list(loaded.calls.user_votes.taken) == [("ann", "+4930111111")]
    assert len(list(store.call_journal(everything[0][0], 0))) <= 2, "once, not at every look"
    for site_input in everything[20:]:
        sites.put(*site_input)
    sites.flush(300.0)
    of_caller = [call for call in store.calls(CallQuery(number="+4930111111")) if call.judged_at_ns]
    assert any("allow-list" in call.reason for call in of_caller)


def test_a_site_that_is_over_leaves_memory_and_repeats_still_mean_nothing(frames, store):
    inputs = inputs_of(record(frames, batch=200))
    sites = Sites(lambda: store, "callprint", IdentityReader(), inputs.fetch)
    everything = [site_and(site_input) for site_input in inputs.in_turn()]
    for _ in range(2):
        for site_input in everything:
            sites.put(*site_input)
        sites.flush(0.0)
        sites.upkeep(1.0)
        assert not sites._loaded
    assert stored(store) == wanted(frames)
    assert list(store.call_journal(everything[0][0], 0)) == []


def test_records_that_kafka_has_deleted_cost_what_was_known_and_nothing_else(frames, store, caplog):
    inputs = inputs_of(record(frames, batch=200))
    everything = [site_and(site_input) for site_input in inputs.in_turn()]
    sites = Sites(lambda: store, "callprint", IdentityReader(), inputs.fetch)
    for site_input in everything[:-30]:
        sites.put(*site_input)
        sites.flush(0.0)

    def deleted(place):
        raise DecodeError(f"{place} was deleted")

    sites = Sites(lambda: store, "callprint", IdentityReader(), deleted)
    for site_input in everything[-30:]:
        sites.put(*site_input)
        sites.flush(1.0)
    site = everything[0][0]
    assert "is lost" in caplog.text
    number, _ = store.call_state(site)
    assert number == len(everything) - 30, "it goes on behind what it could not take again"
    entries = [entry for entry, _ in store.call_journal(site, 0)]
    assert entries == list(range(number, number + len(entries)))
    assert entries


def test_a_site_whose_snapshot_has_expired_begins_behind_its_journal(frames, tmp_path, caplog):
    days = [20_000]
    inputs = inputs_of(record(frames, batch=200))
    everything = [site_and(site_input) for site_input in inputs.in_turn()]
    with SqliteStore(tmp_path / "days.sqlite", now_ns=lambda: days[0] * DAY_NS) as store:
        for first, last in ((0, 10), (10, 30)):
            sites = Sites(lambda: store, "callprint", IdentityReader(), inputs.fetch)
            for site_input in everything[first:last]:
                sites.put(*site_input)
                sites.flush(0.0)
            if not first:
                days[0] += CALL_STATE_DAYS + 1
                store.put_call_state(1, 0, b"of another site")
        site = everything[0][0]
        assert "its snapshot has expired" in caplog.text
        assert store.call_state(site)[0] == 10
        assert [number for number, _ in store.call_journal(site, 0)] == list(range(10, 30))


def test_another_process_that_keeps_the_same_site_is_noticed(frames, store):
    inputs = inputs_of(record(frames, batch=200))
    one, other = (Sites(lambda: store, "callprint", IdentityReader(), inputs.fetch) for _ in range(2))
    everything = [site_and(site_input) for site_input in inputs.in_turn()]
    for sites in (one, other):
        sites.put(*everything[0])
        sites.flush(0.0)
    one.put(*everything[1])
    one.flush(0.0)
    other.put(*everything[2])
    with pytest.raises(StoreError, match="another process"):
        other.flush(0.0)
    other.put(*everything[2])
    other.flush(0.0)  # it has looked again, and goes on behind what the other wrote


def test_a_row_that_the_store_never_takes_goes_aside_and_the_others_are_stored(frames, store):
    rows = embedded_rows(frames)
    broken = replace(rows[1], started_ns=1 << 63)
    aside, away = [], True

    def refuse(call, reason):
        aside.append((call, reason))
        return not away

    sites = Sites(lambda: store, "callprint", IdentityReader(), lambda _place: None, refuse)
    sites.rows.calls = [rows[0], broken, rows[2]]
    with pytest.raises(StoreError, match="set aside"):
        sites.flush(0.0)
    away = False
    sites.flush(0.0)
    assert [call for call, _ in aside] == [broken, broken]
    assert not sites.rows
    assert stored(store) == sorted(map(repr, (rows[0], rows[2])))


def test_of_rows_about_flows_only_those_that_the_store_never_takes_go_aside(store):
    flows, verdicts = [summary(), summary(SHORT, packets=1 << 63)], [verdict(k=1 << 63), verdict(SHORT)]
    aside = []
    sites = Sites(
        lambda: store,
        "callprint",
        IdentityReader(),
        lambda _place: None,
        lambda row, _: not aside.append(row),
    )
    sites.rows.announced, sites.rows.declared = list(flows), list(verdicts)
    sites.flush(0.0)
    assert aside == [flows[1], verdicts[0]]
    (kept,) = store.verdicts(VerdictQuery(flow=SHORT))
    assert (kept.verdict, kept.summary) == (verdicts[1], None)
    store.put_verdicts([verdict()])
    (kept,) = store.verdicts(VerdictQuery(flow=LINPHONE))
    assert kept.summary == flows[0]
