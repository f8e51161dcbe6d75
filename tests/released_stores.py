"""What a store holds that was filled by version 0.1.0 (released/README.md), asked for by every question there is."""

from typing import Any

from released_files import assert_holds, golden_json

from callprint.stores import CallQuery, VerdictQuery, VerdictStore

TABLES_SINCE = {"unknown_evidence": 2, "call_state": 3, "call_journal": 3, "models": 4}
"""The version of the SQLite schema that brought what is asked for; the rest was there from the beginning."""
EMPTY: dict[str, Any] = {"unknown_evidence": [], "call_state": None, "call_journal": [], "models": []}


def check(store: VerdictStore, absent: set[str]) -> None:
    """Fail unless the store holds what was put in; of what is `absent`, nothing."""
    expected = golden_json("expected/store.json")
    site = expected.pop("site")
    found = {
        "verdicts": list(store.verdicts(VerdictQuery(last_only=False))),
        "last_verdicts": list(store.verdicts(VerdictQuery())),
        "calls": list(store.calls(CallQuery(last_only=False))),
        "last_calls": list(store.calls(CallQuery())),
        "feedback": list(store.votes()),
        "allowed": list(store.allowed()),
        "unknown_evidence": list(store.unknown_evidence()),
        "call_state": store.call_state(site),
        "call_journal": list(store.call_journal(site, 0)),
        "models": list(store.models()),
    }
    assert_holds({**expected, **{name: EMPTY[name] for name in absent}}, found)
