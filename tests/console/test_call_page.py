"""A call's page: the quality of both directions, and its packets for whoever may have them."""

import json
from types import SimpleNamespace

import pytest
from call_samples import call
from console_visitor import MEASURED, Visitor, add_judged

from callprint.console import call_files, shown
from callprint.console.sessions import Role
from callprint.console.users import Users
from callprint.core.ground.errors import ConfigError
from callprint.stores import CallQuery, open_store


@pytest.fixture
def page(store):
    """The path of a call with media that was measured."""
    add_judged(store)
    with open_store(str(store)) as opened:
        (measured,) = opened.calls(CallQuery(call_id=MEASURED))
    return f"/calls/{shown.call_id(measured)}"


@pytest.fixture
def kept(monkeypatch):
    """A callprint that keeps packets of calls; of one call the key is missing."""

    def pcap_of_call(_store, record):
        if record.call_id != MEASURED:
            raise ConfigError("these packets are encrypted: which key?")
        return b"\x0a\x0d\x0d\x0apackets"

    fake = SimpleNamespace(
        has_kept_packets=lambda _store, record: record.call_id != "none@x",
        pcap_of_call=pcap_of_call,
        evidence_of_call=lambda _store, _record: b"\x0a\x0d\x0d\x0aevidence",
    )
    monkeypatch.setattr(call_files, "call_evidence", fake)


def test_quality_of_both_directions(visitor, page):
    text = visitor.get(page).text
    assert "3.87 / 4.39" in text
    assert "caller loss before capture" in text
    assert "30–40 s: MOS" in text
    assert "41 lost, 10 late of 500" in text
    assert "MOS 3.87, 2.6% lost" in text


def test_packets_and_evidence_of_a_call(visitor, page, kept, tmp_path):
    text = visitor.get(page).text
    for name, inside in (("call.pcapng", b"packets"), ("evidence.pcapng", b"evidence")):
        assert f"{page}/{name}" in text
        answer = visitor.get(f"{page}/{name}")
        assert answer.content.endswith(inside)
        assert answer.headers["content-disposition"] == f'attachment; filename="{name}"'
    log = [json.loads(line) for line in (tmp_path / "console" / "audit.jsonl").read_text().splitlines()]
    assert {"took the packets of a call", "took the evidence of a call"} <= {
        each.get("did") or each.get("what") for each in log
    }


def test_a_viewer_gets_no_packets(store, page, kept, tmp_path):
    token = Users(tmp_path / "console" / "users.json").set_token("looker", Role.VIEWER)
    viewer = Visitor(store, tmp_path / "console", enter=False)
    header = {"Authorization": f"Bearer {token}"}
    for name in ("call.pcapng", "evidence.pcapng"):
        assert viewer.get(f"{page}/{name}", headers=header).status_code == 403


def test_what_is_not_kept_or_cannot_be_read_is_said(visitor, store, page, kept):
    for name, status in (("none@x", 404), ("encrypted@x", 503)):
        other = call(call_id=name)
        with open_store(str(store)) as opened:
            opened.put_calls([other])
        assert visitor.get(f"/calls/{shown.call_id(other)}/call.pcapng").status_code == status
    assert visitor.get("/calls/x/call.pcapng").status_code == 404


def test_a_callprint_that_keeps_no_packets(visitor, page, monkeypatch):
    monkeypatch.setattr(call_files, "call_evidence", None)
    assert "call.pcapng" not in visitor.get(page).text
    assert visitor.get(f"{page}/call.pcapng").status_code == 404
