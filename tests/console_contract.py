"""What the console asks of a store: conditions on any field, the next page, counts by minute."""

from dataclasses import replace

import pytest
from call_samples import call
from verdict_samples import JAMI_IPV6, LINPHONE, PJSUA, SECOND_NS, START_NS, reports, summary, verdict

from callprint.core.call import Action, Phase
from callprint.core.ground.errors import StoreError
from callprint.stores import CallQuery, VerdictQuery
from callprint.stores.queries import Where


class ConsoleContract:
    """Mixed into the tests of each store; `store` is an empty one."""

    @pytest.mark.parametrize(
        ("where", "flows"),
        [
            (Where("jitter_ms", ">", 1.0), 3),
            (Where("codec", "=", "PCMA"), 1),
            (Where("codec", "!=", "PCMA"), 3),
            (Where("best_application", "!=", "pjsua"), 3),  # one has none
            (Where("best_application", "~", "JSU"), 1),
            (Where("reason", "~", "%"), 0),
            (Where("confidence", "<=", 0.52), 2),
            (Where("started_midflow", "=", True), 1),
            (Where("src_ip", "~", "2001:DB8"), 1),
            (Where("ended", "=", "idle"), 1),
            (Where("model", "=", "compact-1"), 3),
            (Where("announced_codec", ">", "a"), 0),  # not known of any
        ],
    )
    def test_flows_are_found_by_any_field(self, store, where, flows):
        store.put_verdicts([report.verdict for report in reports()])
        store.put_flows([report.summary for report in reports()])
        assert len(list(store.verdicts(VerdictQuery(where=(where,))))) == flows

    def test_a_flow_that_goes_on_is_found_by_what_stands_in_for_its_statistics(self, store):
        store.put_verdicts([verdict(k=10, final=False)])
        for where in (Where("ended", "=", "running"), Where("packets", "=", 10), Where("codec", "!=", "x")):
            assert len(list(store.verdicts(VerdictQuery(where=(where,))))) == 1

    def test_calls_are_found_by_any_field(self, store):
        store.put_calls(
            [
                call(caller_user_agent="ÜBERTRAGUNG/1"),
                call(call_id="b", reason="100% 'spam'", spam_score=0.9, action=Action.BLOCK),
            ]
        )
        for where, found in (
            (Where("spam_score", ">=", 0.5), ["b"]),
            (Where("action", "=", "block"), ["b"]),
            (Where("detector", "=", "fusion-1"), [call().call_id, "b"]),
            (Where("reason", "~", "% '"), ["b"]),
            (Where("callee_user_agent", "=", "x"), []),
            (Where("callee_user_agent", "~", "ü"), []),
            (Where("caller_user_agent", "~", "übertragung"), [call().call_id]),
        ):
            assert [each.call_id for each in store.calls(CallQuery(where=(where,)))] == found

    def test_what_is_no_field_or_comparison_is_refused(self):
        for where in (Where("1=1;--", "=", 1), Where("packets", "OR", 1), Where("features", "~", "1")):
            with pytest.raises(StoreError):
                VerdictQuery(where=(where,))
            with pytest.raises(StoreError):
                CallQuery(where=(where,))

    def test_pages_of_flows_follow_each_other_without_gap_or_repetition(self, store):
        flows = [LINPHONE._replace(src_port=port) for port in range(1000, 1009)] + [PJSUA, JAMI_IPV6]
        store.put_verdicts([verdict(flow, decided_at_ns=START_NS + (i // 3)) for i, flow in enumerate(flows)])
        expected = list(store.verdicts(VerdictQuery()))
        found = []
        after = None
        while page := list(store.verdicts(VerdictQuery(limit=2, after=after))):
            found += page
            after = (page[-1].verdict.decided_at_ns, page[-1].verdict.flow)
        assert found == expected
        assert len(found) == len(flows)

    def test_pages_of_calls_follow_each_other_without_gap_or_repetition(self, store):
        store.put_calls([call(call_id=f"c{i}", started_ns=START_NS + i // 3) for i in range(10)])
        expected = [each.call_id for each in store.calls(CallQuery())]
        found = []
        after = None
        while page := list(store.calls(CallQuery(limit=3, after=after))):
            found += [each.call_id for each in page]
            after = (page[-1].started_ns, page[-1].call_id, page[-1].from_tag)
        assert found == expected
        assert len(found) == 10

    def test_final_verdicts_and_ended_calls_are_counted_by_minute(self, store):
        minute = START_NS // (60 * SECOND_NS)
        late = replace(verdict(PJSUA), decided_at_ns=START_NS + 61 * SECOND_NS)
        store.put_verdicts([verdict(k=4, final=False), verdict(), late])
        store.put_verdicts([verdict()])  # again
        store.put_calls([call(phase=Phase.SETUP), call(), call(call_id="b", action=Action.BLOCK)])
        span = (START_NS, START_NS + 120 * SECOND_NS)
        counted = [tuple(each) for each in store.flow_activity(*span)]
        assert counted == [(minute, "linphone", 1), (minute + 1, "linphone", 1)]
        assert [tuple(each) for each in store.call_activity(*span)] == [
            (minute, "allow", 1),
            (minute, "block", 1),
        ]
        together = [tuple(each) for each in store.flow_activity(*span, 1440)]
        assert together == [(minute // 1440 * 1440, "linphone", 2)]
        assert list(store.flow_activity(0, 10)) == []

    def test_evidence_of_one_flow(self, store):
        store.put_unknown_evidence([(verdict(), b"one"), (verdict(PJSUA), b"two")])
        assert [kept.evidence for kept in store.evidence_of(PJSUA)] == [b"two"]
        assert list(store.evidence_of(JAMI_IPV6)) == []

    def test_the_mark_rises_with_judgements(self, store):
        before = store.change_mark()
        store.put_verdicts([verdict()])
        after = store.change_mark()
        assert after is None or after > before
        store.put_flows([summary()])
        assert store.change_mark() == after
