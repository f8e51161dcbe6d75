"""What happens to packets on their way: each condition does what its name says and nothing else."""

import numpy as np
import pytest
from evidence_logs import sender_report, steady_flow

from callprint.core.evidence import EVIDENCE_RTCP, EVIDENCE_RTP, split
from callprint.lab.identification import adversity
from callprint.lab.identification.adversity import CONDITIONS, Record

SSRC = 0x11223344


@pytest.fixture
def records():
    """Two thousand packets on time, and a sender report."""
    log = steady_flow(2000, sequence=65_500, timestamp=2**32 - 1000) + sender_report(
        1_700_000_000_000_000_000 + 10**9, 4711, 50
    )
    return sorted(
        (Record(*record) for record in split(np.frombuffer(log, np.uint8))), key=lambda r: r.time_ns
    )


def rng():
    return np.random.default_rng(5)


def fields(records, at, size):
    return np.array(
        [int.from_bytes(r.payload[at : at + size], "big") for r in records if r.kind == EVIDENCE_RTP]
    )


@pytest.mark.parametrize("change", [adversity.loss(0.05), adversity.bursts(0.05, 4.0)])
def test_so_many_are_lost(change):
    long = [Record(i, 0, b"") for i in range(100_000)]
    kept = change(long, rng())
    assert 1 - len(kept) / len(long) == pytest.approx(0.05, abs=0.005)
    assert [record.time_ns for record in kept] == sorted({record.time_ns for record in kept})


def test_bursts_are_longer_than_chance():
    long = [Record(i, 0, b"") for i in range(100_000)]

    def runs(kept):
        gaps = np.diff([record.time_ns for record in kept]) - 1
        return gaps[gaps > 0].mean()

    assert runs(adversity.loss(0.05)(long, rng())) == pytest.approx(1.05, abs=0.05)
    assert runs(adversity.bursts(0.05, 4.0)(long, rng())) == pytest.approx(4.0, abs=0.3)


def test_jitter_delays_and_reorders(records):
    late = adversity.jitter(40.0)(records, rng())
    assert len(late) == len(records)
    times = np.array([record.time_ns for record in late])
    assert (np.diff(times) >= 0).all()
    assert (np.diff(fields(late, 2, 2)) < 0).sum() > 100, "packets overtake each other"
    before = {record.payload: record.time_ns for record in records}
    delays = np.array([record.time_ns - before[record.payload] for record in late]) / 1e6
    assert delays.min() >= 0
    assert delays.mean() == pytest.approx(40, abs=4)


def test_only_the_base_of_a_field_moves(records):
    moved = adversity.other_start(records, rng())
    for at, size in ((2, 2), (4, 4)):
        steps = np.diff(fields(moved, at, size)) % (1 << (8 * size))
        assert (steps == np.diff(fields(records, at, size)) % (1 << (8 * size))).all()
        assert fields(moved, at, size)[0] != fields(records, at, size)[0]
    (new,) = set(fields(moved, 8, 4))
    assert new != SSRC
    (report,) = [r.payload for r in moved if r.kind == EVIDENCE_RTCP]
    assert report[4:8] == int(new).to_bytes(4, "big")
    assert SSRC.to_bytes(4, "big") not in report
    shift = (int(fields(moved, 4, 4)[0]) - int(fields(records, 4, 4)[0])) % 2**32
    assert int.from_bytes(report[16:20], "big") == (4711 + shift) % 2**32
    assert [r.payload[12:] for r in moved if r.kind == EVIDENCE_RTP] == [
        r.payload[12:] for r in records if r.kind == EVIDENCE_RTP
    ]


def test_hidden_fields_are_hidden(records):
    hidden = adversity.zeroed(records, rng())
    assert not fields(hidden, 2, 10).any()
    assert {r.kind for r in adversity.no_rtcp(records, rng())} == {EVIDENCE_RTP}


@pytest.mark.parametrize("condition", CONDITIONS, ids=lambda condition: condition.name)
def test_nothing_is_too_little(condition):
    assert condition.change([], rng()) == []
