"""Too many votes of one user push out that user's own, and nobody else's."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callprint.core.call import WATCH, WITHDRAWN, Vote
from callprint.core.ground.keys import stable_key
from callprint.core.spam import fair_votes
from callprint.core.spam.detectors import make_detector
from callprint.core.spam.fair_votes import VOTES_PER_DAY, BoundedVotes, fairly
from callprint.core.spam.judging import CallJudge
from callprint.core.spam.known_votes import DAY_NS
from callprint.core.spam.user_votes import UserVotes

ANN = Vote("call", "tag", "+4930111111", "ann", 1_000 * DAY_NS, True)


def flood(count: int, each_ns: int = 1, user: str = "eve") -> list[Vote]:
    """Votes of one user, all later than Ann's."""
    return [
        Vote("call", "tag", f"+1555{i:06}", user, ANN.given_at_ns + 1 + i * each_ns, False)
        for i in range(count)
    ]


@pytest.fixture
def few(monkeypatch):
    """Bounds that a test can reach."""
    monkeypatch.setattr(fair_votes, "VOTES_PER_USER", 20)
    monkeypatch.setattr(fair_votes, "MOST_VOTES", 30)


def test_a_flood_leaves_every_vote_of_the_others():
    others = [replace(ANN, user=f"user {i}", given_at_ns=ANN.given_at_ns - i) for i in range(10)]
    chosen = fairly([*flood(30_000), *others], 50)
    assert len(chosen) == 50
    assert set(others) <= set(chosen)
    assert {vote for vote in chosen if vote.user == "eve"} == set(flood(30_000)[-40:]), "the flood's latest"


def test_votes_that_are_few_all_count_the_latest_last():
    votes = [*flood(5), ANN]
    assert fairly(votes) == sorted(votes, key=lambda vote: vote.given_at_ns)


def test_votes_that_say_neither_count_for_nothing():
    neither = [replace(vote, kind=WATCH, spam=False) for vote in flood(30)]
    assert fairly([*neither, ANN], 1) == [ANN]


@pytest.mark.parametrize("name", ["callprint", "empck"])
@pytest.mark.parametrize("kind", [WATCH, WITHDRAWN])
def test_a_vote_taken_back_is_as_if_never_given(name, kind):
    judge, never = CallJudge(None, make_detector(name)), CallJudge(None, make_detector(name))
    users, others = UserVotes(judge), UserVotes(never)
    bob = replace(ANN, user="bob", spam=False)
    users.take(users.new([ANN, bob]), {"+49"})
    others.take(others.new([bob]), {"+49"})
    ended = replace(ANN, kind=kind, spam=False, given_at_ns=ANN.given_at_ns + DAY_NS)
    new = users.new([ended, bob])
    assert new == (ended,)
    users.take(new, {"+49"})
    assert users.taken == others.taken
    assert judge.detector_state == never.detector_state
    assert users.new([ended, bob]) == ()
    kept = judge.detector.votes if name == "callprint" else judge.detector._votes
    assert list(kept.on(stable_key(ANN.caller))) in (["bob"], [kept.all()[0]])
    assert len(kept.all()) == 1


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.integers(0, 9), st.sampled_from([True, False, None])),
        max_size=60,
    )
)
def test_the_votes_kept_are_those_of_plain_bookkeeping(puts):
    votes: BoundedVotes[bool] = BoundedVotes()
    expected: dict[tuple[str, int], bool] = {}
    for user, caller, spam in puts:
        expected.pop((user, caller), None)
        if spam is None:
            votes.remove(user, caller)
            continue
        votes.put(user, caller, spam)
        expected[user, caller] = spam
    assert votes.all() == list(expected.values())
    assert len(votes) == len(expected)
    for caller in range(10):
        assert dict(votes.on(caller)) == {
            user: spam for (user, one), spam in expected.items() if one == caller
        }


def test_a_user_s_own_earliest_goes_first(few):
    votes: BoundedVotes[int] = BoundedVotes()
    votes.put("ann", 1, 0)
    for caller in range(100):
        votes.put("eve", caller, caller)
        votes.put("bob", caller, caller)
    assert ("ann", 1) in votes
    assert len(votes) == 30
    assert ("eve", 99) in votes
    assert ("eve", 0) not in votes
    assert votes.dropped == 201 - 30
    assert dict(votes.on(1)) == {"ann": 0}


@pytest.mark.parametrize("name", ["callprint", "empck"])
def test_a_detector_keeps_the_vote_of_the_other(few, name):
    detector = make_detector(name)
    detector.take_votes([ANN], ANN.given_at_ns)
    for day in range(40):
        of_day = [replace(vote, given_at_ns=vote.given_at_ns + day * DAY_NS) for vote in flood(30)]
        detector.take_votes(
            [replace(vote, caller=f"{vote.caller}{day}") for vote in of_day], ANN.given_at_ns + day * DAY_NS
        )
    kept = detector.votes if name == "callprint" else detector
    assert ("ann", stable_key(ANN.caller)) in kept._votes
    assert detector.ignored_votes >= 40 * 30 - 20


def test_days_that_go_back_and_forth_are_no_way_around_the_rate():
    detector = make_detector("callprint")
    for i, vote in enumerate(flood(4 * VOTES_PER_DAY)):
        earlier = replace(vote, given_at_ns=vote.given_at_ns - (i % 2) * 5 * DAY_NS)
        detector.take_votes([earlier], ANN.given_at_ns)
    assert detector.ignored_votes >= 2 * VOTES_PER_DAY


def test_the_rate_is_a_setting():
    detector = make_detector("callprint", votes_per_day=3)
    detector.take_votes(flood(10), ANN.given_at_ns)
    assert detector.ignored_votes == 7
