"""A home of calls that dies goes on from its snapshot and journal, and says the same rows."""

import json
import random
import zlib

import numpy as np
import pytest
from call_stream import busy_line, embedded_rows, frames_of, inputs_of, record
from hypothesis import given, settings
from hypothesis import strategies as st
from sip_scenario import write_capture

from callprint.core.call import Vote
from callprint.core.ground.errors import DecodeError
from callprint.core.ground.snapshot import Snapshot
from callprint.core.relay import site_snapshot
from callprint.core.relay.journal import decode_inputs, encode_inputs
from callprint.core.relay.site import SiteCalls
from callprint.core.relay.site_inputs import SourceSilent, VoteUpdate
from callprint.core.spam.detector_names import DETECTORS
from callprint.core.spam.detectors import make_detector
from callprint.core.wire.source import site_of


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    path = tmp_path_factory.mktemp("state") / "calls.pcap"
    write_capture(path, busy_line(9))
    return frames_of(path)


@pytest.fixture(scope="module")
def inputs(frames):
    return inputs_of(record(frames, batch=60))


def fresh(inputs, detector="callprint"):
    (site,) = {site_of(source) for source in inputs.sources}
    return SiteCalls(site, make_detector(detector))


@pytest.mark.parametrize("detector", DETECTORS)
@pytest.mark.parametrize("seed", range(2))
def test_a_home_that_dies_again_and_again_says_the_same_rows(frames, inputs, detector, seed):
    """Inputs are journalled before they are taken; a death loses the object and keeps snapshot and journal."""
    chance = random.Random(seed)
    home, kept, journal = fresh(inputs, detector), None, []
    rows = set()
    deaths = 0
    for news in inputs.shuffled(chance, repeats=0.1):
        journal.append(encode_inputs([news]))
        rows.update(map(repr, home.take(news)))
        if chance.random() < 0.1:
            kept, journal = site_snapshot.snapshot(home).pack(), []
        if chance.random() < 0.1:
            deaths += 1
            home = fresh(inputs, detector)
            if kept is not None:
                site_snapshot.restore(home, Snapshot.unpack(kept), inputs.fetch)
            for entry in journal:
                for again in decode_inputs(entry, inputs.fetch):
                    rows.update(map(repr, home.take(again)))
    assert deaths > 5
    assert sorted(rows) == sorted(map(repr, embedded_rows(frames, detector=detector)))


def test_votes_are_part_of_what_comes_back(inputs):
    vote = Vote("c0@x", "t0", "+4930111111", "ann", 1_700_000_000_000_000_000, True)
    said = VoteUpdate((vote,), frozenset({"+4930222222"}))
    everything = list(inputs.in_turn())
    home = fresh(inputs)
    for news in [*everything[:40], said]:
        home.take(news)
    copy = fresh(inputs)
    site_snapshot.restore(copy, Snapshot.unpack(site_snapshot.snapshot(home).pack()), inputs.fetch)
    assert copy.judge.allowed == {"+4930222222"}
    rest = everything[40:]
    assert [repr(copy.take(news)) for news in rest] == [repr(home.take(news)) for news in rest]
    assert decode_inputs(encode_inputs([said]), inputs.fetch) == [said]


def test_a_snapshot_is_the_same_after_it_came_back(inputs):
    home = fresh(inputs)
    for news in list(inputs.in_turn())[:60]:
        home.take(news)
    packed = site_snapshot.snapshot(home).pack()
    copy = fresh(inputs)
    site_snapshot.restore(copy, Snapshot.unpack(packed), inputs.fetch)
    assert site_snapshot.snapshot(copy).pack() == packed


def test_a_site_that_is_over_keeps_only_what_tells_repeats(inputs):
    home = fresh(inputs)
    for news in inputs.in_turn():
        home.take(news)
    packed = site_snapshot.snapshot(home).pack()
    assert len(packed) < 2_000
    copy = fresh(inputs)
    site_snapshot.restore(copy, Snapshot.unpack(packed), inputs.fetch)
    assert [copy.take(news) for news in inputs.in_turn()] == [[]] * sum(map(len, inputs.topics.values()))


def test_the_state_of_another_site_is_refused_and_another_detector_begins_anew(inputs):
    state = site_snapshot.snapshot(fresh(inputs))
    with pytest.raises(DecodeError, match="site"):
        site_snapshot.restore(SiteCalls(7, make_detector("callprint")), state, inputs.fetch)
    for name in DETECTORS:
        assert site_snapshot.restore(fresh(inputs, name), state, inputs.fetch) == (name == DETECTORS[0])


def test_no_number_is_in_the_journal_and_none_that_waits_in_the_snapshot(inputs):
    news = [each for each in inputs.in_turn() if not isinstance(each, SourceSilent)]
    assert b"4930111111" not in b"".join(zlib.decompress(encode_inputs([each])) for each in news)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_a_state_or_an_entry_or_raise(data):
    with pytest.raises(DecodeError):
        Snapshot.unpack(data)
    with pytest.raises(DecodeError):
        decode_inputs(data, lambda place: pytest.fail(f"nothing stands at {place}"))


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_damaged_state_comes_back_or_raises(data):
    whole = Snapshot({"a": 1, "b": {"c": [None, 0.5]}}, {"b.x": np.arange(6).reshape(2, 3)}).pack()
    broken = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 3))):
        broken[data.draw(st.integers(0, len(broken) - 1))] = data.draw(st.integers(0, 255))
    try:
        Snapshot.unpack(bytes(broken[: data.draw(st.integers(0, len(broken)))]))
    except DecodeError:
        return


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=5)
    | st.just("flows")
    | st.just("signalling"),
    lambda inner: st.lists(inner, max_size=7),
    max_leaves=20,
)


@settings(max_examples=200, deadline=None)
@given(JSON)
def test_any_json_is_an_entry_or_raises(value):
    try:
        decode_inputs(zlib.compress(json.dumps(value).encode()), lambda _place: None)
    except DecodeError:
        return
