"""`callprint identify` as a user sees it: exit codes, streams, golden verdicts, nothing lost when a run ends badly."""

import errno
import json
import os
import signal
import struct
import subprocess
import sys
from importlib import resources
from pathlib import Path

import pytest
from flow.packet_rows import stream
from jsonschema import Draft202012Validator

from callprint.cli import main
from callprint.sources import captures
from callprint.stores import VerdictQuery, open_store

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "samples" / "applications.pcapng"
GOLDEN = Path(__file__).parent / "golden" / "applications.jsonl"
GOLDEN_FIELDS = (
    *("src_ip", "src_port", "dst_ip", "dst_port", "ssrc", "payload_type", "codec", "packets", "long_packets"),
    *("rtcp_packets", "expected", "lost", "duplicates", "reordered", "started_midflow", "first_seen_ns"),
    *("application", "best_application", "k", "final", "reason", "model", "ended"),
)


@pytest.fixture(scope="module")
def flow_schema():
    text = (resources.files("callprint") / "schemas" / "flow.schema.json").read_text()
    return Draft202012Validator(json.loads(text))


def identify(*arguments):
    return main(["identify", *map(str, arguments)])


def flows_of(text):
    return [line for line in map(json.loads, text.splitlines()) if line["type"] == "flow"]


def write_pcap(path, packets):
    """Write packets of tests.flow.packet_rows as a pcap of raw IPv4 (link type 228)."""
    with path.open("wb") as out:
        out.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 65535, 228))
        for packet in packets:
            payload = packet.payload()
            udp = struct.pack(">HHHH", packet.source_port, packet.destination_port, 8 + len(payload), 0)
            addresses = struct.pack(">II", 0x0A000000 + packet.source, 0x0A000000 + packet.destination)
            ip = struct.pack(">BBHHHBBH", 0x45, 0, 28 + len(payload), 0, 0, 64, 17, 0) + addresses
            frame = ip + udp + payload
            seconds, nanoseconds = divmod(packet.time_ns, 10**9)
            out.write(struct.pack("<IIII", seconds, nanoseconds, len(frame), len(frame)) + frame)


def test_golden_verdicts_of_the_sample(tmp_path, capsys, flow_schema):
    """After a wanted change (another model, another rule): delete the golden file, run, look at the difference."""
    out = tmp_path / "flows.jsonl"
    assert identify(SAMPLE, "--no-store", "--json", out) == 0
    flows = flows_of(out.read_text())
    for flow in flows:
        flow_schema.validate(flow)
    told = [{name: flow[name] for name in GOLDEN_FIELDS} for flow in flows]
    told.sort(key=lambda flow: (flow["first_seen_ns"], flow["ssrc"]))
    if not GOLDEN.exists():
        GOLDEN.parent.mkdir(exist_ok=True)
        GOLDEN.write_text("".join(json.dumps(flow) + "\n" for flow in told))
        pytest.fail("wrote a new golden file: look at it, then run again")
    assert told == [json.loads(line) for line in GOLDEN.read_text().splitlines()]
    assert "became of them" in capsys.readouterr().out


def test_twice_the_same_capture_doubles_nothing(tmp_path):
    store = tmp_path / "verdicts.sqlite"

    def rows():
        with open_store(f"sqlite:{store}", create=False) as opened:
            return list(opened.verdicts(VerdictQuery(last_only=False)))

    assert identify(SAMPLE, "--store", store) == 0
    first = rows()
    assert identify(SAMPLE, "--store", store) == 0
    assert rows() == first
    assert len(first) >= 20


def test_data_alone_on_standard_output(capsys):
    assert identify(SAMPLE, "--no-store", "--json", "-") == 0
    captured = capsys.readouterr()
    assert len(flows_of(captured.out)) >= 20
    assert "became of them" in captured.err


def test_cut_capture_gives_what_is_whole_and_names_the_offset(tmp_path, capsys):
    whole = tmp_path / "whole.pcap"
    write_pcap(whole, stream(60))
    cut = tmp_path / "cut.pcap"
    cut.write_bytes(whole.read_bytes()[:-100])
    assert identify(cut, "--no-store", "--json", "-") == 3
    captured = capsys.readouterr()
    assert [flow["packets"] for flow in flows_of(captured.out)] == [59]
    offset = 24 + 59 * (16 + 20 + 8 + 172)
    (line,) = [line for line in captured.err.splitlines() if "warning" in line]
    assert f"(at byte {offset:,}); packets before it were read" in line


def test_what_went_wrong_is_told_on_standard_error_one_unbroken_line_each(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    folder = tmp_path / (
        "a folder with a name that alone is longer than a line of the terminal is " + "x" * 40
    )
    folder.mkdir()
    write_pcap(folder / "whole.pcap", stream(60))
    (folder / "cut.pcap").write_bytes((folder / "whole.pcap").read_bytes()[:-100])
    (folder / "header.pcap").write_bytes((folder / "whole.pcap").read_bytes()[:12])
    (folder / "notes.txt").write_text("no capture")
    named = tmp_path / "named.txt"
    named.write_text("no capture either")
    assert identify(folder, named, "--no-store") == 3
    captured = capsys.readouterr()
    cut, header, refused, passed = captured.err.splitlines()
    assert cut.startswith(
        f"callprint: warning: {folder / 'cut.pcap'}: the pcap stream is cut off in the middle"
    )
    assert header.endswith(
        "header.pcap: the pcap stream is cut off inside the file header (at byte 0); there is no packet before it"
    )
    assert refused.startswith(
        f"callprint: passed over: {named}: not a packet capture: it begins with 6e 6f 20 63"
    )
    assert passed == "callprint: passed over: 1 file in folders that are no captures"
    assert "warning" not in captured.out
    assert "passed over" not in captured.out
    assert identify() == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert len(captured.err.splitlines()) == 1


def test_a_file_that_cannot_be_read_is_a_warning_not_passed_over(tmp_path, capsys, monkeypatch):
    """Root may read everything, so the refusal is that of the system call."""
    write_pcap(tmp_path / "good.pcap", stream(60))
    write_pcap(tmp_path / "secret.pcap", stream(61))
    opened = captures._open

    def refuse(file):
        if file.path.endswith("secret.pcap"):
            raise PermissionError(errno.EACCES, "Permission denied")
        return opened(file)

    monkeypatch.setattr(captures, "_open", refuse)
    for arguments in ([tmp_path], [tmp_path / "good.pcap", tmp_path / "secret.pcap"]):
        assert identify(*arguments, "--no-store") == 3
        assert capsys.readouterr().err == f"callprint: warning: {tmp_path}/secret.pcap: Permission denied\n"
    assert identify(tmp_path / "secret.pcap", "--no-store") == 4
    assert capsys.readouterr().err == f"callprint: {tmp_path}/secret.pcap: Permission denied\n"


@pytest.mark.parametrize(
    "command", [["identify", "{capture}", "--no-store", "--json", "-"], ["verdicts", "--json"]]
)
def test_a_full_disk_under_standard_output_is_a_clear_error(tmp_path, command):
    capture, store = tmp_path / "calls.pcap", tmp_path / "verdicts.sqlite"
    write_pcap(capture, stream(60))
    assert identify(capture, "--store", store) == 0
    with open("/dev/full", "w") as full:  # noqa: PTH123
        done = subprocess.run(
            [sys.executable, "-m", "callprint", *(word.format(capture=capture) for word in command)],
            env={**os.environ, "CALLPRINT_STORE": f"sqlite:{store}"},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 4
    assert done.stderr.splitlines()[-1] == "callprint: standard output: No space left on device"
    assert "Traceback" not in done.stderr


def test_a_full_disk_under_the_json_file_is_a_clear_error_and_keeps_the_verdicts(tmp_path, capsys):
    capture, store = tmp_path / "calls.pcap", tmp_path / "verdicts.sqlite"
    write_pcap(capture, stream(60))
    assert identify(capture, "--store", store, "--json", "/dev/full") == 4
    assert capsys.readouterr().err == "callprint: /dev/full: No space left on device\n"
    with open_store(f"sqlite:{store}", create=False) as opened:
        assert len(list(opened.verdicts(VerdictQuery()))) == 1


def test_without_standard_output_it_says_so(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdout", None)
    assert main(["identify", str(SAMPLE)]) == 4
    assert capsys.readouterr().err == "callprint: standard output is closed\n"


def test_without_a_model_flows_are_shown_without_names(tmp_path, flow_schema):
    """In a process that has no ONNX Runtime, as a base installation has none."""
    capture = tmp_path / "calls.pcap"
    write_pcap(capture, stream(60))
    block = "import sys; sys.modules['onnxruntime'] = None\nfrom callprint.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", block, "identify", str(capture), "--no-store", "--json", "-"]
    refused = subprocess.run(command, capture_output=True, text=True, check=False)
    assert refused.returncode == 4
    assert refused.stderr.count("\n") == 1
    assert "sh tools/setup.sh cpu" in refused.stderr
    assert "--model none" in refused.stderr
    done = subprocess.run([*command, "--model", "none"], capture_output=True, text=True, check=True)
    (flow,) = flows_of(done.stdout)
    flow_schema.validate(flow)
    assert (flow["application"], flow["model"], flow["packets"]) == ("unknown", "none", 60)
    assert "no model looked" in done.stderr


def test_a_capture_without_media_says_so_kindly(tmp_path, capsys):
    path = tmp_path / "lone.pcap"
    write_pcap(path, stream(1))
    assert identify(path, "--no-store") == 0
    assert "no call to name" in " ".join(capsys.readouterr().out.replace("│", " ").split())


def test_what_is_no_capture_is_refused_with_the_supported_formats(tmp_path, capsys):
    path = tmp_path / "notes.txt"
    path.write_text("not a capture")
    assert identify(path, "--no-store") == 4
    assert "pcapng" in capsys.readouterr().err


def test_short_flow_is_unknown_with_the_reason(tmp_path, capsys, flow_schema):
    path = tmp_path / "short.pcap"
    write_pcap(path, stream(2))
    assert identify(path, "--no-store", "--json", "-") == 0
    (flow,) = flows_of(capsys.readouterr().out)
    flow_schema.validate(flow)
    assert (flow["application"], flow["packets"], flow["final"]) == ("unknown", 2, True)
    assert flow["reason"] is not None


def test_captures_and_interfaces_exclude_each_other(capsys):
    assert identify() == 2
    assert identify(SAMPLE, "--interface", "lo") == 2


def test_interruption_keeps_what_was_read(tmp_path):
    """SIGINT while standard input is still open, as when `tcpdump -w - | callprint identify -` is stopped."""
    path = tmp_path / "calls.pcap"
    # When the second call's packets come, the first one has been silent for longer than the idle time-out.
    write_pcap(path, stream(120) + stream(80, source=3, time_ms=100_000))
    store = tmp_path / "verdicts.sqlite"
    process = subprocess.Popen(
        [sys.executable, "-m", "callprint", "identify", "-", "--store", str(store), "--json", "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # A shell that starts the tests in the background lets them ignore SIGINT, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - no threads here
    )
    try:
        process.stdin.write(path.read_bytes())
        process.stdin.flush()
        first = process.stdout.readline()  # so reading has begun, and will wait for more input
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)  # with its input still open: the end of it would end the run as well
        rest, error = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130, error.decode()
    assert b"interrupted" in error
    assert [flow["packets"] for flow in flows_of((first + rest).decode())] == [120, 80]
    with open_store(f"sqlite:{store}", create=False) as opened:
        assert sorted(row.summary.packets for row in opened.verdicts(VerdictQuery())) == [80, 120]


def test_sip_over_tcp_is_found_on_the_ports_that_are_named(tmp_path, capsys):
    message = b"OPTIONS sip:a SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bK1\r\nFrom: <sip:a>;tag=1\r\nTo: <sip:b>\r\n"
    message += b"Call-ID: 1\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    tcp = struct.pack(">HHIIBBHHH", 40000, 5080, 1, 1, 0x50, 0x18, 65535, 0, 0) + message
    ip = struct.pack(">BBHHHBBHII", 0x45, 0, 20 + len(tcp), 0, 0, 64, 6, 0, 0x0A000001, 0x0A000002) + tcp
    path = tmp_path / "sip.pcap"
    path.write_bytes(
        struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 228)
        + struct.pack("<IIII", 1, 0, len(ip), len(ip))
        + ip
    )
    assert identify(path, "--no-store") == 0
    assert "SIP messages" not in capsys.readouterr().out
    assert identify(path, "--no-store", "--sip-port", 5080) == 0
    assert "SIP messages" in capsys.readouterr().out
