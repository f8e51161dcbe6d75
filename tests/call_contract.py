"""What every store promises for calls, votes and the allow-list; used like `StoreContract`."""

import math
import random

import pytest
from call_samples import at_setup, call
from verdict_samples import SECOND_NS, START_NS

from callprint.core.call import WATCH, WITHDRAWN, AllowEntry, Phase, Vote
from callprint.core.ground.errors import StoreError
from callprint.stores import CallQuery

SPAM_START_NS = START_NS + 60 * SECOND_NS


def spam_call(**changes):
    """Another call, judged spam."""
    fields = {
        "call_id": "spam",
        "caller": "+15550100",
        "started_ns": SPAM_START_NS,
        "spam": True,
        "spam_score": 0.97,
    }
    return call(**{**fields, **changes})


def ask(store, **conditions):
    """The calls that match."""
    return list(store.calls(CallQuery(**conditions)))


def vote(**changes):
    """A vote of one user."""
    fields = {
        "call_id": "spam",
        "from_tag": "t",
        "caller": "+15550100",
        "user": "ann",
        "given_at_ns": START_NS,
        "spam": True,
    }
    return Vote(**{**fields, **changes})


class CallContract:
    """What base.VerdictStore promises for calls."""

    def test_every_field_comes_back_as_it_was(self, store):
        store.put_calls([call(), at_setup()])
        end, setup = ask(store, last_only=False)
        assert end == call()
        assert setup.phase is Phase.SETUP
        assert [math.isnan(feature) for feature in setup.features] == [True, False, True]
        assert (setup.spam, setup.spam_score, setup.caller_flows) == (None, None, ())

    def test_storing_twice_doubles_nothing_and_changes_nothing(self, store):
        for _ in range(2):
            store.put_calls([call(), at_setup()])
        assert len(ask(store, last_only=False)) == 2
        assert ask(store) == [call()]

    def test_of_two_judgements_the_later_counts_and_both_stay(self, store):
        voted = call(spam=True, spam_score=0.99, detector_state="0123456789abcdef")
        store.put_calls([call(), at_setup()])
        store.put_calls([voted])
        assert ask(store) == ask(store, spam=True) == ask(store, number=voted.caller) == [voted]
        assert ask(store, call_id=voted.call_id) == [voted]
        assert ask(store, spam=False) == []
        assert ask(store, last_only=False)[:2] == [voted, call()]
        assert len(ask(store, last_only=False)) == 3
        store.put_calls([call()])
        assert ask(store) == [call()], "judged as before the vote again"
        assert ask(store, last_only=False)[:2] == [call(), voted]

    def test_rows_that_are_rebuilt_from_a_journal_keep_their_place(self, store):
        voted = call(spam=True, spam_score=0.99, detector_state="0123456789abcdef")
        store.put_calls([call()])
        store.put_calls([voted])
        store.put_calls([call(), at_setup()], rebuilt=True)
        assert ask(store) == [voted]
        assert len(ask(store, last_only=False)) == 3, "a row that was missing is stored"

    @pytest.mark.parametrize("seed", range(3))
    def test_the_last_row_of_a_call_whatever_the_order(self, store, seed):
        cut_short = call(judged_at_ns=START_NS + SECOND_NS, reason="the capture ended")
        rows = [at_setup(judged_at_ns=START_NS + 99 * SECOND_NS), cut_short, call()]
        random.Random(seed).shuffle(rows)
        for row in rows:
            store.put_calls([row])
        assert ask(store) == [call()]

    def test_a_reused_call_id_is_another_call(self, store):
        later = call(started_ns=SPAM_START_NS)
        store.put_calls([call(), later, call(from_tag="forked")])
        assert ask(store) == [later, call(), call(from_tag="forked")]

    def test_by_number_of_either_side(self, store):
        store.put_calls([call(), spam_call()])
        assert ask(store, number="+15550100") == [spam_call()]
        assert ask(store, number="+493012345") == [spam_call(), call()]
        assert ask(store, number="+49") == []

    def test_by_spam(self, store):
        unjudged = call(call_id="unjudged", spam=None, spam_score=None)
        store.put_calls([call(), spam_call(), unjudged])
        assert ask(store, spam=True) == [spam_call()]
        assert ask(store, spam=False) == [call()]

    def test_spam_means_the_last_row(self, store):
        store.put_calls([at_setup(spam=True, spam_score=0.9), call()])
        assert ask(store, spam=True) == []

    def test_by_call_id_application_and_time(self, store):
        store.put_calls([call(), spam_call(caller_application="sipp", callee_application=None)])
        assert (
            ask(store, call_id="spam") == ask(store, application="sipp") == ask(store, since_ns=SPAM_START_NS)
        )
        assert ask(store, application="pjsua") == ask(store, until_ns=SPAM_START_NS) == [call()]

    def test_latest_first_and_a_limit(self, store):
        calls = [call(call_id=f"call {i}", started_ns=START_NS + i) for i in range(20)]
        store.put_calls(calls)
        assert ask(store, limit=3) == calls[:-4:-1]

    def test_one_vote_counts_for_each_user_and_caller(self, store):
        changed = vote(given_at_ns=START_NS + 5, spam=False, call_id="later")
        store.put_votes([changed])
        store.put_votes([vote(), vote(user="bob"), vote(caller="+49")])
        store.put_votes([vote()])
        assert list(store.votes()) == [changed, vote(user="bob"), vote(caller="+49")]
        assert list(store.votes("+49")) == [vote(caller="+49")]

    def test_a_vote_that_says_neither_replaces_one_that_does(self, store):
        watched = vote(given_at_ns=START_NS + 5, spam=False, kind=WATCH)
        taken_back = vote(given_at_ns=START_NS + 6, spam=False, kind=WITHDRAWN)
        store.put_votes([vote()])
        store.put_votes([watched])
        assert list(store.votes()) == [watched]
        store.put_votes([taken_back])
        assert list(store.votes()) == list(store.votes(vote().caller)) == [taken_back]

    def test_the_allow_list(self, store):
        first, second = AllowEntry("+493012345", "ann", 1), AllowEntry("+15550100", "bob", 2)
        store.put_allowed([first, second])
        store.put_allowed([AllowEntry(first.caller, "eve", 3)])
        assert list(store.allowed()) == [second, first]
        store.remove_allowed(second.caller)
        store.remove_allowed("nobody")
        assert list(store.allowed()) == [first]

    def test_the_snapshot_of_calls_and_its_journal(self, store):
        assert store.call_state(7) is None
        entries = [(number, bytes([number]) * 1000) for number in range(6)]
        for number, entry in entries:
            store.append_call_journal(7, number, entry)
        store.append_call_journal(8, 0, b"another site")
        assert list(store.call_journal(7, 0)) == entries
        state = random.Random(0).randbytes(1_200_000)
        store.put_call_state(7, 4, state)
        assert store.call_state(7) == (4, state)
        assert list(store.call_journal(7, 0)) == entries[4:], "the snapshot replaces the entries before it"
        assert list(store.call_journal(7, 5)) == entries[5:]
        store.put_call_state(7, 6, b"")
        assert store.call_state(7) == (6, b"")
        assert list(store.call_journal(7, 0)) == []
        assert list(store.call_journal(8, 0)) == [(0, b"another site")]

    def test_an_entry_is_written_by_one_process_only(self, store):
        store.append_call_journal(2**31 + 5, 3, b"mine")
        store.append_call_journal(2**31 + 5, 3, b"mine")
        with pytest.raises(StoreError, match="another process"):
            store.append_call_journal(2**31 + 5, 3, b"theirs")
        assert list(store.call_journal(2**31 + 5, 0)) == [(3, b"mine")]

    def test_a_snapshot_that_comes_late_does_not_count(self, store):
        store.put_call_state(7, 9, b"later")
        store.put_call_state(7, 4, b"earlier")
        assert store.call_state(7) == (9, b"later")

    def test_what_is_no_call_is_refused_whole(self, store):
        with pytest.raises(StoreError):
            store.put_calls([call(), spam_call(features=(math.inf,))])
        assert ask(store) == []
