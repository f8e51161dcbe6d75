"""A batch of any released layout is read; what its layout lacks is "not known". Shown by a layout of the future."""

import numpy as np
import pytest
from frame_samples import damaged, media_sample
from hypothesis import given, settings
from hypothesis import strategies as st
from released_files import GOLDEN, golden

from callprint.core.flow.layout import FLOW
from callprint.core.ground.errors import DecodeError
from callprint.core.wire import media, packets, progress, signalling
from callprint.core.wire.frame import BatchFormat, TableFormat
from callprint.core.wire.media import PART, SHIPPED_FLOW_FIELDS, SHIPPED_PACKET, decode_media, encode_media
from callprint.core.wire.progress import Progress
from callprint.core.wire.signalling import SignallingBatch, decode_record

FORMATS = [module.FORMAT for module in (media, signalling, progress, packets)]
NO_CODEC = 255


def with_a_column_more(batch: BatchFormat) -> BatchFormat:
    """The format of a later version: a `codec` at the end of the first table."""
    today = batch.first.latest
    later = np.dtype(
        [*((name, today[name].str) for name in batch.first.columns), ("codec", "u1")], align=True
    )
    return BatchFormat(
        batch.kind,
        TableFormat((*batch.first.layouts, later), {**batch.first.not_known, "codec": NO_CODEC}),
        TableFormat((*batch.second.layouts, batch.second.latest)),
    )


LATER = with_a_column_more(media.FORMAT)
PART_LATER = LATER.first.latest


def later_sample() -> bytes:
    """The sample as an agent of the later version would send it, with a codec for each part."""
    frame = LATER.decode(media_sample())
    frame.first["codec"] = [8, 96]
    return LATER.encode(frame.origin, frame.first, frame.second, frame.payload)


def test_a_later_reader_takes_a_batch_of_today():
    today, later = media.FORMAT.decode(media_sample()), LATER.decode(media_sample())
    assert later.first.dtype == PART_LATER
    assert later.first["codec"].tolist() == [NO_CODEC] * len(today.first)
    for name in PART.names:
        np.testing.assert_array_equal(later.first[name], today.first[name])
    np.testing.assert_array_equal(later.second, today.second)
    assert later.payload.tobytes() == today.payload.tobytes()


def test_a_later_reader_takes_a_later_batch():
    frame = LATER.decode(later_sample())
    assert frame.first["codec"].tolist() == [8, 96]
    assert LATER.encode(frame.origin, frame.first, frame.second, frame.payload) == later_sample()
    assert len(later_sample()) == len(media_sample()) + 2, "a byte for each part, and nothing else"


def test_a_reader_of_today_refuses_a_later_batch_and_says_what_to_do():
    with pytest.raises(DecodeError, match=r"layout 4.*upgrade the topology"):
        decode_media(later_sample())


def test_after_the_upgrade_what_0_1_0_left_in_kafka_is_read(monkeypatch):
    """The whole decoder with its checks."""
    found = [golden(f"kafka/media-{number}.bin") for number in range(1, 5)]
    before = [decode_media(data) for data in found]
    monkeypatch.setattr(media, "FORMAT", LATER)
    for data, was in zip(found, before, strict=True):
        batch = decode_media(data)
        assert (batch.parts["codec"] == NO_CODEC).all()
        np.testing.assert_array_equal(batch.parts[list(PART.names)], was.parts)
        assert decode_media(encode_media(batch)).parts.tolist() == batch.parts.tolist()


def test_after_the_upgrade_a_spool_folder_of_0_1_0_is_read(monkeypatch):
    """An agent sends what it finds in the spool as it is, so batches of older layouts come from newer agents, too."""
    found = [path.read_bytes() for path in sorted((GOLDEN / "spool").glob("*.*.*"))]
    before = [decode_record(data) for data in found]
    assert {type(record) for record in before} == {SignallingBatch, Progress}
    for module in (signalling, progress):
        monkeypatch.setattr(module, "FORMAT", with_a_column_more(module.FORMAT))
    assert [decode_record(data) for data in found] == before


def test_a_column_may_go_and_another_may_grow():
    narrow = np.dtype([("gone", "<u4"), ("kept", "u1")])
    wide = np.dtype([("kept", "<u2")])
    first = TableFormat((narrow, wide))
    older = BatchFormat(media.FORMAT.kind, TableFormat((narrow,)), TableFormat((SHIPPED_PACKET,)))
    newer = BatchFormat(media.FORMAT.kind, first, TableFormat((SHIPPED_PACKET, SHIPPED_PACKET)))
    table = np.array([(7, 200), (8, 255)], dtype=narrow)
    frame = media.FORMAT.decode(media_sample())
    data = older.encode(frame.origin, table, frame.second, frame.payload)
    assert newer.decode(data).first.tolist() == [(200,), (255,)]


def test_a_column_without_a_value_for_not_known_is_refused_when_it_is_declared():
    with pytest.raises(ValueError, match="codec"):
        TableFormat((PART, PART_LATER))


def test_both_tables_have_every_layout():
    with pytest.raises(ValueError, match="layouts"):
        BatchFormat(media.FORMAT.kind, LATER.first, media.FORMAT.second)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_damaged_batch_of_any_layout_decodes_or_raises(data):
    whole = data.draw(st.sampled_from([media_sample(), later_sample()]))
    try:
        frame = LATER.decode(damaged(data, whole))
    except DecodeError:
        return
    again = LATER.encode(frame.origin, frame.first, frame.second, frame.payload)
    assert LATER.decode(again).first.tobytes() == frame.first.tobytes()


@pytest.mark.parametrize("batch", FORMATS, ids=lambda batch: batch.kind.name)
def test_layout_0_is_that_of_version_0_1_0(batch):
    """The bytes of a row on the wire; the golden records hold the rest."""
    rows = {
        "MEDIA": (187, 10),
        "SIGNALLING": (36, 1),
        "PROGRESS": (8, 13),
        "PACKETS": (47, 1),
    }[batch.kind.name]
    for table, size in zip((batch.first, batch.second), rows, strict=True):
        assert sum(table.layouts[0][name].itemsize for name in table.layouts[0].names) == size


def test_a_part_takes_whatever_a_flow_holds():
    for name in SHIPPED_FLOW_FIELDS:
        assert np.can_cast(FLOW[name], PART[name]), name
