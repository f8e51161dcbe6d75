"""Fingerprints are what docs/how/fingerprint.md says: a program written from that page alone gives the same texts."""

import json
from pathlib import Path

import pytest
from evidence_logs import pack, record
from fingerprint_oracle import Seen
from fingerprint_oracle import fingerprint as by_the_page
from hypothesis import given, settings
from hypothesis import strategies as st

from callprint.core.evidence import (
    EVIDENCE_DTLS,
    EVIDENCE_HEADER,
    EVIDENCE_RTCP,
    EVIDENCE_RTP,
    EVIDENCE_STUN,
)
from callprint.core.fingerprint.fingerprint import fingerprints
from callprint.training.dataset import whole_flows

ROOT = Path(__file__).resolve().parents[2]
CALLS = ROOT.parent / "shared" / "data" / "calls"
VECTORS = json.loads(Path(__file__).with_name("vectors.json").read_text())["vectors"]
KINDS = {"rtp": EVIDENCE_RTP, "rtcp": EVIDENCE_RTCP, "stun": EVIDENCE_STUN, "dtls": EVIDENCE_DTLS}
NAMES = {number: name for name, number in KINDS.items()}
FIRST_CHANGED = {"rtp": 2, "rtcp": 2, "stun": 4, "dtls": 13}  # what tells the kinds apart stays


def ours(*logs: bytes) -> list[str]:
    return [text.decode() for text in fingerprints(*pack(list(logs)))]


def log_of(packets: list[Seen]) -> bytes:
    return b"".join(record(each.time_ns, each.data, KINDS[each.kind]) for each in packets)


def packets_of(log: bytes) -> list[Seen]:
    found, at = [], 0
    while at < len(log):
        size = int.from_bytes(log[at + 8 : at + 10], "little")
        data = log[at + EVIDENCE_HEADER : at + EVIDENCE_HEADER + size]
        found.append(Seen(int.from_bytes(log[at : at + 8], "little"), NAMES[log[at + 10]], data))
        at += EVIDENCE_HEADER + size
    return found


def vector(number: int) -> list[Seen]:
    return [
        Seen(each["time_ns"], each["kind"], bytes.fromhex(each["bytes"]))
        for each in VECTORS[number]["packets"]
    ]


@pytest.mark.parametrize("number", range(len(VECTORS)))
def test_the_page_is_enough_for_the_published_vectors(number):
    assert by_the_page(vector(number)) == VECTORS[number]["fingerprint"]


def check(capture: Path) -> int:
    """Compare every flow of a capture; returns how many there are."""
    logs = [log for _quad, _packets, log in whole_flows(capture)[0]]
    assert ours(*logs) == [by_the_page(packets_of(log)) for log in logs] if logs else True
    return len(logs)


def test_the_page_is_enough_for_the_sample_capture():
    assert check(ROOT / "samples" / "applications.pcapng") > 10


@pytest.mark.skipif(not CALLS.is_dir(), reason="needs ../shared/data/calls")
def test_the_page_is_enough_for_calls_of_every_application():
    captures = sorted((CALLS / "dataset2").glob("*.pcap*"))[::6]
    assert sum(map(check, captures)) > 20


@settings(deadline=None)
@given(st.data())
def test_the_page_is_enough_for_what_is_damaged(data):
    packets = vector(data.draw(st.integers(0, len(VECTORS) - 1)))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(packets) - 1))
        seen = packets[at]
        first = FIRST_CHANGED[seen.kind]
        damaged = bytearray(seen.data)
        place = data.draw(st.integers(first, max(first, len(damaged) - 1)))
        if seen.kind != "rtp" and data.draw(st.booleans()):
            damaged = damaged[: max(place, 20)]
        elif place < len(damaged):
            damaged[place] = data.draw(st.sampled_from([0, 1, 16, 45, 58, 64, 255]) | st.integers(0, 255))
        packets[at] = seen._replace(data=bytes(damaged))
    assert ours(log_of(packets)) == [by_the_page(packets)]
