"""Judgements in the SQLite store: each counts once, however often it is given, and indexes lead to calls."""

import sqlite3
import tempfile
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from call_samples import call
from hypothesis import given, settings
from hypothesis import strategies as st
from verdict_samples import provisional, too_short, unsure, verdict

from callprint.core.call import Action, Phase
from callprint.core.ground.errors import RowError
from callprint.stores.base import MINUTE_NS, VerdictStore
from callprint.stores.queries import CallQuery, VerdictQuery, Where
from callprint.stores.sqlite import SqliteStore
from callprint.stores.sqlite_call_rows import select_calls

SPAN = (0, 1 << 62)
CALLS = [
    call(call_id=f"call-{i}", started_ns=i * MINUTE_NS // 2, action=action, phase=phase)
    for i, (action, phase) in enumerate(
        [(Action.ALLOW, Phase.END), (Action.BLOCK, Phase.END), (Action.ALLOW, Phase.SETUP)] * 2
    )
]
VERDICTS = [provisional(), verdict(), unsure(), too_short()]
BATCH = st.lists(st.integers(0, 5), max_size=8)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(BATCH, st.booleans()), max_size=4))
def test_counts_are_those_of_the_rows(batches):
    with tempfile.TemporaryDirectory() as folder, SqliteStore(Path(folder) / "store.sqlite") as store:
        for numbers, rebuilt in batches:
            store.put_calls([CALLS[number] for number in numbers], rebuilt=rebuilt)
            store.put_verdicts([VERDICTS[number] for number in numbers if number < len(VERDICTS)])
        assert list(store.flow_activity(*SPAN)) == list(VerdictStore.flow_activity(store, *SPAN))
        assert list(store.call_activity(*SPAN)) == list(VerdictStore.call_activity(store, *SPAN))


@pytest.mark.parametrize("rebuilt", [False, True])
def test_of_rows_given_again_the_latest_counts_unless_they_were_rebuilt(tmp_path, rebuilt):
    first, second = call(reason="first"), call(reason="second")
    with SqliteStore(tmp_path / "store.sqlite") as store:
        store.put_calls([first])
        store.put_calls([second])
        store.put_calls([call(call_id="other"), first], rebuilt=rebuilt)
        (found,) = store.calls(CallQuery(call_id=first.call_id))
    assert found == (second if rebuilt else first)


@pytest.mark.parametrize(
    ("query", "index"),
    [
        (CallQuery(number="+493055500"), "call_by_caller"),
        (CallQuery(number="+493055500"), "call_by_callee"),
        (CallQuery(spam=True), "call_by_spam"),
        (CallQuery(spam=False), "call_by_time"),
        (CallQuery(where=(Where("campaign", "=", "3f9a"),)), "call_by_campaign"),
        (CallQuery(where=(Where("action", "=", "block"),)), "call_by_action"),
        (CallQuery(where=(Where("action", "=", "allow"),)), "call_by_time"),
        (CallQuery(since_ns=1, until_ns=2), "call_by_time"),
    ],
)
def test_queries_of_calls_use_their_index(tmp_path, query, index):
    SqliteStore(tmp_path / "store.sqlite").close()
    plan = []
    with closing(sqlite3.connect(tmp_path / "store.sqlite")) as connection:
        for statement, parameters in select_calls(query):
            plan += [row[3] for row in connection.execute("EXPLAIN QUERY PLAN " + statement, parameters)]
    assert any(index in step for step in plan), plan
    assert "USE TEMP B-TREE FOR ORDER BY" not in plan  # no sorting of all rows


@pytest.mark.parametrize("query", [CallQuery(number=""), CallQuery(where=(Where("campaign", "=", ""),))])
def test_what_an_index_leaves_out_is_found_without_it(tmp_path, query):
    with SqliteStore(tmp_path / "store.sqlite") as store:
        store.put_calls([call(caller="", callee="+493055500", campaign="")])
        assert len(list(store.calls(query))) == 1


@pytest.mark.parametrize("field", ["application", "model", "confidence"])
def test_a_row_that_lacks_what_it_must_have_is_refused_alone_or_among_others(tmp_path, field):
    lacking = replace(verdict(), **{field: None})
    with SqliteStore(tmp_path / "store.sqlite") as store:
        for batch in ([lacking], [provisional(), lacking]):  # a column without any value is left out
            with pytest.raises(RowError):
                store.put_verdicts(batch)
        assert store.change_mark() == 0
        store.put_verdicts([provisional()])
        assert len(list(store.verdicts(VerdictQuery()))) == 1


def test_what_some_rows_of_a_batch_have_is_stored_whichever_columns_the_others_need(tmp_path):
    given = [replace(verdict(), k=k, fingerprint=text) for k, text in ((10, None), (20, "a"), (40, None))]
    with SqliteStore(tmp_path / "store.sqlite") as store:
        store.put_verdicts(given[:1])
        store.put_verdicts(given[1:])
        stored = store.verdicts(VerdictQuery(last_only=False))
        assert {each.verdict.k: each.verdict.fingerprint for each in stored} == {10: None, 20: "a", 40: None}
