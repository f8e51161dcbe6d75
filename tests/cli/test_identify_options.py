"""`callprint identify`: what is shown, which packets are looked at, flows that go on, captures given twice."""

import json
import os
import re
import shutil
import subprocess
import sys
from importlib import resources
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from callprint.cli import main

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "samples" / "applications.pcapng"
PACKETS = 7257
HOST = "10.138.36.237"


def identify(*arguments):
    return main(["identify", "--no-store", "--model", "none", *map(str, arguments)])


def flows(text):
    return [line for line in map(json.loads, text.splitlines()) if line["type"] == "flow"]


def test_summary_alone(capsys):
    assert identify(SAMPLE) == 0
    whole = capsys.readouterr().out
    assert identify(SAMPLE, "--summary") == 0
    summary = capsys.readouterr().out
    assert HOST in whole
    assert HOST not in summary
    assert "calls that began on" in whole
    assert "calls that began on" not in summary
    for part in ("application ", "what became of them", "5 calls", f"{PACKETS:,}"):
        assert part in summary
    table = whole[whole.index("\napplication ") :]
    assert table.split("\n\n")[0] == summary[summary.index("\napplication ") :].split("\n\n")[0]


def test_quiet_says_nothing_but_data(capsys):
    assert identify(SAMPLE, "--quiet", "--json", "-") == 0
    captured = capsys.readouterr()
    assert len(flows(captured.out)) == 24
    assert captured.err == ""
    assert identify(SAMPLE, "--quiet") == 0
    assert capsys.readouterr() == ("", "")


def test_a_filter_chooses_and_counters_add_up(capsys):
    assert identify(SAMPLE, "--filter", f"udp and host {HOST}", "--json", "-") == 0
    captured = capsys.readouterr()
    found = flows(captured.out)
    assert all(HOST in (each["src_ip"], each["dst_ip"]) for each in found)
    assert len(found) == 2
    assert "left out by --filter" in captured.err
    table = captured.err[captured.err.index("what became of them") :].split("\n\n")[0]
    rows = [int(number.replace(",", "")) for number in re.findall(r"^ *([\d,]+) ", table, re.M)]
    assert sum(rows[:-1]) == rows[-1] == PACKETS


def test_all_packets_left_out(capsys):
    assert identify(SAMPLE, "--filter", "tcp port 9") == 0
    assert "Every packet was left out" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("begin", "end"),
    [("60", "120"), ("60.0", "2026-11-22T04:20:52.475"), ("2026-11-22T05:19:52.475+01:00", "120")],
)
def test_a_range_of_time(begin, end, capsys):
    assert identify(SAMPLE, "--from", begin, "--to", end, "--json", "-") == 0
    captured = capsys.readouterr()
    times = [(each["first_seen_ns"], each["last_seen_ns"]) for each in flows(captured.out)]
    assert times
    assert max(last for _, last in times) - min(first for first, _ in times) < 61e9
    assert "outside the time of --from and --to" in captured.err


@pytest.mark.parametrize(
    ("arguments", "words", "code"),
    [
        (["--filter", "udp und"], "syntax error", 2),
        (["--from", "yesterday"], "seconds after the first packet", 2),
        (["--follow"], "--follow adds lines to the JSON", 2),
        (["--summary", "--quiet"], "not allowed with", 2),
    ],
)
def test_options_that_cannot_be(arguments, words, code, capsys):
    if code == 2 and words[0] != "-":  # argparse's own errors
        with pytest.raises(SystemExit, match="2"):
            identify(SAMPLE, *arguments)
    else:
        assert identify(SAMPLE, *arguments) == code
    assert words in capsys.readouterr().err


def test_followed_flows_go_on_and_grow(capsys):
    schema = json.loads((resources.files("callprint") / "schemas" / "flow.schema.json").read_text())
    assert identify(SAMPLE, "--json", "-") == 0
    plain = capsys.readouterr().out
    assert identify(SAMPLE, "--json", "-", "--follow", "--follow-every", "2") == 0
    lines = capsys.readouterr().out
    running = [each for each in flows(lines) if each["ended"] == "running"]
    rest = [line for line in lines.splitlines() if json.loads(line).get("ended") != "running"]
    assert rest == plain.splitlines(), "the lines without --follow are all there, as they are"
    validator = Draft202012Validator(schema)
    by_flow = {}
    for each in running:
        validator.validate(each)
        assert each["reason"] in ("too_short", None)
        assert each["lost"] is not None
        by_flow.setdefault((each["src_ip"], each["ssrc"]), []).append(each["packets"])
    assert len(by_flow) > 10
    assert all(counts == sorted(counts) for counts in by_flow.values())
    assert any(len(set(counts)) > 1 for counts in by_flow.values())


def test_a_capture_given_twice_is_told(tmp_path, capsys):
    copy, link = tmp_path / "copy.pcapng", tmp_path / "link.pcapng"
    shutil.copy(SAMPLE, copy)
    link.symlink_to(copy)
    assert identify(copy, copy, "--quiet") == 0
    assert (
        capsys.readouterr().err == f"callprint: warning: {copy} was given twice: its packets are read twice\n"
    )
    assert identify(SAMPLE, tmp_path, "--quiet") == 0
    told = capsys.readouterr().err.splitlines()
    assert [line.split(" holds what ")[1] for line in told] == [
        f"{SAMPLE} holds: the same packets are read twice"
    ] * 2


def test_a_pipe_shows_flows_when_they_are_decided(tmp_path):
    """The flow's first sure verdict is there while the pipe is still open, and nothing has ended."""
    command = [sys.executable, "-m", "callprint", "identify", "-", "--no-store"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
    ) as process:
        process.stdin.write(SAMPLE.read_bytes()[:700_000])
        process.stdin.flush()
        first = process.stdout.readline().decode()
        process.stdin.close()
        rest = process.stdout.read().decode()
    assert "after 10 packets" in first
    assert "application" in rest


def test_no_media_is_not_no_calls(tmp_path, capsys):
    calls = tmp_path / "calls.pcapng"
    assert identify(SAMPLE, "--filter", "port 5060") == 0
    told = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert not calls.exists()
    assert "No media found" in told
    assert "No calls" not in told
    assert re.search(r"The signalling of \d calls? is here \(below\)", told)
