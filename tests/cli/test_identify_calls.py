"""`callprint identify` on a capture with SIP: calls with their media on the terminal, in JSON and in the store."""

import gzip
import json
from collections import Counter
from importlib.resources import files

import pytest
from jsonschema import Draft202012Validator
from sip_scenario import GATEWAY, PHONE, Talk, answered_call, at, sdp, talking, write_capture

from callprint.cli import main
from callprint.core.call import AllowEntry, Phase
from callprint.sources import captures
from callprint.stores import CallQuery, open_store

CALL, REFUSED = Talk(), Talk("call-2@example", from_tag="tag-2")


@pytest.fixture
def capture(tmp_path):
    """One answered call with media, one refused call, two flows that no SDP announces."""
    others = [
        (1.0, PHONE, GATEWAY, REFUSED.request("INVITE")),
        (1.5, GATEWAY, PHONE, REFUSED.response(486)),
        (3.0, PHONE, GATEWAY, b"OPTIONS sip:x SIP/2.0\r\nTo: nobody\r\n\r\n"),
        *talking(("10.9.0.1", 4000), ("10.9.0.2", 4000), 1, 3, 3),
        *talking(("10.9.0.2", 4000), ("10.9.0.1", 4000), 1, 3, 4),
    ]
    path = tmp_path / "calls.pcap"
    write_capture(path, [*answered_call(CALL), *others])
    return path


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("CALLPRINT_STORE", f"sqlite:{tmp_path / 'store.sqlite'}")
    return str(tmp_path / "store.sqlite")


def test_the_terminal_shows_calls_and_counts_every_message(capture, store, capsys):
    assert main(["identify", str(capture)]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "talked 5.0 s, ended by the caller" in out
    assert "refused with 486" in out
    assert "2 calls" in out
    assert "besides 1 seen by their media alone" in out
    assert "2 began a call" in out
    assert "1 do not parse: missing header" in out
    assert "7 read; each is in exactly one line above" in out


def test_json_has_flows_and_both_rows_of_every_call(capture, store, capsys):
    assert main(["identify", str(capture), "--json", "-"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    kinds = Counter((row["type"], row.get("phase")) for row in rows)
    assert kinds == {("flow", None): 4, ("call", "setup"): 2, ("call", "end"): 3}
    validator = Draft202012Validator(
        json.loads((files("callprint") / "schemas" / "call.schema.json").read_text())
    )
    for row in rows:
        if row["type"] == "call":
            validator.validate(row)
    (ended,) = [row for row in rows if row.get("phase") == "end" and row["call_id"] == CALL.call_id]
    applications = {(row["src_ip"], row["ssrc"]): row["application"] for row in rows if row["type"] == "flow"}
    assert ended["caller_application"] == applications["10.0.0.1", 1]
    assert ended["callee_application"] == applications["10.0.0.2", 2]
    assert (ended["answered_ns"], ended["ended_ns"]) == (at(2), at(7))


def test_lines_come_in_the_same_order_however_the_capture_comes(tmp_path, monkeypatch, capsys):
    """Flows and calls that end in mid-capture, read at once and in small pieces."""
    said, media = [], []
    for i in range(6):
        begin, talk = i * 55.0, Talk(f"call-{i}@example", from_tag=f"tag-{i}")
        port = 4000 + 10 * i
        said += [
            (begin, PHONE, GATEWAY, talk.request("INVITE", sdp=sdp("10.0.0.1", port))),
            (begin + 2, GATEWAY, PHONE, talk.response(200, sdp=sdp("10.0.0.2", port))),
            (begin + 7, PHONE, GATEWAY, talk.request("BYE", cseq=2, to_tag="tag-b")),
        ]
        media += talking(("10.0.0.1", port), ("10.0.0.2", port), begin + 2.2, begin + 7, 2 * i)
        media += talking(("10.9.0.1", port), ("10.9.0.2", port), begin + 30, begin + 31, 2 * i + 1)
    path, compressed = tmp_path / "calls.pcap", tmp_path / "calls.pcap.gz"
    write_capture(path, said + media)
    compressed.write_bytes(gzip.compress(path.read_bytes()))
    told = []
    for capture, read_bytes in ((path, 1 << 20), (compressed, 1 << 20), (path, 977), (path, 20_011)):
        monkeypatch.setattr(captures, "READ_BYTES", read_bytes)
        assert main(["identify", str(capture), "--no-store", "--json", "-"]) == 0
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert {line.pop("capture") for line in lines} == {str(capture)}
        told.append(lines)
    kinds = "".join(line["type"][0] for line in told[0])
    assert kinds.count("f") == 12
    assert "fc" in kinds[:-12]
    assert "cf" in kinds[2:]
    for other in told[1:]:
        assert other == told[0]


def test_the_store_answers_and_a_second_run_adds_nothing(capture, store, capsys):
    for _ in range(2):
        assert main(["identify", str(capture)]) == 0
    with open_store(store) as opened:
        rows = list(opened.calls(CallQuery(last_only=False)))
    assert Counter(row.phase for row in rows) == {Phase.SETUP: 2, Phase.END: 3}
    capsys.readouterr()
    assert main(["calls", "--number", "+4930222222", "--json"]) == 0
    assert {json.loads(line)["call_id"] for line in capsys.readouterr().out.splitlines()} == {
        CALL.call_id,
        REFUSED.call_id,
    }


def test_the_allow_list_of_the_store_is_kept_to(capture, store, capsys):
    with open_store(store) as opened:
        opened.put_allowed([AllowEntry("+4930111111", "ann", at(0))])
    assert main(["identify", str(capture), "--json", "-"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    calls = [row for row in rows if row["type"] == "call" and row["caller"]]
    assert all(row["action"] == "allow" and "allow-list" in row["reason"] for row in calls)


def test_numbers_are_hidden_where_a_key_is_given(capture, store, tmp_path, capsys):
    key = tmp_path / "key"
    key.write_bytes(b"a key of at least sixteen bytes")
    assert main(["identify", str(capture), "--json", "-", "--pseudonym-key", str(key)]) == 0
    out = capsys.readouterr().out
    assert "+4930" not in out
    assert '"caller": "p:' in out


def test_another_detector_is_chosen_by_name(capture, store, capsys):
    assert main(["identify", str(capture), "--detector", "empck", "--no-store", "--json", "-"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    judged = {(row["phase"], row["detector"]) for row in rows if row["type"] == "call"}
    assert judged == {("setup", "pmpck-1"), ("end", "empck-1")}
    assert all(row["spam"] is None for row in rows if row["type"] == "call"), "nobody has voted"
