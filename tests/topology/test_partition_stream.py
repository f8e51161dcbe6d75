"""One partition in a spout, with a clock that the test sets: what is emitted again, and what may be committed."""

import numpy as np
import pytest

from callprint.core.flow.layout import DECIDED
from callprint.core.ground.errors import DecodeError
from callprint.core.relay import low_water
from callprint.core.relay.continuity import Continuity, Turn
from callprint.core.relay.low_water import LowWater
from callprint.core.wire.frame import Origin
from callprint.core.wire.media import (
    PART,
    SHIPPED_PACKET,
    MediaBatch,
    PartKind,
    decode_media,
    encode_media,
)
from callprint.topology.milestones import Milestones
from callprint.topology.partition_stream import FIRST_BACK_OFF_S, LONGEST_BACK_OFF_S, PartitionStream, Ticket

CHECKPOINT, HORIZON, END = PartKind.CHECKPOINT, PartKind.HORIZON, PartKind.END


def record(number: int, *parts: tuple[int, PartKind, int], source: int = 1) -> bytes:
    """A batch of parts (flow, kind, first_record), each with one packet of no bytes."""
    table = np.zeros(len(parts), dtype=PART)
    for row, (flow, kind, first_record) in zip(table, parts, strict=True):
        row["src_lo"], row["kind"], row["first_record"], row["records"] = flow, kind, first_record, 1
    packets = np.zeros(len(parts), dtype=SHIPPED_PACKET)
    return encode_media(MediaBatch(Origin(source, number, 0), table, packets, np.zeros(0, dtype=np.uint8)))


def take(stream: PartitionStream, offset: int, data: bytes, now_s: float = 0.0) -> Ticket:
    taken = stream.take(offset, data, now_s)
    assert taken is not None
    return taken[0]


def test_the_mark_stays_at_the_first_part_of_a_pending_flow():
    stream = PartitionStream(0, 10, {}, epoch=1)
    for offset, parts in enumerate([[(1, CHECKPOINT, 0)], [(2, END, 0)], [(1, HORIZON, 1)]], start=10):
        stream.acked(take(stream, offset, record(offset, *parts)))
        assert stream.low_water.mark == (13 if offset == 12 else 10)
    assert stream.in_flight == 0


def test_the_end_of_a_decided_flow_does_not_hold_the_mark_back():
    stream = PartitionStream(0, 0, {}, epoch=1)
    parts = np.zeros(1, dtype=PART)
    parts["kind"], parts["evidence_state"] = END, DECIDED
    nothing = np.zeros(0, dtype=SHIPPED_PACKET)
    batch = encode_media(MediaBatch(Origin(1, 0, 0), parts, nothing, np.zeros(0, dtype=np.uint8)))
    stream.acked(take(stream, 0, batch))
    assert stream.low_water.mark == 1


def test_a_failure_begins_a_new_epoch_at_the_mark():
    stream = PartitionStream(3, 0, {}, epoch=7)
    first = take(stream, 0, record(0, (1, CHECKPOINT, 0)))
    second = take(stream, 1, record(1, (1, HORIZON, 1)))
    stream.acked(second)
    assert stream.failed(first, now_s=100.0, epoch=8) == 0
    assert stream.paused(100.0 + FIRST_BACK_OFF_S / 2)
    assert not stream.paused(100.0 + FIRST_BACK_OFF_S)
    stream.acked(first)  # of the old epoch: it has no effect
    assert stream.failed(second, now_s=101.0, epoch=9) is None
    taken = stream.take(0, record(0, (1, CHECKPOINT, 0)), 102.0)
    assert taken == (Ticket(3, 8, 0, -1), 0), "the same record, in the new epoch, from sequence 0 on"


def test_an_epoch_rises_even_when_the_clock_went_back():
    stream = PartitionStream(0, 0, {}, epoch=50)
    stream.rewind(0.0, epoch=20)
    assert stream.epoch == 51


def test_the_back_off_grows_without_progress_and_starts_over_with_it():
    stream = PartitionStream(0, 0, {}, epoch=1)
    waits = []
    for _ in range(9):
        stream.rewind(0.0, epoch=0)
        waits.append(stream._paused_until_s)
    assert waits[:3] == [FIRST_BACK_OFF_S, 2 * FIRST_BACK_OFF_S, 4 * FIRST_BACK_OFF_S]
    assert waits[-1] == LONGEST_BACK_OFF_S
    stream.acked(take(stream, 0, record(0, (1, END, 0))))
    stream.rewind(0.0, epoch=0)
    assert stream._paused_until_s == FIRST_BACK_OFF_S


def test_what_an_agent_sends_twice_is_emitted_once():
    stream = PartitionStream(0, 0, {}, epoch=1)
    stream.acked(take(stream, 0, record(0, (1, END, 0))))
    assert stream.take(1, record(0, (1, END, 0)), 0.0) is None
    assert (stream.repeats, stream.low_water.mark) == (1, 2)


def test_a_broken_record_waits_for_its_caller_to_set_it_aside():
    stream = PartitionStream(0, 0, {}, epoch=1)
    with pytest.raises(DecodeError):
        stream.take(0, b"rubbish", 0.0)
    assert stream.low_water.mark == 0, "not skipped before it is safe elsewhere"
    stream.rejected(0)
    assert stream.low_water.mark == 1


def test_a_silent_source_is_expired_once_everything_was_read():
    stream = PartitionStream(0, 0, {}, epoch=1)
    stream.acked(take(stream, 0, record(0, (1, CHECKPOINT, 0), source=5), now_s=0.0))
    stream.caught_up(400.0, at_end=False)
    assert stream.silent(400.0, timeout_s=300.0) is None, "its next record may lie ahead"
    found = stream.silent(701.0, timeout_s=300.0)
    assert found is not None
    ticket, sequence, data = found
    assert (ticket.source, sequence, decode_media(data).origin.source) == (5, 1, 5)
    assert stream.silent(702.0, timeout_s=300.0) is None, "only once"
    assert stream.in_flight == 1
    stream.acked(ticket)
    assert (stream.low_water.mark, stream.in_flight) == (1, 0)


def test_a_ticket_goes_through_storm_as_text():
    ticket = Ticket(3, 1795337211000000000, 42, -1)
    assert Ticket.parse(ticket.text()) == ticket


def test_a_bolt_takes_an_epoch_from_its_beginning_only():
    continuity = Continuity()
    assert continuity.turn(1, 1) is Turn.FAIL, "the bolt started in the middle of it"
    assert continuity.turn(2, 0) is Turn.BEGIN
    assert continuity.turn(2, 1) is Turn.TAKE
    assert continuity.turn(2, 1) is Turn.STALE, "a repeat"
    assert continuity.turn(2, 3) is Turn.FAIL, "one was lost"
    assert continuity.turn(1, 2) is Turn.FAIL, "of an epoch that is over: it was not done"
    assert continuity.turn(3, 0) is Turn.BEGIN


def test_tuples_of_a_spout_whose_clock_is_behind_fail_and_are_never_acknowledged_unseen():
    continuity = Continuity()
    assert continuity.turn(1000, 0) is Turn.BEGIN
    stream = PartitionStream(0, 5, {}, epoch=900)
    taken = stream.take(5, record(0, (1, END, 0)), 0.0)
    assert taken is not None
    ticket, sequence = taken
    assert continuity.turn(ticket.epoch, sequence) is Turn.FAIL
    assert stream.failed(ticket, 0.0, epoch=901) == 5, "it is read again"
    assert stream.low_water.mark == 5


def test_when_there_are_too_many_pending_flows_the_oldest_goes_once_the_newest_is_safe():
    water = LowWater(0, maximum_flows=2)
    for offset in range(4):
        water.emitted(offset, decode_media(record(offset, (offset, CHECKPOINT, 0))))
    assert (water.evicted, water.mark) == (2, 0)
    for offset in range(3):
        water.done(offset)
    assert water.mark == 1, "the first flow went with the third, the second waits for the fourth"
    water.done(3)
    assert (water.mark, water.pending_of(1), water.held) == (2, 2, 0)
    water.expired(1)
    assert (water.mark, water.pending_of(1)) == (4, 0)


def test_when_there_are_too_many_sources_the_numbers_of_the_latest_are_known(monkeypatch):
    monkeypatch.setattr(low_water, "MAXIMUM_SEEN", 2)
    water = LowWater(0)
    batches = [decode_media(record(7, source=source)) for source in (1, 2, 3)]
    for offset, batch in enumerate(batches):
        water.emitted(offset, batch)
    assert [water.is_repeat(batch) for batch in batches] == [False, True, True]


def test_a_counter_is_logged_first_and_then_each_time_it_has_doubled():
    milestones = Milestones()
    assert [count for count in range(40) if milestones.reached(count)] == [1, 2, 4, 8, 16, 32]
