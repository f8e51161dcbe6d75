"""The one suite that every verdict store passes: `class TestX(StoreContract)` with a fixture `store`.

The fixture gives an empty, open store. Nothing here knows what kind of store it is.
"""

import random
from dataclasses import replace

import pytest
from verdict_samples import (
    JAMI_IPV6,
    LINPHONE,
    PJSUA,
    SECOND_NS,
    SHORT,
    START_NS,
    provisional,
    summary,
    too_short,
    unsure,
    verdict,
)

from callprint.core.ground.errors import StoreError
from callprint.stores import VerdictQuery
from callprint.stores.base import RegisteredModel


def ask(store, **conditions):
    """The verdicts that match, without their statistics."""
    return [stored.verdict for stored in store.verdicts(VerdictQuery(**conditions))]


class StoreContract:
    """What base.VerdictStore promises."""

    def test_an_empty_store_has_no_verdicts(self, store):
        assert ask(store) == []

    def test_every_field_comes_back_as_it_was(self, store):
        verdicts = [
            verdict(),
            unsure(),
            too_short(),
            verdict(JAMI_IPV6._replace(ssrc=2**32 - 1), "jami", started_midflow=True),
        ]
        store.put_verdicts(verdicts)
        store.put_flows([summary(), summary(verdicts[3].flow, jitter_ms=0.1 + 0.2)])
        stored = {row.verdict.flow: row for row in store.verdicts(VerdictQuery())}
        assert {row.verdict for row in stored.values()} == set(verdicts)
        assert stored[LINPHONE].summary == summary()
        assert stored[verdicts[3].flow].summary == summary(verdicts[3].flow, jitter_ms=0.1 + 0.2)
        assert stored[PJSUA].summary is None, "a flow that has not ended has no statistics"

    def test_verdicts_and_summaries_stored_together_are_those_stored_apart(self, store):
        store.put_results([verdict(), unsure()], [summary()])
        store.put_results([verdict()], [summary(jitter_ms=9.0), summary(PJSUA)])
        stored = {row.verdict: row.summary for row in store.verdicts(VerdictQuery(last_only=False))}
        assert stored == {verdict(): summary(), unsure(): summary(PJSUA)}, "the first summary stays"

    def test_a_name_from_signalling_is_the_last_word_whatever_is_stored_after_it(self, store):
        judged = verdict()
        named = replace(
            judged,
            application="unknown",
            reason="contradicted",
            declared_application="yealink",
            declared_version="66.85",
            declared_by="sip",
            decided_at_ns=judged.decided_at_ns + 1,
        )
        store.put_verdicts([unsure(), too_short()])
        store.put_verdicts([named])
        store.put_verdicts([judged])
        assert ask(store, flow=judged.flow) == [named]
        assert ask(store, reason="contradicted") == [named]
        assert ask(store, declared="yealink") == [named]
        assert ask(store, reason="contradicted", declared="snom") == []
        assert ask(store, application="linphone") == []
        assert ask(store, reason="too_short") == [too_short()]

    def test_fingerprints_are_asked_for_by_pattern(self, store):
        named = verdict(fingerprint="mf1_-_rrrfnn132_l.sd.1.u_-")
        store.put_verdicts([named, unsure(), too_short()])
        assert ask(store, fingerprint=named.fingerprint) == [named]
        assert ask(store, fingerprint="mf1_*_rrrfnn132_*") == [named]
        assert ask(store, fingerprint="mf1_-_0*") == []
        assert ask(store, fingerprint="*") == [named], (
            "what has no fingerprint has none that any pattern names"
        )
        for special in ("mf1_-_rrrfnn13?_*", "mf1_-_[r]*", "mf1_-_[!x]*", "mf1_-_[^x]*"):
            assert ask(store, fingerprint=special) == [], "only * has a meaning"

    def test_times_beyond_those_of_a_store_are_before_or_after_all(self, store):
        store.put_verdicts([verdict()])
        assert ask(store, since_ns=-(10**30), until_ns=10**30) == [verdict()]
        assert ask(store, since_ns=10**30) == ask(store, until_ns=-(10**30)) == []

    def test_storing_twice_doubles_nothing(self, store):
        rows = [provisional(), verdict(), unsure()]
        for _ in range(2):
            store.put_verdicts(rows)
            store.put_flows([summary()])
        assert sorted(ask(store, last_only=False), key=repr) == sorted(rows, key=repr)

    def test_of_two_judgements_of_the_same_evidence_the_later_counts_and_both_stay(self, store):
        first = verdict(model_digest="0" * 16)
        second = verdict(model_digest="1" * 16, application="zoiper", best_application="zoiper")
        store.put_verdicts([first, provisional()])
        store.put_verdicts([second])
        assert ask(store) == [second]
        assert ask(store, application="linphone") == []
        assert ask(store, address=LINPHONE.src_ip) == ask(store, flow=LINPHONE) == [second]
        assert ask(store, last_only=False) == [second, first, provisional()]
        store.put_verdicts([first])
        assert ask(store) == [first], "the first model has looked again"
        assert ask(store, last_only=False) == [first, second, provisional()]

    def test_a_later_judgement_of_less_evidence_does_not_count(self, store):
        store.put_verdicts([verdict()])
        cut_short = verdict(k=50, decided_at_ns=verdict().decided_at_ns - SECOND_NS, model_digest="1" * 16)
        store.put_verdicts([cut_short])
        assert ask(store) == [verdict()]

    @pytest.mark.parametrize("seed", range(3))
    def test_the_summary_that_covers_more_stays_whatever_the_order(self, store, seed):
        short = summary(packets=100, last_seen_ns=START_NS + SECOND_NS)
        longer = summary(packets=250, last_seen_ns=START_NS + 5 * SECOND_NS)
        same_end = summary(packets=251, last_seen_ns=START_NS + 5 * SECOND_NS)
        order = [short, longer, same_end]
        random.Random(seed).shuffle(order)
        store.put_verdicts([verdict()])
        for each in order:
            store.put_flows([each])
        assert [row.summary for row in store.verdicts(VerdictQuery())] == [same_end]

    @pytest.mark.parametrize("announced_first", [True, False])
    def test_what_sdp_announced_completes_a_summary_and_nothing_takes_it_away(self, store, announced_first):
        without = summary(codec="dynamic", payload_type=98)
        complete = replace(without, announced_codec="speex", announced_clock_rate_hz=16_000)
        store.put_verdicts([verdict()])
        for each in (complete, without, complete) if announced_first else (without, complete, without):
            store.put_flows([each])
        store.put_flows([replace(without, last_seen_ns=without.last_seen_ns - 1, ended="running")])
        assert [row.summary for row in store.verdicts(VerdictQuery())] == [complete]

    def test_the_last_verdict_of_a_flow(self, store):
        early, later, final = provisional(k=4), provisional(k=40), verdict()
        store.put_verdicts([final, early, later])
        assert ask(store) == [final]
        assert ask(store, last_only=False) == [final, later, early]

    def test_a_final_verdict_is_last_even_beside_a_later_provisional_one(self, store):
        # A flow that ended early is final at its last packet; a replay of a longer capture saw more of it.
        ended = verdict(k=37, decided_at_ns=START_NS + SECOND_NS)
        store.put_verdicts([ended, provisional(k=100)])
        assert ask(store) == [ended]

    @pytest.mark.parametrize("names", [("compact-1", "compact-2"), ("compact-2", "compact-1"), ("c", "none")])
    def test_the_same_evidence_judged_by_two_models(self, store, names):
        old, new = verdict(model=names[0]), verdict(model=names[1], application="pjsua")
        store.put_verdicts([old])
        store.put_verdicts([new])
        assert ask(store) == [new]

    def test_two_judgements_in_one_batch_have_the_same_order_always(self, store):
        old, new = verdict(model="compact-1"), verdict(model="compact-2", application="pjsua")
        store.put_verdicts([new, old])
        assert ask(store) == [new]
        assert ask(store, last_only=False) == [new, old]

    def test_a_reused_quad_tuple_is_another_flow(self, store):
        again = LINPHONE._replace(first_seen_ns=START_NS + 3600 * SECOND_NS)
        store.put_verdicts([verdict(), verdict(again, "zoiper")])
        assert ask(store) == [verdict(again, "zoiper"), verdict()]
        assert ask(store, flow=LINPHONE) == [verdict()]

    def test_two_sources_on_one_quad_tuple_are_two_flows_even_when_they_begin_at_once(self, store):
        # WebRTC bundles audio and video on one quad-tuple, and clocks are coarse (ADR 0003).
        other = LINPHONE._replace(ssrc=LINPHONE.ssrc + 1)
        verdicts = [verdict(), verdict(other, "zoiper"), provisional(), provisional(other, "zoiper")]
        store.put_verdicts(verdicts)
        store.put_flows([summary(), summary(other, codec="PCMA", payload_type=8)])
        last = [(row.verdict.flow, row.summary.codec) for row in store.verdicts(VerdictQuery())]
        assert last == [(LINPHONE, "PCMU"), (other, "PCMA")]
        assert ask(store, last_only=False) == verdicts
        assert ask(store, flow=other) == [verdicts[1]]

    def test_flows_that_begin_and_are_decided_at_once_are_ordered_by_ssrc_then_time(self, store):
        early, late = START_NS, START_NS + SECOND_NS
        flows = [
            LINPHONE._replace(ssrc=ssrc, first_seen_ns=first_ns)
            for ssrc in (0, 7, 2**31, 2**32 - 1)
            for first_ns in (early, late)
        ]
        store.put_verdicts(verdict(flow, decided_at_ns=START_NS + 2 * SECOND_NS) for flow in reversed(flows))
        assert [found.flow for found in ask(store)] == flows
        assert [found.flow for found in ask(store, address=LINPHONE.src_ip)] == flows

    def test_by_address_on_either_side(self, store):
        store.put_verdicts([verdict(), unsure(), too_short(), verdict(JAMI_IPV6, "jami")])
        assert {found.flow for found in ask(store, address="192.0.2.10")} == {LINPHONE, PJSUA, SHORT}
        assert [found.flow for found in ask(store, address="203.0.113.5")] == [SHORT]
        assert ask(store, address="192.0.2.1") == []

    def test_by_an_address_in_another_spelling(self, store):
        store.put_verdicts([verdict(JAMI_IPV6, "jami")])
        assert ask(store, address="2001:0DB8:0:0:0:0:0:0010") == [verdict(JAMI_IPV6, "jami")]

    def test_by_application_means_the_last_verdict(self, store):
        store.put_verdicts([provisional(application="zoiper"), verdict(application="linphone")])
        assert ask(store, application="zoiper") == [], "it was only called so at first"
        assert ask(store, application="linphone") == [verdict()]
        assert ask(store, application="zoiper", last_only=False) == [provisional(application="zoiper")]

    def test_by_application_unknown(self, store):
        store.put_verdicts([verdict(), unsure(), too_short()])
        assert {found.flow for found in ask(store, application="unknown")} == {PJSUA, SHORT}

    def test_by_time_from_inclusive_to_exclusive(self, store):
        decided = verdict().decided_at_ns
        store.put_verdicts([verdict(), unsure()])
        assert ask(store, since_ns=decided, until_ns=decided + 1) == [verdict()]
        assert ask(store, until_ns=decided) == []
        assert ask(store, since_ns=decided + 1) == [unsure()]

    def test_conditions_are_joined_by_and(self, store):
        store.put_verdicts([verdict(), unsure(), verdict(JAMI_IPV6, "linphone")])
        found = ask(store, address="192.0.2.10", application="linphone", since_ns=START_NS, until_ns=2**62)
        assert found == [verdict()]

    def test_latest_decision_first_and_a_limit(self, store):
        verdicts = [
            verdict(LINPHONE._replace(src_port=port), decided_at_ns=START_NS + port)
            for port in range(1000, 1100)
        ]
        random.Random(0).shuffle(verdicts)
        store.put_verdicts(verdicts)
        newest_first = sorted(verdicts, key=lambda each: -each.decided_at_ns)
        assert ask(store) == newest_first
        assert ask(store, limit=7) == newest_first[:7]

    def test_equal_times_are_ordered_by_flow(self, store):
        flows = [
            LINPHONE._replace(src_ip=ip, src_port=port) for ip in ("10.0.0.1", "10.0.0.2") for port in (9, 10)
        ]
        store.put_verdicts([verdict(flow) for flow in reversed(flows)])
        assert [found.flow for found in ask(store)] == flows

    def test_text_of_any_kind_is_kept(self, store):
        odd = verdict(application="Zoïper '; DROP TABLE verdict; -- \U0001f4de", model='a"b%_')
        store.put_verdicts([odd])
        assert ask(store, application=odd.application) == [odd]

    def test_a_batch_is_stored_whole_or_not_at_all(self, store):
        broken = replace(too_short(), confidence=None)
        with pytest.raises(StoreError):
            store.put_verdicts([verdict(), broken])
        assert ask(store) == []
        store.put_verdicts([verdict()])
        assert ask(store) == [verdict()], "the store goes on after a refused batch"

    def test_evidence_of_unknown_flows_comes_back_the_latest_first(self, store):
        later = replace(unsure(), decided_at_ns=unsure().decided_at_ns + 7)
        other = replace(unsure(JAMI_IPV6), decided_at_ns=later.decided_at_ns)
        store.put_unknown_evidence([(unsure(), b"\x80\x00" * 9), (other, bytes(30_000)), (too_short(), b"")])
        store.put_unknown_evidence([(replace(later, k=40), b"\xff")])
        kept = list(store.unknown_evidence())
        assert [(found.flow, found.k, found.evidence) for found in kept] == [
            (SHORT, 3, b""),
            (PJSUA, 40, b"\xff"),
            (JAMI_IPV6, 100, bytes(30_000)),
            (PJSUA, 100, b"\x80\x00" * 9),
        ]
        assert {found.model for found in kept} == {"compact-1", "none"}
        assert list(store.unknown_evidence(limit=2)) == kept[:2]

    def test_evidence_is_immutable(self, store):
        store.put_unknown_evidence([])
        assert store.evidence_state() == (0, 0)
        store.put_unknown_evidence([(unsure(), b"first")])
        store.put_unknown_evidence([(unsure(), b"second")])
        assert store.evidence_state() == (1, unsure().decided_at_ns)
        assert [found.evidence for found in store.unknown_evidence()] == [b"first"]

    def test_evidence_is_kept_whole_or_not_at_all(self, store):
        with pytest.raises(StoreError):
            store.put_unknown_evidence([(unsure(), b"good"), (too_short(), "no bytes")])
        assert list(store.unknown_evidence()) == []

    def test_models_are_registered_once(self, store):
        old = RegisteredModel("compact 1", "0" * 64, '{"card": 1}', START_NS)
        new = RegisteredModel("compact 2", "1" * 64, '{"card": 2}', START_NS + SECOND_NS)
        retrained = old._replace(digest="2" * 64, first_used_ns=START_NS + 2 * SECOND_NS)
        for model in (new, retrained, old, new._replace(first_used_ns=START_NS + 9 * SECOND_NS, card="{}")):
            store.put_model(model)
        assert list(store.models()) == [old, new, retrained]

    def test_nothing_to_store_is_fine(self, store):
        store.put_verdicts([])
        store.put_flows([])
        assert ask(store) == []

    def test_a_closed_store_says_so(self, store):
        store.close()
        store.close()
        with pytest.raises(StoreError, match="closed"):
            store.put_verdicts([verdict()])
        with pytest.raises(StoreError, match="closed"):
            ask(store)
