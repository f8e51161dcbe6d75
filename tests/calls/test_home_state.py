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

from callprint.core.calls import home_state
from callprint.core.calls.call import Feedback
from callprint.core.calls.detector_names import DETECTORS
from callprint.core.calls.detectors import make_detector
from callprint.core.calls.home import CallHome
from callprint.core.calls.journal import decode_inputs, encode_inputs
from callprint.core.calls.news import Said, Silence
from callprint.core.errors import DecodeError
from callprint.core.spit.state import State
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
    return CallHome(site, make_detector(detector))


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
            kept, journal = home_state.snapshot(home).pack(), []
        if chance.random() < 0.1:
            deaths += 1
            home = fresh(inputs, detector)
            if kept is not None:
                home_state.restore(home, State.unpack(kept), inputs.fetch)
            for entry in journal:
                for again in decode_inputs(entry, inputs.fetch):
                    rows.update(map(repr, home.take(again)))
    assert deaths > 5
    assert sorted(rows) == sorted(map(repr, embedded_rows(frames, detector=detector)))


def test_votes_are_part_of_what_comes_back(inputs):
    vote = Feedback("c0@x", "t0", "+4930111111", "ann", 1_700_000_000_000_000_000, True)
    said = Said((vote,), frozenset({"+4930222222"}))
    everything = list(inputs.in_turn())
    home = fresh(inputs)
    for news in [*everything[:40], said]:
        home.take(news)
    copy = fresh(inputs)
    home_state.restore(copy, State.unpack(home_state.snapshot(home).pack()), inputs.fetch)
    assert copy.judge.allowed == {"+4930222222"}
    rest = everything[40:]
    assert [repr(copy.take(news)) for news in rest] == [repr(home.take(news)) for news in rest]
    assert decode_inputs(encode_inputs([said]), inputs.fetch) == [said]


def test_a_snapshot_is_the_same_after_it_came_back(inputs):
    home = fresh(inputs)
    for news in list(inputs.in_turn())[:60]:
        home.take(news)
    packed = home_state.snapshot(home).pack()
    copy = fresh(inputs)
    home_state.restore(copy, State.unpack(packed), inputs.fetch)
    assert home_state.snapshot(copy).pack() == packed


def test_a_site_that_is_over_keeps_only_what_tells_repeats(inputs):
    home = fresh(inputs)
    for news in inputs.in_turn():
        home.take(news)
    packed = home_state.snapshot(home).pack()
    assert len(packed) < 2_000
    copy = fresh(inputs)
    home_state.restore(copy, State.unpack(packed), inputs.fetch)
    assert [copy.take(news) for news in inputs.in_turn()] == [[]] * sum(map(len, inputs.topics.values()))


def test_the_state_of_another_site_is_refused_and_another_detector_begins_anew(inputs):
    state = home_state.snapshot(fresh(inputs))
    with pytest.raises(DecodeError, match="site"):
        home_state.restore(CallHome(7, make_detector("callprint")), state, inputs.fetch)
    for name in DETECTORS:
        assert home_state.restore(fresh(inputs, name), state, inputs.fetch) == (name == DETECTORS[0])


def test_no_number_is_in_the_journal_and_none_that_waits_in_the_snapshot(inputs):
    news = [each for each in inputs.in_turn() if not isinstance(each, Silence)]
    assert b"4930111111" not in b"".join(zlib.decompress(encode_inputs([each])) for each in news)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_a_state_or_an_entry_or_raise(data):
    with pytest.raises(DecodeError):
        State.unpack(data)
    with pytest.raises(DecodeError):
        decode_inputs(data, lambda place: pytest.fail(f"nothing stands at {place}"))


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_damaged_state_comes_back_or_raises(data):
    whole = State({"a": 1, "b": {"c": [None, 0.5]}}, {"b.x": np.arange(6).reshape(2, 3)}).pack()
    broken = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 3))):
        broken[data.draw(st.integers(0, len(broken) - 1))] = data.draw(st.integers(0, 255))
    try:
        State.unpack(bytes(broken[: data.draw(st.integers(0, len(broken)))]))
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
