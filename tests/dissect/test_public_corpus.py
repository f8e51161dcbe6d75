"""Captures by others: each is read to its end, and tshark and dpkt read the same."""

import gzip
import io
import shutil
from collections import defaultdict

import dpkt
import numpy as np
import pytest
from capture_files import decode
from tshark_oracle import compare, manifest

from callprint.core import dissect
from callprint.core.packets import PacketKind
from callprint.sources import open_captures

# The corpus counts another number here: its reader takes sections of version 2.0, which Wireshark refuses as well.
VERSION_2 = {"test901.pcapng": 1}
BROKEN = {"test901.pcapng", "bad_rsn_parsing_overrides_ssid.pcap"}


def test_every_file_is_read_and_every_packet_has_one_kind(public_corpus):
    total = 0
    for row in manifest(public_corpus):
        source = open_captures([public_corpus / row["file"]])
        kinds = np.zeros(max(PacketKind) + 1, np.int64)
        for batch in source:
            packets = dissect.dissect(batch.data, batch.records)
            kinds += np.bincount(packets["kind"], minlength=len(kinds))
        name = row["file"].rsplit("/", 1)[1]
        assert kinds.sum() == source.packets == VERSION_2.get(name, int(row["packets"])), name
        assert bool(source.warnings) == (name in BROKEN), source.warnings
        total += source.packets
    assert total > 170_000


def test_the_folder_is_read_as_one_source(public_corpus):
    source = open_captures([public_corpus])
    packets = sum(len(batch.records) for batch in source)
    assert packets == source.packets == sum(file.packets for file in source.files)
    assert source.not_captures == 3  # the CSV files
    assert source.bytes_done == source.bytes_total


def few_of_each_kind(public_corpus):
    """Return the two smallest files of every link type and encapsulation: enough to see each header."""
    groups = defaultdict(list)
    for row in manifest(public_corpus):
        for tag in [row["link_type"], row["format"], *row["capture_tags"].split()]:
            groups[tag].append((int(row["bytes"]), row["file"]))
    return sorted({file for group in groups.values() for _, file in sorted(group)[:2]})


@pytest.mark.skipif(
    not shutil.which("tshark") or not shutil.which("mergecap"), reason="tshark is not installed"
)
def test_tshark_reads_the_same(public_corpus):
    """A sample of the corpus; `python tests/tshark_oracle.py` compares all of it."""
    files = [public_corpus / file for file in few_of_each_kind(public_corpus)]
    compared, differences = compare(files)
    assert compared > 500
    assert [one for one in differences if one.reason is None] == []


def dpkt_media(path):
    """Return number -> (source port, destination port, payload) of each whole UDP datagram that dpkt finds."""
    found = {}
    with path.open("rb") as file:
        for number, (_time, frame) in enumerate(dpkt.pcap.UniversalReader(file)):
            datagram = dpkt.ethernet.Ethernet(frame).data
            if isinstance(datagram, dpkt.ip.IP | dpkt.ip6.IP6) and isinstance(datagram.data, dpkt.udp.UDP):
                found[number] = (datagram.data.sport, datagram.data.dport, bytes(datagram.data.data))
    return found


@pytest.mark.parametrize("application", ["SIPp", "Zoom", "WhatsApp", "Discord", "Signal", "Microsoft Teams"])
def test_dpkt_reads_the_same_calls(public_corpus, application):
    rows = [
        row for row in manifest(public_corpus) if row["app"] == application and row["link_type"] == "EN10MB"
    ]
    compared = 0
    for row in rows:
        path = public_corpus / row["file"]
        if path.suffix == ".gz" or "frag" in row["capture_tags"] or "trunc" in row["capture_tags"]:
            continue
        expected = dpkt_media(path)
        first = 0
        for batch in open_captures([path]):
            packets = dissect.dissect(batch.data, batch.records)
            for number, packet in enumerate(packets, first):
                if packet["transport"] == 17 and packet["depth"] == 0:
                    payload = batch.data[packet["offset"] :][: packet["length"]].tobytes()
                    assert expected[number] == (packet["src_port"], packet["dst_port"], payload)
                    compared += 1
            first += len(packets)
    assert compared > 0


def test_dpkt_reads_the_same_frames(public_corpus):
    """docs/use/capture.md says why dpkt reads 40 of the files differently."""
    compared = other = 0
    for row in manifest(public_corpus):
        path = public_corpus / row["file"]
        raw = path.read_bytes()
        raw = gzip.decompress(raw) if raw.startswith(b"\x1f\x8b") else raw
        try:
            theirs = [(time, bytes(frame)) for time, frame in dpkt.pcap.UniversalReader(io.BytesIO(raw))]
        except (ValueError, dpkt.NeedData):
            theirs = None
        ours, _ = decode(raw)
        times_agree = theirs and all(
            abs(a[0] - float(b[0]) * 1e9) < 1000 for a, b in zip(ours, theirs, strict=False)
        )
        if theirs is None or len(theirs) != len(ours) or (theirs and not times_agree):
            assert row["format"].startswith("pcapng") or path.name in BROKEN
            other += 1
        else:
            assert [frame for _, frame, *_ in ours] == [frame for _, frame in theirs], path
            compared += 1
    assert (compared, other) == (1896, 40)
