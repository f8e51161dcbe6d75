"""Media numbers in situations that users of other tools have reported; cases.csv says where each value is from."""

import pytest


@pytest.mark.parametrize("case", ["20", "21"])
def test_rtcp_on_ports_of_its_own_belongs_to_its_flow(identified, case):
    flows, _ = identified(case)
    assert [flow["rtcp_packets"] for flow in flows] == [4, 4]


@pytest.mark.parametrize("case", ["22", "22b"])
def test_copies_are_no_loss_and_no_jitter(identified, case):
    ((flow,), _) = identified(case)
    assert (flow["expected"], flow["lost"], flow["clock_rate_hz"]) == (200, 5, 48000)
    assert flow["jitter_ms"] == pytest.approx(1.437, abs=0.0015)


def test_a_burst_at_the_start_does_not_decide_on_the_clock(identified):
    flows, _ = identified("23")
    assert [flow["clock_rate_hz"] for flow in flows] == [8000, 8000]
    assert max(flow["jitter_ms"] for flow in flows) <= 0.001


@pytest.mark.parametrize(
    ("case", "payload_type", "clock_rate_hz", "codec"),
    [("24", 111, 48000, "opus"), ("25", 0, 8000, "PCMU"), ("26", 0, 8000, "PCMU")],
    ids=["codec change", "noise first", "digits"],
)
def test_the_codec_is_that_of_most_packets_and_others_are_no_jitter(
    identified, case, payload_type, clock_rate_hz, codec
):
    ((flow,), calls) = identified(case)
    assert (flow["payload_type"], flow["clock_rate_hz"]) == (payload_type, clock_rate_hz)
    assert flow["jitter_ms"] == 0.0
    assert calls[-1]["caller_codec"] == codec


def test_jitter_is_that_of_arrival(identified):
    ((flow,), _) = identified("27")
    assert flow["jitter_ms"] == 22.419


def test_wrap_and_restart_are_no_loss(identified):
    ((wrapped,), _) = identified("28")
    assert [wrapped[name] for name in ("lost", "duplicates", "reordered")] == [1, 1, 1]
    ((restarted,), _) = identified("32")
    assert [restarted[name] for name in ("expected", "lost")] == [200, 0]


def test_copies_are_not_sent_by_the_caller(identified):
    """96 packets, 20 ms apart, in 2 s of talk: the first one comes 100 ms after the answer."""
    _, calls = identified("35")
    assert calls[-1]["features"]["caller_packets_per_s"] == 48.0


def test_the_bytes_of_long_packets_count_in_the_share_of_a_call(identified):
    flows, calls = identified("29")
    by_length = {flow["long_packets"] > 0: flow for flow in flows}
    assert by_length[True]["packets"] == 0
    assert by_length[True]["bytes"] == 332 * by_length[True]["long_packets"]
    assert calls[-1]["features"]["caller_media_share"] == 0.5


def test_packets_that_the_capture_has_cut_count_and_are_judged_by_their_headers(identified):
    """Two flows of 200 and 200 packets, of which three are lost, each cut to 22 bytes of RTP."""
    flows, _ = identified("31")
    assert sum(flow["packets"] for flow in flows) == 397
    assert sorted((flow["expected"], flow["lost"]) for flow in flows) == [(200, 0), (200, 3)]
    assert [(flow["based_on"], flow["k"], flow["final"]) for flow in flows] == [("headers", 100, True)] * 2
    assert [flow["bytes"] for flow in flows] == [172 * flow["packets"] for flow in flows]


def test_a_flow_of_long_packets_is_judged_by_its_headers(identified):
    flows, _ = identified("29")
    based_on = {flow["long_packets"] > 0: flow["based_on"] for flow in flows}
    assert based_on == {True: "headers", False: "packets"}
