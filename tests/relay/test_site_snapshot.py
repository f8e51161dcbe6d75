"""The calls of a site that die go on from snapshot and journal, and give the same rows."""

import base64
import json
import random
import zlib
from dataclasses import replace

import numpy as np
import pytest
from call_stream import busy_frames, embedded_rows, inputs_of, record, site_for
from hypothesis import given, settings
from hypothesis import strategies as st
from released_files import golden, golden_lines

from callprint.core.call import WITHDRAWN, Vote
from callprint.core.ground.errors import DecodeError
from callprint.core.ground.snapshot import Snapshot
from callprint.core.relay import site_snapshot
from callprint.core.relay.journal import decode_inputs, encode_inputs
from callprint.core.relay.site import SiteCalls
from callprint.core.relay.site_inputs import SourceSilent, VoteUpdate
from callprint.core.spam.detector_names import DETECTORS
from callprint.core.spam.detectors import make_detector
from callprint.core.wire.signalling import decode_record

VOTE = Vote("c0@x", "t0", "+4930111111", "ann", 1_700_000_000_000_000_000, True)


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    return busy_frames(tmp_path_factory.mktemp("snapshot"))


@pytest.fixture(scope="module")
def inputs(frames):
    return inputs_of(record(frames, batch=60))


@pytest.mark.parametrize("detector", DETECTORS)
@pytest.mark.parametrize("seed", range(2))
def test_a_site_that_dies_again_and_again_gives_the_same_rows(frames, inputs, detector, seed):
    """Inputs are journalled before they are taken; a death loses the object and keeps snapshot and journal."""
    chance = random.Random(seed)
    home, kept, journal = site_for(inputs, detector), None, []
    rows = set()
    deaths = 0
    for news in inputs.shuffled(chance, repeats=0.1):
        journal.append(encode_inputs([news]))
        rows.update(map(repr, home.take(news)))
        if chance.random() < 0.1:
            kept, journal = site_snapshot.snapshot(home).pack(), []
        if chance.random() < 0.1:
            deaths += 1
            home = site_for(inputs, detector)
            if kept is not None:
                site_snapshot.restore(home, Snapshot.unpack(kept), inputs.fetch)
            for entry in journal:
                for again in decode_inputs(entry, inputs.fetch):
                    rows.update(map(repr, home.take(again)))
    assert deaths > 5
    assert sorted(rows) == sorted(map(repr, embedded_rows(frames, detector=detector)))


def test_votes_are_part_of_what_comes_back(inputs):
    update = VoteUpdate((VOTE,), frozenset({"+4930222222"}))
    everything = list(inputs.in_turn())
    home = site_for(inputs)
    for news in [*everything[:40], update]:
        home.take(news)
    copy = site_for(inputs)
    site_snapshot.restore(copy, Snapshot.unpack(site_snapshot.snapshot(home).pack()), inputs.fetch)
    assert copy.judge.allowed == {"+4930222222"}
    rest = everything[40:]
    assert [repr(copy.take(news)) for news in rest] == [repr(home.take(news)) for news in rest]
    ended = VoteUpdate((replace(VOTE, spam=False, kind=WITHDRAWN),), frozenset())
    assert decode_inputs(encode_inputs([update, ended]), inputs.fetch) == [update, ended]


def test_a_snapshot_is_the_same_after_it_came_back(inputs):
    home = site_for(inputs)
    for news in list(inputs.in_turn())[:60]:
        home.take(news)
    packed = site_snapshot.snapshot(home).pack()
    copy = site_for(inputs)
    site_snapshot.restore(copy, Snapshot.unpack(packed), inputs.fetch)
    assert site_snapshot.snapshot(copy).pack() == packed


def test_a_site_that_is_over_keeps_only_what_tells_repeats(inputs):
    home = site_for(inputs)
    for news in inputs.in_turn():
        home.take(news)
    packed = site_snapshot.snapshot(home).pack()
    assert len(packed) < 2_000
    copy = site_for(inputs)
    site_snapshot.restore(copy, Snapshot.unpack(packed), inputs.fetch)
    assert [copy.take(news) for news in inputs.in_turn()] == [[]] * sum(map(len, inputs.topics.values()))


def test_the_snapshot_of_another_site_is_refused_and_another_detector_begins_anew(inputs):
    kept = site_snapshot.snapshot(site_for(inputs))
    with pytest.raises(DecodeError, match="site"):
        site_snapshot.restore(SiteCalls(7, make_detector("callprint")), kept, inputs.fetch)
    for name in DETECTORS:
        assert site_snapshot.restore(site_for(inputs, name), kept, inputs.fetch) == (name == DETECTORS[0])


def test_no_number_is_in_the_journal_and_none_that_waits_in_the_snapshot(inputs):
    news = [each for each in inputs.in_turn() if not isinstance(each, SourceSilent)]
    assert b"4930111111" not in b"".join(zlib.decompress(encode_inputs([each])) for each in news)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_no_snapshot_and_no_entry(data):
    with pytest.raises(DecodeError):
        Snapshot.unpack(data)
    with pytest.raises(DecodeError):
        decode_inputs(data, lambda at: pytest.fail(f"nothing is at {at}"))


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_damaged_snapshot_comes_back_or_raises(data):
    whole = Snapshot({"a": 1, "b": {"c": [None, 0.5]}}, {"b.x": np.arange(6).reshape(2, 3)}).pack()
    broken = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 3))):
        broken[data.draw(st.integers(0, len(broken) - 1))] = data.draw(st.integers(0, 255))
    try:
        Snapshot.unpack(bytes(broken[: data.draw(st.integers(0, len(broken)))]))
    except DecodeError:
        return


KINDS = st.sampled_from(["flows", "signalling", "silence", "said", "votes"])
NAMES = st.sampled_from(
    ["kind", "source", "partition", "sequence", "offset", "verdicts", "summaries", "votes", "allowed"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | KINDS,
    lambda inner: st.lists(inner, max_size=7) | st.dictionaries(NAMES, inner, max_size=7),
    max_leaves=8,
)
INPUT = st.dictionaries(NAMES, JSON, max_size=7) | st.builds(
    lambda kind, rest: rest | {"kind": kind}, KINDS, st.dictionaries(NAMES, JSON, max_size=7)
)
ENTRY = (
    JSON
    | st.builds(lambda inputs: {"version": 2, "inputs": inputs}, st.lists(INPUT, max_size=3))
    | st.builds(lambda kind, rest: [[kind, *rest]], KINDS, st.lists(JSON, max_size=5))
)


@settings(max_examples=150, deadline=None)
@given(ENTRY)
def test_any_json_is_an_entry_or_raises(value):
    try:
        decode_inputs(zlib.compress(json.dumps(value).encode()), lambda _at: None)
    except DecodeError:
        return


def places_in(value, path=()):
    """Every place in a value of JSON, as the way to it."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        yield (*path, key)
        yield from places_in(each, (*path, key))


GOLDEN = Snapshot.unpack(golden("home/callprint.cpst"))
RECORDS = {
    (line["partition"], line["offset"]): base64.b64decode(line["record_base64"])
    for line in golden_lines("home/signalling.jsonl")
}


def fetch(at):
    """Stand in for Kafka."""
    if (at.partition, at.offset) not in RECORDS:
        raise DecodeError(f"nothing is at {at}")
    return decode_record(RECORDS[at.partition, at.offset])


def empty():
    return SiteCalls(GOLDEN.plain["own"]["site"], make_detector("callprint"))


@pytest.fixture(scope="module")
def packed():
    """A snapshot in today's form with something of everything."""
    home = empty()
    assert site_snapshot.restore(home, GOLDEN, fetch)
    return site_snapshot.snapshot(home).pack()


def test_what_a_snapshot_does_not_name_is_not_known(packed):
    """A call's field with a default, and a feature: as if they had come after the version that wrote it."""
    kept = Snapshot.unpack(packed)
    for call in kept.plain["assembly"]["calls"]:
        del call["ringing_ns"], call["closed_ns"]
    names = kept.plain["judge"]["features"]
    gone = names.index("called_before")
    names[gone] = "of_a_later_version"
    home, whole = empty(), empty()
    assert site_snapshot.restore(home, kept, fetch)
    assert site_snapshot.restore(whole, Snapshot.unpack(packed), fetch)
    for call in home.assembler._table.all_calls():
        assert (call.ringing_ns, call.closed_ns) == (None, 0)
    for call, vector in home.judge.vectors.items():
        assert np.isnan(vector[gone])
        others = np.arange(len(vector)) != gone
        np.testing.assert_array_equal(vector[others], whole.judge.vectors[call][others])


def test_what_today_does_not_know_is_passed_over(packed):
    kept = Snapshot.unpack(packed)
    for values in (kept.plain["own"], *kept.plain["order"]["sources"], *kept.plain["assembly"]["calls"]):
        values["of_a_later_version"] = 7
    kept.plain["judge"]["features"].insert(3, "of_a_later_version")
    kept.arrays["judge.features"] = np.insert(kept.arrays["judge.features"], 3, 7.0, axis=1)
    home = empty()
    assert site_snapshot.restore(home, kept, fetch)
    assert site_snapshot.snapshot(home).pack() == packed


@pytest.mark.parametrize("part", ["own", "assembly"])
def test_a_form_of_a_later_version_is_refused(packed, part):
    kept = Snapshot.unpack(packed)
    kept.plain[part]["version"] = 3
    with pytest.raises(DecodeError, match="version 3"):
        site_snapshot.restore(empty(), kept, fetch)
    entry = zlib.compress(b'{"version": 3, "inputs": []}')
    with pytest.raises(DecodeError, match="version 3"):
        decode_inputs(entry, fetch)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_forged_snapshot_comes_back_or_raises(packed, data):
    """Of the parts that this file is about; detectors have tests of their own."""
    kept = Snapshot.unpack(packed)
    parts = {name: kept.plain[name] for name in ("own", "order", "assembly", "judge")}
    for _ in range(data.draw(st.integers(1, 3))):
        *way, last = data.draw(st.sampled_from(list(places_in(parts))))
        found = parts
        for key in way:
            found = found[key]
        if isinstance(found, dict) and data.draw(st.booleans()):
            del found[last]
        else:
            found[last] = data.draw(JSON)
    try:
        site_snapshot.restore(empty(), kept, fetch)
    except DecodeError:
        return
