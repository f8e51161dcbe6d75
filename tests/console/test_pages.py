"""The pages on empty, filled and hostile stores."""

import html
import re
import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest
from call_samples import call
from console_visitor import Visitor
from verdict_samples import LINPHONE, verdict

from callprint.console import listing, shown
from callprint.core.call import Action, AllowEntry, Vote
from callprint.core.spam.own_detector import OwnDetector
from callprint.stores import CallQuery, open_store
from callprint.stores.queries import Where
from callprint.stores.sqlite_call_rows import select_calls
from callprint.votes import teach

PAGES = (
    "/",
    "/flows",
    "/calls",
    "/desk",
    "/desk?group=campaign&settled=1",
    "/desk/report",
    "/models",
    "/people",
)


@pytest.mark.parametrize("path", [*PAGES, *(f"/?range={name}" for name in ("15m", "7d", "x"))])
def test_pages_of_every_store(visitor, empty_visitor, hostile_visitor, path):
    for each in (visitor, empty_visitor, hostile_visitor):
        assert each.get(path).status_code == 200


def test_an_empty_store_says_what_to_do(empty_visitor):
    for path in ("/", "/flows", "/calls"):
        assert "callprint identify" in empty_visitor.get(path).text


def test_hostile_names_stay_text(hostile_visitor):
    paths = [*PAGES]
    for page in ("/flows", "/calls"):
        paths += re.findall(rf'href="({page}/[^"?]+)"', hostile_visitor.get(page).text)
    assert len(paths) >= len(PAGES) + 3
    for path in paths:
        answer = hostile_visitor.get(html.unescape(path))
        assert answer.status_code == 200, path
        assert "<img src=x" not in answer.text
        assert answer.text.count("<script") == 1
        assert "\u202e" not in answer.text
        assert not re.search(r"\b49\b", re.sub(r"<[^>]*>", " ", answer.text.partition("<main")[0]))  # {{7*7}}


def test_a_search_is_in_the_url_and_a_condition_is_added_to_it(visitor):
    assert visitor.get("/flows?q=codec=PCMA").text.count("<tr data-key") == 1
    added = visitor.get("/flows?q=codec=PCMU&field=capture&sign=%3D&value=a+b")
    assert added.headers["location"] == "/flows?q=codec%3DPCMU+capture%3D%22a+b%22"
    assert "There is no field" in visitor.get("/flows?q=colour=red").text


@pytest.mark.parametrize(
    "q",
    [
        "k<>3",
        "k=x",
        "packets=99999999999999999999",
        "decided_at_ns>=yesterday",
        "=",
        '"',
        "a:b",
        "::1",
        "fe80::1%25eth0",
        "jitter_ms=nan",
        "final=maybe",
        "%00",
        "~~~",
    ],
)
def test_any_search_gets_an_answer(visitor, q):
    for page in ("/flows", "/calls"):
        assert visitor.get(f"{page}?q={q}").status_code == 200


def test_pages_follow_each_other(tmp_path, visitor, store):
    with open_store(str(store)) as opened:
        opened.put_verdicts(
            [verdict(LINPHONE._replace(src_port=port), "zoiper") for port in range(2000, 2120)]
        )
        opened.put_calls([call(call_id=f"n{i}", from_tag="x") for i in range(120)])
    for page, rows in (("/flows?q=application=zoiper", 120), ("/calls?q=from_tag=x", 120)):
        found, path = [], page
        while path:
            text = visitor.get(path).text
            found += re.findall(r'<tr data-key="([^"]+)"', text)
            path = html.unescape(text.partition('rel="next" href="')[2].partition('"')[0])
        assert len(found) == len(set(found)) == rows


def test_a_flow_shows_its_verdicts_and_its_packets(store, tmp_path, visitor):
    path = f"/flows/{shown.flow_id(LINPHONE)}"
    text = visitor.get(path).text
    assert text.count("provisional</td>") == 2
    assert "--keep-unknown" in text
    assert visitor.get(f"{path}/k-matrix.png").status_code == 404
    record = (0).to_bytes(8, "little") + (20).to_bytes(2, "little") + bytes(2) + bytes(range(20))
    with open_store(str(store)) as opened:
        opened.put_unknown_evidence([(verdict(LINPHONE, k=2), record * 2)])
    assert "k-matrix.png" in visitor.get(path).text
    picture = visitor.get(f"{path}/k-matrix.png")
    assert picture.content.startswith(b"\x89PNG")
    for wrong in ("x", "1~2~3", "a~b~c~d~e~f", "1.1.1.1~1~1.1.1.1~1~1~99999999999999999999"):
        assert visitor.get(f"/flows/{wrong}").status_code == 404


def test_damaged_evidence_is_no_error(store, visitor):
    with open_store(str(store)) as opened:
        opened.put_unknown_evidence([(verdict(LINPHONE, k=2), b"\xff" * 40)])
    path = f"/flows/{shown.flow_id(LINPHONE)}"
    assert visitor.get(path).status_code == visitor.get(f"{path}/k-matrix.png").status_code == 200


def test_a_call_shows_its_caller_and_campaign(visitor):
    key = re.search(r'href="/calls/([^"?]+)"', visitor.get("/calls?q=spam=yes").text)[1]
    text = visitor.get(f"/calls/{key}").text
    for words in ("INVITE", "41 calls in 10 minutes", "What spoke for spam", "BYE"):
        assert words in text
    assert text.count("<tr data-key") == 2 + 5  # of the caller, of the campaign
    for wrong in ("x", "e30", "bnVsbA", "W10"):
        assert visitor.get(f"/calls/{wrong}").status_code == 404


def chosen(visitor) -> list[str]:
    return re.findall(r'name="call" value="([^"]+)"', visitor.get("/desk").text)


def test_a_vote_is_stored_changes_the_next_judgement_and_leaves_the_queue(visitor, store):
    rows = chosen(visitor)
    assert len(rows) == 2
    answer = visitor.post(
        "/desk/vote", {"csrf": visitor.csrf("/desk"), "kind": "not_spam", "call": rows, "back": "/desk"}
    )
    assert answer.headers["location"] == "/desk?done=not_spam&number=2"
    assert chosen(visitor) == []
    with open_store(str(store)) as opened:
        assert [(vote.caller, vote.user, vote.spam) for vote in opened.votes()] == [
            ("+493055500", "local", False),
            ("+493055501", "local", False),
        ]
        assert teach(OwnDetector(), opened) == 2  # as the next run of `callprint identify` does


def said(store) -> list[str]:
    with open_store(str(store)) as opened:
        return [vote.says for vote in opened.votes()]


def test_undo_takes_a_first_vote_back(visitor, store):
    row = chosen(visitor)[0]
    token = visitor.csrf("/desk")
    visitor.post("/desk/vote", {"csrf": token, "kind": "spam", "call": row})
    assert row not in chosen(visitor)
    visitor.post("/desk/undo", {"csrf": token})
    assert said(store) == ["withdrawn"]
    assert row in chosen(visitor)
    with open_store(str(store)) as opened:
        assert teach(OwnDetector(), opened) == 0


def test_a_watched_caller_stays_in_the_queue_marked(visitor, store):
    row = chosen(visitor)[0]
    visitor.post("/desk/vote", {"csrf": visitor.csrf("/desk"), "kind": "watch", "call": row})
    text = visitor.get("/desk").text
    assert row in chosen(visitor)
    assert text.count('<span class="tag c-watch">watch</span>') >= 2  # in the queue, and in who said what
    with open_store(str(store)) as opened:
        assert teach(OwnDetector(), opened) == 0
    visitor.post("/desk/vote", {"csrf": visitor.csrf("/desk"), "kind": "withdraw", "call": row})
    assert said(store) == ["withdrawn"]
    answer = visitor.post("/desk/vote", {"csrf": visitor.csrf("/desk"), "kind": "withdraw", "call": row})
    assert "number=0" in answer.headers["location"]


def key_of(visitor, store, call_id):
    with open_store(str(store)) as opened:
        return visitor.key_of(next(opened.calls(CallQuery(call_id=call_id))))


def test_the_effect_of_a_vote_is_shown(visitor, store):
    row = key_of(visitor, store, "spam-4@203.0.113.9")
    page = f"/calls/{row}"
    assert "Nobody has voted on this caller" in visitor.get(page).text
    visitor.post("/desk/vote", {"csrf": visitor.csrf("/desk"), "kind": "not_spam", "call": row, "back": page})
    text = visitor.get(page).text
    assert "none yet" in text
    assert "Take my vote back" in text
    with open_store(str(store)) as opened:
        old = next(iter(opened.calls(CallQuery(call_id="spam-4@203.0.113.9"))))
        opened.put_calls(
            [
                replace(
                    old,
                    call_id="next@x",
                    started_ns=old.started_ns + 1,
                    detector_state="0123456789abcdef",
                    spam_score=0.125,
                    action=Action.ALLOW,
                    reason="users marked this caller: 0 spam, 1 not spam",
                )
            ]
        )
    shown_now = visitor.get(page).text.partition("Votes on this caller")[2].partition("</section>")[0]
    for words in ("97%", "12%", "users marked this caller", "local"):
        assert words in shown_now


def test_undo_restores_the_earlier_vote(visitor, store):
    row = chosen(visitor)[0]
    token = visitor.csrf("/desk")
    for kind in ("spam", "not_spam"):
        visitor.post("/desk/vote", {"csrf": token, "kind": kind, "call": row})
    visitor.post("/desk/undo", {"csrf": token})
    assert said(store) == ["spam"]
    visitor.post("/desk/vote", {"csrf": token, "kind": "allow", "call": row})
    with open_store(str(store)) as opened:
        assert [entry.user for entry in opened.allowed()] == ["local"]
    visitor.post("/desk/undo", {"csrf": token})
    with open_store(str(store)) as opened:
        assert list(opened.allowed()) == []
    assert "done=nothing" in visitor.post("/desk/undo", {"csrf": token}).headers["location"]


def test_nobody_can_allow_everybody_who_hides(visitor, store):
    with open_store(str(store)) as opened:
        opened.put_calls([call(call_id="hidden", caller="anonymous", spam=True, spam_score=1.0)])
    row = key_of(visitor, store, "hidden")
    visitor.post("/desk/vote", {"csrf": visitor.csrf("/desk"), "kind": "allow", "call": row})
    with open_store(str(store)) as opened:
        assert list(opened.allowed()) == []


@pytest.mark.parametrize(
    "back", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:1"]
)
def test_after_a_vote_no_form_leads_elsewhere(visitor, back):
    answer = visitor.post(
        "/desk/vote", {"csrf": visitor.csrf("/desk"), "kind": "spam", "call": "x", "back": back}
    )
    assert answer.headers["location"].startswith("/desk?")


def test_the_list_of_callers_holds_no_formula(visitor, store):
    with open_store(str(store)) as opened:
        opened.put_calls(
            [call(call_id="f", caller="=HYPERLINK(1)", reason="+1+cmd|x", spam=True, spam_score=0.9)]
        )
    text = visitor.get("/desk/callers.csv").text
    assert "'=HYPERLINK(1)" in text
    assert "'+1+cmd" in text
    assert "\r\n+493055500," in text


def test_who_said_what(visitor, store):
    with open_store(str(store)) as opened:
        opened.put_votes(
            [Vote("spam-0@203.0.113.9", "1928301774", "+493055500", "eve", 1_760_000_000 * 10**9, True)]
        )
        opened.put_allowed([AllowEntry("+493055501", "bob", 5)])
    text = visitor.get("/desk").text
    assert "eve" in text
    assert "bob" in text
    assert "eve" in visitor.get("/desk/report?day=2025-10-09").text
    assert visitor.get("/desk/report?day=tomorrow").status_code == 400


def test_a_store_that_is_gone_is_said(tmp_path):
    visitor = Visitor(tmp_path / "missing.sqlite", tmp_path / "console")
    answer = visitor.get("/")
    assert answer.status_code == 503
    assert "there is no verdict store" in answer.text


def test_a_search_looks_through_a_large_store_piece_by_piece(store, visitor, monkeypatch):
    monkeypatch.setattr(listing, "FIRST_PIECE", 2)
    monkeypatch.setattr(listing, "LOOKS_FOR_S", -1.0)
    found, path = set(), "/flows?q=codec=PCMU"
    for _ in range(10):
        text = visitor.get(path).text
        found |= set(re.findall(r'<tr data-key="([^"]+)"', text))
        link = re.search(r'href="([^"]+)">Look further back', text)
        if not link:
            break
        path = html.unescape(link[1])
    assert len(found) == 2


def test_calls_by_number_and_call_id(visitor):
    assert visitor.get("/calls?q=%2B493055500").text.count("<tr data-key") == 3
    assert visitor.get("/calls?q=spam-1@203.0.113.9").text.count("<tr data-key") == 1


def test_queries_of_lists_use_an_index(store):
    with closing(sqlite3.connect(store)) as connection:
        for where, index in (
            (Where("campaign", "=", "0123456789abcdef"), "call_by_campaign"),
            (Where("action", "=", "block"), "call_by_action"),
        ):
            ((statement, parameters),) = select_calls(CallQuery(where=(where,), limit=10))
            plan = connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()
            assert index in str(plan)
