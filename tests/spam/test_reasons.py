"""Reasons in words are what was observed: counts of real calls, never a faded or smoothed number."""

import numpy as np
import pytest

from callprint.core.calls.facts import CALL, ENDED_BY_CALLEE
from callprint.core.ground.errors import ConfigError
from callprint.core.ground.snapshot import Snapshot
from callprint.core.spam.compiled_histories import BEGIN, FILL, FINISH
from callprint.core.spam.features import FEATURE_COUNT, Feature
from callprint.core.spam.reasons import in_words
from callprint.core.spam.sightings import NOTHING_SEEN, RING, Seen, Sightings

START_NS = 1_800_000_000 * 1_000_000_000


def call(at_s, callee, caller=7, talk_s=2.0, status=200, campaign=9):
    row = np.zeros(1, CALL)[0]
    row["started_ns"] = START_NS + int(at_s * 1e9)
    row["answered_ns"] = row["started_ns"] + 1_000_000_000 if status == 200 else 0
    row["ended_ns"] = row["started_ns"] + 1_000_000_000 + int(talk_s * 1e9)
    row["caller"], row["callee"], row["campaign"] = caller, callee, campaign
    row["status"], row["ended_by"] = status, ENDED_BY_CALLEE
    return row


def seen_of(*calls):
    sightings = Sightings(16)
    take(sightings, *calls)
    return sightings


def take(sightings, *calls, steps=(BEGIN, FINISH)):
    rows = np.repeat(np.array([*calls], CALL), len(steps))
    return sightings.play(rows, np.tile(steps, len(calls)))


def seen_by(sightings, key):
    ((seen, _),) = take(sightings, call(0, 0, caller=key), steps=(FILL,))
    return seen


def words(points, seen=NOTHING_SEEN, campaign=NOTHING_SEEN, raw=0.5, vote_logit=0.0, votes=(0, 0)):
    vector, given = np.full(FEATURE_COUNT, np.nan), np.zeros(FEATURE_COUNT)
    for feature, value in points.items():
        vector[feature] = raw.get(feature, 0.5) if isinstance(raw, dict) else raw
        given[feature] = value
    (text,) = in_words(vector[None], given[None], np.array([vote_logit]), [votes], [(seen, campaign)])
    return text


def test_the_reason_of_the_issue_word_for_word():
    calls = [call(i * 15, 100 + i, talk_s=2.0 if i % 10 else 20.0) for i in range(41)]
    seen = seen_by(seen_of(*calls), 7)
    points = {Feature.CALL_FREQUENCY: 2.0, Feature.SHORT_CALL_RATIO: 1.0}
    assert words(points, seen) == "41 calls in 10 minutes to 41 different numbers, 88 % under 6 s"


def test_few_calls_are_counted_and_none_are_not_mentioned():
    seen = Seen(calls=3, span_s=100.0, callees=1, over=3, answered=2, short=1)
    points = {Feature.SHORT_CALL_RATIO: 2.0, Feature.UNASSIGNED_RATIO: 1.0, Feature.ANSWER_RATIO: 0.5}
    assert words(points, seen) == "3 calls in 2 minutes to one number, 1 of 2 under 6 s, 2 of 3 answered"
    assert words({Feature.CALL_FREQUENCY: 2.0}, Seen(calls=1)) == "nothing unusual known about this caller"


@pytest.mark.parametrize(
    ("feature", "value", "text"),
    [
        (Feature.CALLEE_STEP, 1.0, "dialled 1 number away from the last one"),
        (Feature.CALLEE_STEP, 2.0, "dialled 2 numbers away from the last one"),
        (Feature.SINCE_LAST_CALL, 1.0, "1 second since its last call"),
        (Feature.SINCE_LAST_CALL, 65.0, "1 minute since its last call"),
        (Feature.KNOWN_FOR, 86_400.0, "known for 1 day"),
        (Feature.KNOWN_FOR, 0.0, "first call seen from it"),
    ],
)
def test_one_is_singular(feature, value, text):
    assert words({feature: 1.0}, raw=value) == text


def test_campaigns_are_counted_by_their_numbers():
    calls = [call(i * 10, 100 + i, caller=500 + i) for i in range(30)]
    campaign = seen_by(seen_of(*calls), 9)
    points = {Feature.CAMPAIGN_NEW_CALLER_RATIO: 2.0, Feature.CAMPAIGN_SHORT_CALL_RATIO: 1.0}
    begin = "30 calls of the same origin in 5 minutes from 30 different numbers to 30 different numbers"
    assert words(points, campaign=campaign) == f"{begin}, all 30 answered under 6 s"


def test_an_origin_with_one_number_is_not_counted_beside_its_caller():
    sightings = seen_of(*[call(i * 10, 100 + i) for i in range(30)])
    points = {Feature.CAMPAIGN_FREQUENCY: 2.0, Feature.CALL_FREQUENCY: 1.0}
    assert (
        words(points, seen_by(sightings, 7), seen_by(sightings, 9))
        == "30 calls in 5 minutes to 30 different numbers"
    )


def test_ties_between_people_never_speak_for_spam_nor_their_absence_against_it():
    tie = Feature.CALLEE_CALLED_CALLER
    assert words({tie: 1.0}, raw=0.0) == "the callee never called this caller"
    assert words({tie: -1.0}, raw=1.0) == "the callee has called this caller itself"
    assert (
        words({tie: -1.0}, raw=0.0) == words({tie: 1.0}, raw=1.0) == "nothing unusual known about this caller"
    )


def test_users_come_first():
    text = words({Feature.ANSWERED: 1.0}, raw=1.0, vote_logit=2.0, votes=(3, 1))
    assert text == "users marked this caller: 3 spam, 1 not spam; answered"
    assert words({Feature.ANSWERED: 1.0}, raw=1.0, vote_logit=2.0).startswith(
        "users marked similar callers as spam"
    )


def test_outcomes_are_counted_and_calls_in_progress_are_not_over():
    sightings = seen_of(call(0, 1), call(10, 2, status=404), call(20, 3, status=487), call(30, 4, status=486))
    take(sightings, call(40, 1), steps=(BEGIN,))
    found = seen_by(sightings, 7)
    assert (found.calls, found.callees, found.over) == (5, 4, 4)
    assert (found.answered, found.short, found.callee_hung_up) == (1, 1, 1)
    assert (found.unassigned, found.cancelled, found.refused) == (1, 1, 1)
    assert found.span_s == pytest.approx(40.0)
    assert found.talk_s == pytest.approx(2.0)


def test_old_calls_are_left_out():
    assert seen_by(seen_of(call(0, 1), call(100_000, 2)), 7).calls == 1
    assert seen_by(seen_of(call(0, 1), call(50_000, 2)), 7).calls == 2, "within a day when there are few"
    assert seen_by(seen_of(call(0, 1), call(50_000, 2), call(50_001, 3)), 7).calls == 2, (
        "within the hour otherwise"
    )


def test_memory_is_bounded():
    sightings = seen_of(*[call(i, i + 1, caller=i + 1, campaign=0) for i in range(100)])
    assert sightings.evicted == 84
    assert seen_by(sightings, 1) == NOTHING_SEEN
    assert seen_by(sightings, 100).calls == 1
    busy = seen_of(*[call(i, i + 1) for i in range(3 * RING)])
    assert seen_by(busy, 7).calls == RING


def test_a_restored_one_goes_on_as_if_never_stopped():
    calls = [call(i * 7, i % 5 + 1, caller=i % 20 + 1, campaign=i % 3) for i in range(400)]
    whole, first = seen_of(*calls), seen_of(*calls[:200])
    again = Sightings.restore(Snapshot.unpack(first.snapshot().pack()))
    take(again, *calls[200:])
    assert [seen_by(again, key) for key in range(25)] == [seen_by(whole, key) for key in range(25)]
    assert again.evicted == whole.evicted
    with pytest.raises(ConfigError, match="damaged"):
        Sightings.restore(Snapshot({"capacity": 4, "evicted": 0}, {}))


@pytest.mark.parametrize(
    ("feature", "value", "seen", "denied"),
    [
        (Feature.KNOWN_FOR, 0.0, Seen(calls=2, span_s=0.0, callees=1), "first call seen"),
        (Feature.KNOWN_FOR, 5.0, Seen(calls=3, span_s=900.0, callees=2), "known for"),
        (Feature.CALLED_BEFORE, 0.0, Seen(calls=3, span_s=900.0, callees=1), "never called this number"),
        (Feature.SINCE_LAST_CALL, 3600.0, Seen(calls=3, span_s=90.0, callees=1), "since its last call"),
    ],
)
def test_a_reason_never_says_what_its_own_counts_deny(feature, value, seen, denied):
    points = {feature: 1.0, Feature.CALL_FREQUENCY: 0.5}
    assert denied not in words(points, seen, raw={feature: value})
    assert denied in words(points, Seen(calls=1, callees=1), raw={feature: value})
