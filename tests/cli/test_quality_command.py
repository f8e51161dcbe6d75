"""`callprint quality`: of a capture and of a store, for people and as JSON."""

import argparse
import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from cli.json_docs import documented
from verdict_samples import LINPHONE, PJSUA, summary, verdict

from callprint.cli import quality
from callprint.core.verdict import FlowReport
from callprint.output.quality_report import rated_windows, sparkline, worst_first
from callprint.stores import open_store

SAMPLE = Path(__file__).parents[2] / "samples" / "applications.pcapng"
BAD = replace(
    summary(PJSUA),
    mos=1.8,
    r_factor=35.0,
    mos_band="narrowband",
    quality_windows="1 10 500,450,449,9000,100,20000,200,10,60,40 500,500,499,900,100,2000,21",
)
GOOD = replace(
    summary(LINPHONE), mos=4.41, r_factor=93.2, mos_band="narrowband", quality_windows="1 10 500,500"
)


def call(*arguments) -> int:
    parser = argparse.ArgumentParser(prog="callprint")
    quality.add_parser(parser.add_subparsers(required=True))
    args = parser.parse_args(["quality", *map(str, arguments)])
    return args.run(args)


@pytest.fixture
def store(tmp_path):
    path = tmp_path / "verdicts.sqlite"
    with open_store(str(path)) as opened:
        opened.put_verdicts([verdict(LINPHONE), verdict(PJSUA)])
        opened.put_flows([GOOD, BAD])
    return path


def test_the_worst_flow_of_the_store_comes_first(store, capsys):
    assert call("--store", store) == 0
    out = capsys.readouterr().out
    assert out.index("198.51.100.20:7078 → ") < out.index("192.0.2.10:16384 → ")
    assert "2 flows" in out


def test_json_has_every_window_with_its_mos(store, capsys):
    assert call("--store", store, "--json", "--limit", 1) == 0
    (line,) = capsys.readouterr().out.splitlines()
    found = json.loads(line)
    assert set(found) | set(found["windows"][0]) <= documented("quality")
    assert found["mos"] == 1.8
    assert [window["begins_s"] for window in found["windows"]] == [0, 10]
    assert found["windows"][0]["mos"] < found["windows"][1]["mos"] == 4.41


@pytest.mark.parametrize("kept", [2, quality.MOST_FLOWS])
def test_all_flows_of_a_capture_are_counted_however_few_are_kept(kept, capsys, monkeypatch):
    monkeypatch.setattr(quality, "MOST_FLOWS", kept)
    assert call(SAMPLE, "--limit", 1) == 0
    assert "1 flow of 24 flows" in capsys.readouterr().out


def test_a_sparkline_shows_the_worst_of_each_group():
    windows = rated_windows(BAD)
    assert sparkline(windows) == "▅█"
    assert len(sparkline(windows * 100)) <= 30
    assert sparkline([]) == ""


def test_flows_without_a_mos_come_last():
    flows = [FlowReport(verdict(PJSUA), each) for each in (replace(GOOD, mos=None), GOOD, BAD)]
    assert [flow.summary.mos for flow in sorted(flows, key=worst_first)] == [1.8, 4.41, None]


def test_a_capture_is_measured_as_tshark_does(capsys):
    """Loss, and least, mean and greatest jitter of the flows of G.711, whose clock rate is known from the start."""
    if shutil.which("tshark") is None:
        pytest.skip("tshark is not installed")
    assert call(SAMPLE, "--json") == 0
    flows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    ours = {
        (flow["src_ip"], flow["src_port"], flow["ssrc"]): flow for flow in flows if flow["codec"] == "PCMU"
    }
    said = subprocess.run(
        ["tshark", "-r", str(SAMPLE), "-o", "rtp.heuristic_rtp:TRUE", "-q", "-z", "rtp,streams"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    row = re.compile(
        r"\s*[\d.]+\s+[\d.]+\s+(\S+)\s+(\d+)\s+\S+\s+\d+\s+0x([0-9A-F]+)\s+(\S+)\s+(\d+)\s+(-?\d+) \([^)]*\)"
        r"\s+\S+\s+\S+\s+\S+\s+([\d.-]+)\s+([\d.-]+)\s+([\d.-]+)"
    )
    compared = 0
    for line in said.splitlines():
        found = row.match(line)
        if not found:
            continue
        address, port, ssrc, _, packets, lost, *jitters = found.groups()
        flow = ours.get((address, int(port), int(ssrc, 16)))
        if flow is None or int(packets) < flow["expected"] - flow["lost"] or flow["reordered"]:
            continue  # tshark saw only a part of it, or leaves packets out of order out of the jitter
        assert flow["lost"] == max(0, int(lost))
        names = ("jitter_min_ms", "jitter_mean_ms", "jitter_max_ms")
        assert [flow[name] for name in names] == pytest.approx(list(map(float, jitters)), abs=0.003)
        compared += 1
    assert compared >= 2
