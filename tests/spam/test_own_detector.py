"""Our detector behind call assembly: it judges every call, learns from stored votes, and replays alike."""

from dataclasses import replace

import pytest
from call_player import CallPlayer
from sip_scenario import Talk, play

from callprint.core.call import WITHDRAWN, Action, AllowEntry, Phase, Vote
from callprint.core.ground.keys import stable_key
from callprint.core.spam.histories import CallHistory
from callprint.core.spam.own_detector import LEARN_EVERY_NS, OwnDetector
from callprint.stores import open_store
from callprint.votes import VoteListener, teach

ROBOT, PERSON = "+4930666001", "+4930111001"


def robot_calls(count: int, begin: float = 0.0, caller: str = ROBOT):
    """A dialler: a call every two seconds, a third to nobody, the rest ended by the callee after a second."""
    for number in range(count):
        talk = Talk(f"r{caller}{number}@x", f"sip:{caller}@a", f"sip:+4989{number:06d}@b", f"r{number}")
        at_s = begin + 2 * number
        yield at_s, talk.request("INVITE", headers="User-Agent: dialler\r\n")
        if number % 3 == 0:
            yield at_s + 0.1, talk.response(404)
        else:
            yield at_s + 1, talk.response(200)
            yield at_s + 2, talk.request("BYE", by_callee=True, to_tag="tag-b")


def person_calls(count: int, begin: float = 0.0, caller: str = PERSON):
    """Two friends, called now and then, for minutes."""
    for number in range(count):
        friend = f"+493022200{number % 2}"
        talk = Talk(f"p{caller}{number}@x", f"sip:{caller}@a", f"sip:{friend}@b", f"p{number}")
        at_s = begin + 3600 * number
        yield at_s, talk.request("INVITE", headers="User-Agent: phone\r\n")
        yield at_s + 8, talk.response(200)
        yield at_s + 250, talk.request("BYE", cseq=2, to_tag="tag-b")


def judged(script, detector=None):
    engine = CallPlayer(history=CallHistory(1024), detector=detector or OwnDetector())
    return play(engine, sorted(script, key=lambda step: step[0]))


def last_score(rows, caller: str, phase: Phase = Phase.END) -> float:
    return [row for row in rows if row.caller == caller and row.phase is phase][-1].spam_score


def test_a_dialler_is_told_from_a_person_without_any_vote():
    rows = judged([*robot_calls(60), *person_calls(6)])
    assert all(row.spam_score is not None and row.detector.startswith("callprint") for row in rows)
    assert all(row.reason for row in rows)
    assert last_score(rows, ROBOT) > 0.9
    assert last_score(rows, PERSON) < 0.1
    worst = [row for row in rows if row.caller == ROBOT][-1]
    assert worst.spam
    assert worst.action in (Action.CHALLENGE, Action.BLOCK)
    assert not any(row.spam for row in rows if row.caller == PERSON)


def test_a_robot_is_known_at_the_set_up_of_its_next_call():
    rows = judged(robot_calls(60))
    assert last_score(rows, ROBOT, Phase.SETUP) > 0.9


def test_replay_gives_the_same_judgements():
    script = [*robot_calls(30), *person_calls(5)]
    assert repr(judged(script)) == repr(judged(script))


def vote(row, user: str, spam: bool, when_ns: int = 1) -> Vote:
    return Vote(row.call_id, row.from_tag, row.caller, user, when_ns, spam)


@pytest.fixture
def store(tmp_path):
    with open_store(str(tmp_path / "store.sqlite")) as store:
        yield store


def test_votes_in_the_store_teach_the_next_run(store):
    rows = judged(person_calls(2))
    store.put_calls(rows)
    before = last_score(rows, PERSON)
    store.put_votes([vote(rows[-1], user, True) for user in ("ann", "bob", "eve", "dan")])
    detector = OwnDetector()
    assert teach(detector, store) == 4
    after = judged(person_calls(1, 50_000), detector)
    assert last_score(after, PERSON) > 5 * before
    assert "users marked this caller: 4 spam" in after[-1].reason


def test_a_vote_on_a_hidden_caller_spares_all_others_who_hide(store):
    hidden = "anonymous@anonymous.invalid"
    rows = judged(person_calls(4, caller=hidden))
    store.put_calls(rows)
    store.put_votes([Vote(rows[-1].call_id, rows[-1].from_tag, rows[-1].call_id, "ann", 1, True)])
    detector = OwnDetector()
    assert teach(detector, store) == 1
    assert "users marked this caller" not in judged(person_calls(1, 90_000, hidden), detector)[-1].reason


def test_a_live_run_takes_in_votes_given_meanwhile(store):
    detector = OwnDetector()
    engine = CallPlayer(history=CallHistory(64), detector=detector)
    listener = VoteListener(store, engine.judge, detector)
    rows = play(engine, list(person_calls(2)))
    store.put_calls(rows)
    assert listener.listen() == 0
    store.put_votes([vote(rows[-1], user, True) for user in ("ann", "bob", "eve")])
    assert listener.listen() == 3
    after = play(engine, list(person_calls(1, 20_000)))
    assert "users marked this caller: 3 spam" in after[-1].reason
    store.put_votes([vote(rows[-1], "ann", False, 2)])
    store.put_allowed([AllowEntry(PERSON, "ann", 3)])
    assert (listener.listen(), listener.listen()) == (1, 0)
    store.put_votes([replace(vote(rows[-1], "eve", False, 4), kind=WITHDRAWN)])
    assert (listener.listen(), listener.listen()) == (1, 0)
    store.remove_allowed(PERSON)
    listener.listen()
    assert "users marked this caller: 1 spam" in play(engine, list(person_calls(1, 30_000)))[-1].reason
    store.put_allowed([AllowEntry(PERSON, "ann", 5)])
    listener.listen()
    assert "allow-list" in play(engine, list(person_calls(1, 40_000)))[-1].reason


def test_nothing_to_learn_changes_nothing(store):
    detector = OwnDetector()
    assert teach(detector, store) == 0
    assert repr(judged(robot_calls(10), detector)) == repr(judged(robot_calls(10)))


def test_it_learns_anew_as_packet_time_passes(monkeypatch):
    detector, learned_ns = OwnDetector(), []
    monkeypatch.setattr(detector, "learn", learned_ns.append)
    rows = judged(person_calls(4), detector)
    assert len(learned_ns) == 3
    assert learned_ns[0] - rows[0].started_ns >= LEARN_EVERY_NS


def test_calls_that_were_taught_do_not_count_again_when_their_capture_is_read_again(store):
    script = [*robot_calls(20)]
    rows = judged(script)
    store.put_calls(rows)
    store.put_votes([vote(rows[-1], "ann", True)])
    detector = OwnDetector()
    teach(detector, store)
    robot = stable_key(ROBOT)
    assert detector.callers.get(robot).calls == 20
    judged(script, detector)
    assert detector.callers.get(robot).calls == 20
    judged(robot_calls(5, 10_000), detector)
    assert detector.callers.get(robot).calls == 25
