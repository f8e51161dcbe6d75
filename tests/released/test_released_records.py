"""Records of Kafka and spool folders, as version 0.1.0 wrote them, are read."""

import hashlib
import shutil

import numpy as np
import pytest
from released_files import GOLDEN, assert_holds, golden, golden_json, plain

from callprint.core.relay.flow_assembly import PartitionAssembly
from callprint.core.relay.flow_judging import PartJudge
from callprint.core.signalling.reader import address_text
from callprint.core.wire.media import decode_media
from callprint.core.wire.packets import decode_packets
from callprint.core.wire.progress import decode_progress, encode_progress
from callprint.core.wire.signalling import decode_record
from callprint.core.wire.votes import decode_feedback
from capture_agent.spool import Spool

LATER_NS = 4_000_000_000_000_000_000
"""A time after every vote, in 2096."""


def with_addresses(row):
    """A row of a table with its addresses as text besides."""
    ends = {f"{end}_ip": address_text(int(row[f"{end}_hi"]), int(row[f"{end}_lo"])) for end in ("src", "dst")}
    return {**plain(row), **ends}


def test_media_batches_and_what_they_lead_to():
    assembly, judge = PartitionAssembly(), PartJudge(None, keep_unknown=True)
    kinds = set()
    for number, expected in enumerate(golden_json("expected/media.json"), 1):
        batch = decode_media(golden(f"kafka/media-{number}.bin"))
        kinds |= {part["kind"] for part in expected["parts"]}
        found = {
            "origin": batch.origin,
            "parts": [with_addresses(part) for part in batch.parts],
            "packets": len(batch.packets),
            "first_packet": batch.packets[0] if len(batch.packets) else None,
            "packets_by_kind": np.bincount(batch.packets["kind"], minlength=4),
            "payload_sha256": hashlib.sha256(batch.payload.tobytes()).hexdigest(),
        }
        judged = judge.judge(assembly.absorb(batch))
        found |= {"verdicts": judged.verdicts, "summaries": judged.summaries}
        found["unknown"] = [
            {
                "flow": verdict.flow,
                "evidence_bytes": len(log),
                "evidence_sha256": hashlib.sha256(log).hexdigest(),
            }
            for verdict, log in judged.unknown
        ]
        assert_holds(expected, found)
    assert kinds == {0, 1, 2, 3}


def test_a_batch_of_signalling():
    assert_holds(golden_json("expected/signalling.json"), decode_record(golden("kafka/signalling.bin")))


def test_progress():
    for number, expected in enumerate(golden_json("expected/marks.json"), 1):
        data = golden(f"kafka/mark-{number}.bin")
        assert_holds(expected, decode_record(data))
        assert_holds(expected, decode_progress(data))


def test_a_batch_of_whole_packets():
    batch = decode_packets(golden("kafka/packets.bin"))
    found = {
        "origin": batch.origin,
        "packets": [with_addresses(packet) for packet in batch.packets],
        "payload": batch.payload.tobytes(),
    }
    assert_holds(golden_json("expected/packets.json"), found)


@pytest.mark.parametrize("name", ["mark-1", "mark-2"])
def test_what_is_written_today_is_what_0_1_0_wrote(name):
    """Of progress. A new column ends that, as it has for media, signalling and packets."""
    data = golden(f"kafka/{name}.bin")
    assert encode_progress(decode_progress(data)) == data


@pytest.mark.parametrize("kind", ["vote", "allow", "disallow"])
def test_feedback(kind):
    saying = decode_feedback(golden(f"kafka/feedback-{kind}.json"), LATER_NS)
    assert_holds(golden_json("expected/feedback.json")[kind], saying)


def test_a_spool_folder(tmp_path):
    folder = tmp_path / "spool"
    shutil.copytree(GOLDEN / "spool", folder)
    expected = golden_json("expected/spool.json")
    spool = Spool(folder, 1 << 20)
    try:
        assert spool.lost == 0
        assert_holds(expected["records"], list(iter(spool.read, None)))
        assert spool.partitions() == expected["partitions"]
        for _ in expected["records"]:
            spool.confirm()
    finally:
        spool.close()
    assert [path.name for path in folder.iterdir()] == ["partitions.json"]
