"""`callprint call`: the ladder of one call, and exactly its packets."""

import json
from pathlib import Path

import pytest

import callprint
from callprint.cli import main
from callprint.core.ground.fields import values_of

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "samples" / "applications.pcapng"
CALL_ID = "LnsehGSl2D"
WORLD = ROOT.parent / "shared" / "data" / "world"
world = pytest.mark.skipif(not WORLD.is_dir(), reason="needs ../shared/data/world")

LADDER = """\
lena@192.168.210.42 → walter@192.168.210.74
Call-ID LnsehGSl2D
expired after 5.9 s of talk; spam score 0.01, allow: answered

  192.168.210.42:5060                                     192.168.210.74:5060
    0.000  │──────── INVITE (PCMU, G729, telephone-event) ────────▶│
    0.062  │◀──────────────────── 180 Ringing ─────────────────────│
    0.066  │◀─────────── 200 OK (PCMU, telephone-event) ───────────│
    0.068  │◀═══ unknown · PCMU · 296 packets, 1 lost in 5.9 s ════│
    0.087  │──────────────────────── ACK ─────────────────────────▶│
    0.106  │═══════ unknown · PCMU · 295 packets in 5.9 s ════════▶│
    5.985  │                                 ◇ MOS 4.38, narrowband│
    5.986  │ ◇ MOS 4.41, narrowband
"""


@pytest.fixture
def show(capsys, monkeypatch):
    """Run the command without a network; returns (exit code, standard output, standard error)."""

    def run(*words, width=100):
        monkeypatch.setenv("COLUMNS", str(width))
        capsys.readouterr()
        code = main(["call", *map(str, words), "--model", "none"])
        return code, *capsys.readouterr()

    return run


def identified(capture):
    run = callprint.identify(capture, model="none")
    return {flow.key: flow for flow in run}, run


def test_a_call_is_shown_message_by_message(show):
    code, out, err = show(CALL_ID[:6], SAMPLE)
    assert (code, err) == (0, "")
    assert [line.rstrip() for line in out.splitlines()] == LADDER.splitlines()


def test_a_narrow_terminal_gets_a_list(show):
    _, out, _ = show(CALL_ID, SAMPLE, width=40)
    assert "│" not in out
    assert "INVITE" in out
    assert "192.168.210.42:5060 → 192.168.210.74:5060" in out.replace("\n", "")


def test_the_only_call_needs_no_id(show, tmp_path):
    one = tmp_path / "one.pcapng"
    assert show(CALL_ID, SAMPLE, "--pcap", one)[0] == 0
    code, out, _ = show(one)
    assert code == 0
    assert CALL_ID in out


def test_several_calls_are_listed(show):
    code, out, err = show(SAMPLE)
    assert code == 2
    assert "13 calls: name one of them" in err
    assert CALL_ID in out


def test_a_call_that_is_not_there(show):
    code, _, err = show("no-such-call", SAMPLE)
    assert code == 4
    assert "there is no call with no-such-call in its Call-ID in the captures" in err


def test_a_capture_is_never_overwritten(show):
    before = SAMPLE.read_bytes()
    with pytest.raises(SystemExit) as refused:
        show(CALL_ID, SAMPLE, "--pcap", SAMPLE)
    assert refused.value.code == 2
    assert SAMPLE.read_bytes() == before


def test_its_packets_make_the_same_call(show, tmp_path):
    flows, run = identified(SAMPLE)
    for number, call in enumerate(call for call in run.calls if call.phase == "end"):
        one = tmp_path / f"{number}.pcapng"
        assert show(call.call_id, SAMPLE, "--pcap", one)[0] == 0
        its_flows, its_run = identified(one)
        assert set(its_flows) == {*call.caller_flows, *call.callee_flows}
        for key, flow in its_flows.items():
            other_file = {"capture": None, "ended": ""}
            assert values_of(flow.summary) | other_file == values_of(flows[key].summary) | other_file
        (again,) = (each for each in its_run.calls if each.phase == "end")
        assert (again.call_id, again.state, again.answered_ns) == (call.call_id, call.state, call.answered_ns)


@world
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("01c-failover-both-sides", ()),
        ("17-fragments-vlan", ()),
        ("18-tcp-reordered", ()),
        ("44-websocket", ("--sip-port", "5060", "--sip-port", "5066")),
    ],
)
def test_messages_in_pieces_come_whole(show, tmp_path, name, options):
    capture, one = WORLD / f"{name}.pcap", tmp_path / "one.pcapng"
    assert show(capture, *options, "--pcap", one)[0] == 0
    before, after = (json_lines(show(each, *options, "--json")[1]) for each in (capture, one))
    assert {line["type"] for line in before} >= {"call", "message"}
    assert [without_capture(line) for line in before] == [without_capture(line) for line in after]


def json_lines(text):
    return [json.loads(line) for line in text.splitlines()]


def without_capture(line):
    return {name: value for name, value in line.items() if name not in ("capture", "judged_at_ns")}


def test_as_json(show):
    code, out, _ = show(CALL_ID, SAMPLE, "--json")
    assert code == 0
    lines = json_lines(out)
    assert [line["type"] for line in lines] == ["call", *["message"] * 4, "flow", "flow"]
    assert lines[1]["text"] == "INVITE"
    assert lines[1]["codecs"] == ["PCMU", "G729", "telephone-event"]


def test_from_a_store_the_ladder_has_the_times_of_the_row(show, tmp_path):
    store = tmp_path / "store.sqlite"
    list(callprint.identify(SAMPLE, model="none", store=str(store)))
    code, out, _ = show(CALL_ID, "--store", store)
    assert code == 0
    for text in ("INVITE (PCMU)", "180 Ringing", "200 OK (PCMU)", "296 packets"):
        assert text in out
    assert show(CALL_ID[:6], "--store", store) == (code, out, "")
    assert show("media:", "--store", store)[0] == 2  # several: they are listed
    code, _, err = show("no-such-call", "--store", store)
    assert code == 4
    assert "no file named no-such-call" in err
    assert show(CALL_ID, "--store", store, "--pcap", tmp_path / "x")[0] == 4  # no packets are kept


def test_names_of_strangers_control_no_terminal(show, tmp_path):
    data = SAMPLE.read_bytes().replace(b"sip:lena@", b"sip:\x1b[2m@")
    capture = tmp_path / "hostile.pcapng"
    capture.write_bytes(data)
    _, out, err = show(CALL_ID, capture)
    assert "\x1b" not in out + err
