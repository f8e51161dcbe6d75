"""A call's page: the quality of both directions, and its packets for whoever may have them."""

import json
from pathlib import Path

import pytest
from console_visitor import MEASURED, Visitor, add_judged

from callprint.cli import main
from callprint.console.sessions import Role
from callprint.console.users import Users
from callprint.stores import CallQuery, open_store

SAMPLE = Path(__file__).resolve().parents[2] / "samples" / "applications.pcapng"
CALL_ID = "LnsehGSl2D"


@pytest.fixture
def page(store, visitor):
    """The path of a call with media that was measured."""
    add_judged(store)
    with open_store(str(store)) as opened:
        (measured,) = opened.calls(CallQuery(call_id=MEASURED))
    return f"/calls/{visitor.key_of(measured)}"


@pytest.fixture
def kept(tmp_path):
    """A visitor of a store that keeps the packets of the sample's calls, and the path of one of them."""
    store = tmp_path / "kept.sqlite"
    command = [
        "identify",
        str(SAMPLE),
        "--store",
        str(store),
        "--keep-calls",
        "all",
        "--model",
        "none",
        "--quiet",
    ]
    assert main(command) == 0
    with open_store(str(store)) as opened:
        (found,) = opened.calls(CallQuery(call_id=CALL_ID))
    visitor = Visitor(store, tmp_path / "console")
    return visitor, f"/calls/{visitor.key_of(found)}"


def test_quality_of_both_directions(visitor, page):
    text = visitor.get(page).text
    assert "3.87 / 4.39" in text
    assert "caller loss before capture" in text
    assert "30–40 s: MOS" in text
    assert "41 lost, 10 late of 500" in text
    assert "MOS 3.87, 2.6% lost" in text


def test_messages_packets_and_evidence_of_a_call(kept, tmp_path):
    visitor, page = kept
    text = visitor.get(page).text
    for name in ("call.pcapng", "evidence.pcapng"):
        assert f"{page}/{name}" in text
        answer = visitor.get(f"{page}/{name}")
        assert answer.content.startswith(b"\x0a\x0d\x0d\x0a")
        assert answer.headers["content-disposition"] == f'attachment; filename="{name}"'
    assert f"{page}/messages" in text
    messages = visitor.get(f"{page}/messages").text
    assert messages.index("INVITE") < messages.index("200 OK") < messages.index("ACK")
    objects = visitor.get(f"/api/v1{page}/messages").json()
    assert objects["messages"][0]["text"] == "INVITE"
    assert all(each["text"] in messages for each in objects["messages"])
    log = [json.loads(line) for line in (tmp_path / "console" / "audit.jsonl").read_text().splitlines()]
    assert {"took the packets of a call", "took the evidence of a call", "read the messages of a call"} <= {
        each.get("did") or each.get("what") for each in log
    }


@pytest.mark.parametrize("name", ["call.pcapng", "evidence.pcapng", "messages"])
def test_a_viewer_gets_no_packets(store, page, tmp_path, name):
    token = Users(tmp_path / "console" / "users.json").set_token("looker", Role.VIEWER)
    viewer = Visitor(store, tmp_path / "console", enter=False)
    header = {"Authorization": f"Bearer {token}"}
    assert viewer.get(f"{page}/{name}", headers=header).status_code == 403
    if name == "messages":
        assert viewer.get(f"/api/v1{page}/{name}", headers=header).status_code == 403


def test_what_is_not_kept_or_cannot_be_read_is_said(visitor, page, tmp_path, monkeypatch):
    assert visitor.get(f"{page}/call.pcapng").status_code == 404
    assert visitor.get("/calls/x/call.pcapng").status_code == 404
    assert "--keep-calls" in visitor.get(page).text


def test_packets_whose_key_is_missing_are_not_given(tmp_path, monkeypatch):
    key = tmp_path / "key"
    key.write_bytes(bytes(range(32)))
    key.chmod(0o600)
    store = tmp_path / "kept.sqlite"
    command = ["identify", str(SAMPLE), "--store", str(store), "--keep-calls", "all", "--key-file", str(key)]
    assert main([*command, "--model", "none", "--quiet"]) == 0
    with open_store(str(store)) as opened:
        (found,) = opened.calls(CallQuery(call_id=CALL_ID))
    visitor = Visitor(store, tmp_path / "console")
    path = f"/calls/{visitor.key_of(found)}/call.pcapng"
    monkeypatch.delenv("CALLPRINT_KEY_FILE", raising=False)
    answer = visitor.get(path)
    assert answer.status_code == 503
    assert "key" in answer.text
    monkeypatch.setenv("CALLPRINT_KEY_FILE", str(key))
    assert visitor.get(path).status_code == 200
