"""Encapsulations that users of other tools have met; cases.csv says where each value is from."""

import pytest


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


NDPI = "ntop+nDPI/tests/cfgs/default/pcap"


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        # 54 and 85 packets by flow_truth.csv, which found RTP at byte 27 of the payload
        (f"{NDPI}/zoom2.pcap", {(8801, 58117): 85, (58117, 8801): 54}),
        (f"{NDPI}/zoom_p2p.pcapng", {(39065, 46757): 107, (46757, 39065): 96 + 44}),
        (f"{NDPI}/stun_dtls_rtp_unidir.pcapng", {(65226, 57730): 4, (5853, 2808): 4}),
        ("arkime+arkime/tests/pcap/bacnet-stack-services.pcap", {}),
    ],
)
def test_public_captures(public_corpus, rows_of, file, expected):
    found: dict[tuple[int, int], int] = {}
    for flow in rows_of(public_corpus / file)[0]:
        ports = flow["src_port"], flow["dst_port"]
        found[ports] = found.get(ports, 0) + flow["packets"] + flow["long_packets"]
        assert flow["lost"] == 0
    assert found == expected


def test_an_encrypted_extension_hides_no_packets(public_corpus, rows_of):
    flows, _ = rows_of(public_corpus / NDPI / "discord.pcap")
    (flow,) = [flow for flow in flows if flow["src_port"] == 57955]
    assert (flow["packets"], flow["long_packets"]) == (3, 2)  # as flow_truth.csv has it
