"""Encapsulations that users of other tools have met; cases.csv says where each value is from."""

import json

import pytest

from callprint.cli import main


@pytest.fixture
def identified(world, capsys):
    """Return a function: number of a case, options -> (its flows, its ended calls), as `identify --json` gives them."""

    def identify(case, *options):
        (capture,) = world.glob(f"{case}-*.pcap")
        assert main(["identify", str(capture), "--json", "-", "--no-store", *options]) == 0
        rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        return [row for row in rows if row["type"] == "flow"], [
            row for row in rows if row.get("phase") == "end"
        ]

    return identify


@pytest.mark.parametrize("case", ["40", "42"])
def test_a_whole_call_in_tzsp_or_behind_a_vn_tag(identified, case):
    flows, calls = identified(case)
    assert [(flow["src_ip"], flow["packets"]) for flow in flows] == [
        ("192.0.2.10", 60),
        ("198.51.100.20", 60),
    ]
    assert [(call["state"], call["final_status"]) for call in calls] == [("completed", 200)]


def test_the_signalling_of_a_call_as_hep3(identified):
    flows, calls = identified("41")
    assert flows == []
    assert [(call["state"], call["final_status"]) for call in calls] == [("completed", 200)]


def test_media_in_turn_indications(identified):
    flows, _ = identified("43")
    assert [flow["packets"] for flow in flows] == [100, 100]


def test_signalling_over_websocket(identified):
    flows, calls = identified("44", "--sip-port", "5060", "--sip-port", "5066")
    assert [flow["packets"] for flow in flows] == [60, 60]
    assert [(call["state"], call["final_status"]) for call in calls] == [("completed", 200)]
    assert [len(calls[0][side]) for side in ("caller_flows", "callee_flows")] == [1, 1]
