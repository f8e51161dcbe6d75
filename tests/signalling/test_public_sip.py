"""SIP in captures by others: Wireshark reads the same messages, and refusals name the right defect."""

import csv
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest
from call_player import CallPlayer

from callprint.core.dissect import dissect
from callprint.core.signalling.defects import SipDefect, SipError
from callprint.core.signalling.reader import SignallingReader
from callprint.core.signalling.sip import parse_message
from callprint.core.spam.histories import CallHistory
from callprint.sources import open_captures

READ_ALIKE = [
    "ntop+nDPI/tests/cfgs/default/pcap/FAX-Call-t38-CA-TDM-SIP-FB-1.pcap",
    "ntop+nDPI/tests/cfgs/default/pcap/sip.pcap",
    "ntop+nDPI/tests/cfgs/default/pcap/webex.pcap",
    "OISF+suricata-verify/tests/sip-body-large/sip-body-large.pcap",
    "OISF+suricata-verify/tests/sip-tcp-method/sip-tcp.pcap",
    "irontec+sngrep/tests/ipv6frag.pcap",
    "sipcapture+heplify/src/decoder/testdata/ipip0.pcap",
    "arkime+arkime/tests/pcap/arkime_synthetic.pcap",
]
"""UDP and TCP, IPv4 and IPv6, fragments, tunnels, several phones; nothing damaged."""

DEFECTS = {
    "ntop+nDPI/tests/cfgs/default/pcap/fuzz-2006-06-26-2594.pcap": {
        SipDefect.NO_HEADER_END: 19,
        SipDefect.MISSING_HEADER: 10,
        SipDefect.ADDRESS: 4,
        SipDefect.START_LINE: 2,
        SipDefect.CSEQ: 3,
        SipDefect.STATUS: 1,
    },
    "zeek+zeek/testing/btest/Traces/sip/sip-junk-before-request.pcap": {SipDefect.MISSING_HEADER: 1},
}
"""Every capture with a message that is refused, and why; each was checked by hand."""

MESSAGES, REFUSED = 424, 40
"""SIP messages in all captures that hold SIP according to the manifest, and how many of them do not parse."""


def batches(path: Path):
    for data, records in open_captures([path]):
        yield data, dissect(data, records), records


def messages_of(path: Path) -> tuple[list[tuple[str, ...]], Counter]:
    reader, read, defects = SignallingReader(), [], Counter()
    for data, packets, records in batches(path):
        for raw in reader.read(data, packets, records):
            try:
                message = parse_message(raw.payload)
            except SipError as error:
                assert 0 <= error.offset <= len(raw.payload)  # noqa: PT017 - both outcomes are allowed
                defects[error.defect] += 1
                continue
            first = message.method if message.is_request else str(message.status)
            to_user = message.to.uri.user
            read.append(
                (first, message.call_id, message.from_.tag, message.to.tag, str(message.cseq), to_user)
            )
    return read, defects


def wireshark_reads(path: Path) -> list[tuple[str, ...]]:
    fields = ["Method", "Status-Code", "Call-ID", "from.tag", "to.tag", "CSeq.seq", "to.user"]
    names = [word for field in fields for word in ("-e", f"sip.{field}")]
    printed = subprocess.run(
        [
            "tshark",
            "-r",
            path,
            "-Y",
            "sip",
            "-T",
            "fields",
            "-E",
            "separator=|",
            "-E",
            "occurrence=f",
            *names,
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    rows = [line.split("|") for line in printed.splitlines()]
    return [(method or status, *rest) for method, status, *rest in rows]


@pytest.mark.skipif(shutil.which("tshark") is None, reason="needs tshark")
@pytest.mark.parametrize("name", READ_ALIKE)
def test_wireshark_reads_the_same(public_corpus, name):
    ours, defects = messages_of(public_corpus / name)
    assert not defects
    assert Counter(ours) == Counter(wireshark_reads(public_corpus / name))


@pytest.fixture(scope="module")
def with_sip(public_corpus) -> list[Path]:
    with (public_corpus / "manifest.csv").open() as stream:
        rows = [row for row in csv.DictReader(stream) if int(row["sip_udp"] or 0) + int(row["sip_tcp"] or 0)]
    return [public_corpus / row["file"] for row in rows]


def test_what_is_refused_is_refused_for_its_defect(public_corpus, with_sip):
    refused, parsed = {}, 0
    for path in with_sip:
        read, defects = messages_of(path)
        parsed += len(read)
        if defects:
            refused[str(path.relative_to(public_corpus))] = dict(defects)
    assert refused == DEFECTS
    assert parsed == MESSAGES - REFUSED
    assert sum(sum(defects.values()) for defects in refused.values()) == REFUSED


def test_call_assembly_takes_everything_and_its_counters_add_up(with_sip):
    """One engine reads all captures in turn: their clocks jump by years, forwards and backwards."""
    engine, rows = CallPlayer(history=CallHistory(256)), []
    for path in with_sip:
        for data, packets, records in batches(path):
            rows += engine.process(data, packets, records)
    rows += engine.finish()
    assert engine.assembler.messages == MESSAGES
    assert sum(engine.assembler.defects.values()) == REFUSED
    setups = sum(row.ended_ns is None for row in rows)
    assert len(rows) == 2 * setups
    assert engine.assembler.calls_in_progress == 0
