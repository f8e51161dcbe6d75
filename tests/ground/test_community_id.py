"""Community ID against the specification's published vectors and against Wireshark's own implementation."""

import ipaddress
import shutil
import struct
import subprocess

import pytest

from callprint.core.ground.community_id import community_id

UDP, TCP, ICMP6 = 17, 6, 58

# Baseline tables of https://github.com/corelight/community-id-spec (default settings). The specification maps
# the types of an ICMPv6 echo to the ports 128 and 129, so that row is its IPv6 vector with a port pair.
PUBLISHED = [
    ("1.2.3.4", 1122, "5.6.7.8", 3344, UDP, "1:0Mu9InQx6z4ZiCZM/7HXi2WMhOg="),
    ("1.2.3.4", 1122, "5.6.7.8", 3344, TCP, "1:wCb3OG7yAFWelaUydu0D+125CLM="),
    (
        "fe80:0001:0203:0405:0607:0809:0A0B:0C0D",
        128,
        "fe80:1011:1213:1415:1617:1819:1A1B:1C1D",
        129,
        ICMP6,
        "1:0bf7hyMJUwt3fMED7z8LIfRpBeo=",
    ),
]


@pytest.mark.parametrize("vector", PUBLISHED)
def test_published_vectors_in_both_directions(vector):
    src_ip, src_port, dst_ip, dst_port, protocol, expected = vector
    assert community_id(src_ip, src_port, dst_ip, dst_port, protocol) == expected
    assert community_id(dst_ip, dst_port, src_ip, src_port, protocol) == expected


def test_equal_addresses_are_ordered_by_port():
    assert community_id("10.0.0.1", 7000, "10.0.0.1", 53) == community_id("10.0.0.1", 53, "10.0.0.1", 7000)
    assert community_id("10.0.0.1", 7000, "10.0.0.1", 53) != community_id("10.0.0.1", 7000, "10.0.0.1", 54)


@pytest.mark.parametrize(
    "endpoints",
    [
        ("10.0.0.1", 1, "::1", 2, UDP),
        ("10.0.0.256", 1, "10.0.0.1", 2, UDP),
        ("10.0.0.1", -1, "10.0.0.1", 2, UDP),
        ("10.0.0.1", 1, "10.0.0.1", 65536, UDP),
        ("10.0.0.1", 1, "10.0.0.1", 2, 256),
    ],
)
def test_what_is_no_flow_is_refused(endpoints):
    with pytest.raises(ValueError, match=r"IP versions|does not appear|out of range"):
        community_id(*endpoints)


def _raw_ip_udp(src_ip: str, src_port: int, dst_ip: str, dst_port: int) -> bytes:
    source, destination = ipaddress.ip_address(src_ip), ipaddress.ip_address(dst_ip)
    udp = struct.pack(">HHHH", src_port, dst_port, 12, 0) + b"data"
    if source.version == 4:
        header = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(udp), 1, 0, 64, UDP, 0)
    else:
        header = struct.pack(">IHBB", 6 << 28, len(udp), UDP, 64)
    return header + source.packed + destination.packed + udp


@pytest.mark.skipif(shutil.which("tshark") is None, reason="the oracle tshark is not installed")
def test_equals_wireshark(tmp_path):
    flows = [
        ("192.0.2.1", 16384, "198.51.100.2", 7078),
        ("198.51.100.2", 7078, "192.0.2.1", 16384),
        ("255.255.255.255", 65535, "1.0.0.1", 1),
        ("10.0.0.1", 7000, "10.0.0.1", 54),
        ("2001:db8::1", 40000, "2001:db8::2", 40002),
        ("2001:db8::ffff", 40000, "2001:db8::2", 40002),
        ("fe80::1", 9, "ff02::1", 65000),
    ]
    capture = tmp_path / "flows.pcap"
    frames = [_raw_ip_udp(*flow) for flow in flows]
    capture.write_bytes(
        struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101)
        + b"".join(struct.pack("<IIII", 1, 0, len(frame), len(frame)) + frame for frame in frames)
    )
    command = [
        "tshark",
        "-r",
        capture,
        "--enable-protocol",
        "communityid",
        "-T",
        "fields",
        "-e",
        "communityid",
    ]
    printed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.split()
    assert printed == [community_id(*flow) for flow in flows]
