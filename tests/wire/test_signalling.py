"""Signalling and progress: any bytes decode or raise DecodeError, what decodes encodes again to the same bytes."""

import pytest
from frame_samples import damaged, resealed
from hypothesis import given, settings
from hypothesis import strategies as st
from sip_scenario import Talk

from callprint.core.ground.errors import DecodeError
from callprint.core.relay.signalling_shipping import SignallingShipper
from callprint.core.signalling.reader import RawMessage
from callprint.core.signalling.sip import parse_message
from callprint.core.wire.frame import HEADER, MOST_SEQUENCE, Origin
from callprint.core.wire.progress import Progress, decode_progress, encode_progress
from callprint.core.wire.signalling import (
    SignallingBatch,
    decode_record,
    decode_signalling,
    encode_signalling,
    partition_of,
)
from callprint.core.wire.source import is_named, site_of, source_number

ORIGIN = Origin(2**64 - 1, 9, -1)
MESSAGES = (
    RawMessage(-5, "192.0.2.1", b"INVITE"),
    RawMessage(6, "2001:db8::1", b"", "eth0"),
    RawMessage(7, "255.255.255.255", bytes(range(256))),
)
BATCH = SignallingBatch(ORIGIN, MESSAGES, (3, 4, 2**64 - 1))
PROGRESS = Progress(ORIGIN, 4, (1, 2, 2**63), (0, 7), ended=True)

u64 = st.integers(0, 2**64 - 1)
packet_time = st.integers(-(2**62), 2**62 - 1)
origins = st.builds(Origin, u64, st.integers(0, MOST_SEQUENCE), packet_time)
addresses = st.ip_addresses().filter(lambda ip: ip.version == 4 or ip.ipv4_mapped is None).map(str)
captures = st.none() | st.text(min_size=1, max_size=16).filter(str.isprintable)
messages = st.lists(
    st.tuples(st.tuples(packet_time, addresses, st.binary(max_size=50), captures), u64),
    max_size=6,
    unique_by=lambda message: message[1],
).map(lambda found: sorted(found, key=lambda message: message[1]))


@given(origins, messages)
def test_any_batch_comes_back_as_it_was(origin, found):
    batch = SignallingBatch(origin, tuple(RawMessage(*m) for m, _ in found), tuple(n for _, n in found))
    assert decode_record(encode_signalling(batch)) == batch


@pytest.mark.parametrize("numbers", [(3, 3, 4), (4, 3, 5)])
def test_numbers_that_do_not_rise_are_refused(numbers):
    with pytest.raises(DecodeError, match="do not rise"):
        decode_record(encode_signalling(SignallingBatch(ORIGIN, MESSAGES, numbers)))


ends = st.sampled_from([(False, False), (True, False), (False, True)])


@given(origins, u64, st.lists(u64, max_size=5), st.lists(u64, max_size=5), ends)
def test_any_progress_comes_back_as_it_was(origin, number, media, signalling, ends):
    progress = Progress(origin, number, tuple(media), tuple(signalling), *ends)
    assert decode_record(encode_progress(progress)) == progress


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_decode_or_raise(data):
    for decode in (decode_record, decode_signalling, decode_progress):
        with pytest.raises(DecodeError):
            decode(data)


@pytest.mark.parametrize(
    "whole", [encode_signalling(BATCH), encode_progress(PROGRESS)], ids=["messages", "progress"]
)
@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_damaged_record_decodes_or_raises(whole, data):
    sealed = damaged(data, whole)
    try:
        record = decode_record(sealed)
    except DecodeError:
        return
    again = encode_progress(record) if isinstance(record, Progress) else encode_signalling(record)
    assert again == sealed


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (encode_progress(Progress(ORIGIN, 0, (), (), ended=False)).replace(b"CPRT", b"CPRX"), "CPRT"),
        (encode_signalling(BATCH)[:-1], "says it has"),
        (b"", "shorter"),
    ],
)
def test_a_defect_is_named(data, says):
    with pytest.raises(DecodeError, match=says):
        decode_record(data)


def test_progress_that_counts_more_media_than_it_lists_is_refused():
    data = bytearray(encode_progress(Progress(ORIGIN, 0, (5,), (), ended=False)))
    data[HEADER.size + 8 + 8] = 2  # media_partitions, after one count and the number of the record
    with pytest.raises(DecodeError, match="2 partitions of media and 1 in all"):
        decode_record(resealed(bytes(data)))


def whole_calls(count: int) -> list[RawMessage]:
    talks = [Talk(f"c{number}@x", from_tag=f"t{number}") for number in range(count)]
    return [
        RawMessage(10 * at + number, "10.0.0.1", make(talk))
        for at, make in enumerate((lambda t: t.request("INVITE"), lambda t: t.request("BYE", cseq=2)))
        for number, talk in enumerate(talks)
    ]


@pytest.mark.parametrize("cut", [1, 7, 100])
def test_messages_are_shipped_once_by_call_and_numbered_as_captured(cut):
    sent = [*whole_calls(40), RawMessage(99, "10.0.0.9", b"no SIP at all")]
    shipper, batches = SignallingShipper(5, 3), []
    for at in range(0, len(sent), cut):
        batches += shipper.take(sent[at : at + cut]) + shipper.flush()
    assert shipper.flush() == []
    found = sorted((n, m) for _, b in batches for n, m in zip(b.numbers, b.messages, strict=True))
    assert found == list(enumerate(sent))
    homes = {}
    for partition, batch in batches:
        for message in batch.messages:
            if message.payload.startswith((b"INVITE", b"BYE")):
                call = parse_message(message.payload).call_id
                assert homes.setdefault(call, partition) == partition == partition_of(message, 3)
    assert len(set(homes.values())) == 3
    for number in range(3):
        own = [batch.origin.sequence for partition, batch in batches if partition == number]
        assert own == list(range(len(own)))


def test_progress_counts_what_was_sent_before_it():
    shipper = SignallingShipper(7, 3)
    batches = shipper.take(whole_calls(20)) + shipper.flush()
    partition, first = shipper.progress([4, 0], 100, ended=False)
    _, second = shipper.progress([4, 0], 200, ended=True)
    sent = tuple(sum(of == number for of, _ in batches) for number in range(3))
    assert (first.media_sent, first.signalling_sent, first.number) == ((4, 0), sent, 0)
    assert first.origin == Origin(7, sent[partition], 100), "progress is one of the batches of its partition"
    assert second.signalling_sent[partition] == sent[partition] + 1
    assert (second.number, second.ended) == (1, True)


def test_runs_of_one_site_share_its_number_and_others_do_not():
    one, other = source_number("berlin", bytes(8)), source_number("berlin", b"12345678")
    assert one != other
    assert site_of(one) == site_of(other)
    assert is_named(site_of(one))
    alone = source_number(None, b"12345678")
    assert site_of(alone) not in (site_of(one), site_of(source_number(None, b"1234567X")))
    assert not is_named(site_of(alone))
