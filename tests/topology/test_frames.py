"""Storm's protocol in frames and in JSON: what goes through comes out, and nothing else raises anything else."""

import io
import json
import struct
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callprint.core.ground.errors import DecodeError
from callprint.topology.frames import LONGEST_FRAME, VERSION, Frame, encode_message

pytest.importorskip("streamparse", reason="the extra `cluster` is not installed")

from pystorm.exceptions import StormWentAwayError

from callprint.topology.storm_pipe import StormPipe
from callprint.topology.tuples import received_bytes

NAMES = st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
LONGS = st.integers(-(1 << 63), (1 << 63) - 1)
VALUES = st.lists(
    st.none() | LONGS | st.floats(allow_nan=False) | TEXTS | st.binary(max_size=300), max_size=9
)


def name(text):
    return b"\xff\xff" if text is None else struct.pack(">H", len(text.encode())) + text.encode()


def tuple_frame(identity, component, stream, task, values):
    """A tuple as FrameSerializer.java writes it; its values are those of an emit, byte for byte."""
    emit = b"".join(encode_message({"command": "emit", "tuple": values, "need_task_ids": False}))
    after = emit[4 + 1 + 1 + 2 + 2 + 4 + 2 :]
    return b"T" + name(identity) + name(component) + name(stream) + struct.pack(">i", task) + after


def sent(frame):
    return struct.pack(">I", len(frame)) + frame


def pipe(data):
    source, target = io.BufferedReader(io.BytesIO(data)), io.BytesIO()
    return StormPipe(source, target, threading.RLock(), threading.RLock()), target


HELLO = sent(b"H" + bytes([VERSION]))
HANDSHAKE = sent(b'J{"pidDir":"/p","conf":{},"context":{}}\nend\n')


@settings(deadline=None)
@given(NAMES, NAMES, NAMES, st.integers(-(1 << 31), (1 << 31) - 1), VALUES)
def test_a_tuple_arrives_as_it_was_sent(identity, component, stream, task, values):
    found = Frame(tuple_frame(identity, component, stream, task, values)).message()
    assert found == {"id": identity, "comp": component, "stream": stream, "task": task, "tuple": values}
    assert [type(value) for value in found["tuple"]] == [type(value) for value in values]


@settings(deadline=None)
@given(st.sampled_from([b"", *(bytes([kind]) for kind in b"HTNAFJ")]), st.binary(max_size=400))
def test_a_hostile_frame_is_a_message_or_a_decode_error(kind, data):
    try:
        found = Frame(kind + data).message()
    except DecodeError:
        return
    assert found is None or isinstance(found, dict | list)


@settings(deadline=None)
@given(VALUES, st.data())
def test_every_cut_and_every_longer_tuple_is_a_decode_error(values, data):
    frame = tuple_frame("1", "spout", "default", 3, values)
    at = data.draw(st.integers(0, len(frame) - 1))
    for wrong in (frame[:at], frame + b"0"):
        with pytest.raises(DecodeError):
            Frame(wrong).message()


def test_a_component_answers_in_frames_when_storm_begins_with_them():
    storm, target = pipe(HELLO + HANDSHAKE + sent(b"N") + sent(b"A" + name("7")) + sent(b"J[3, 4]\nend\n"))
    assert storm.read_message() == {"pidDir": "/p", "conf": {}, "context": {}}
    storm.send_message({"pid": 12})
    assert target.getvalue() == sent(b'J{"pid": 12}\nend\n')
    assert storm.read_message() == {"command": "next"}
    assert storm.read_message() == {"command": "ack", "id": "7"}
    assert storm.read_message() == [3, 4]
    with pytest.raises(StormWentAwayError):
        storm.read_message()


def test_an_emit_is_written_together_with_the_answer_that_follows_it():
    storm, target = pipe(HELLO + HANDSHAKE)
    storm.read_message()
    storm.send_message({"command": "emit", "tuple": [b"\x00\xff"], "anchors": ["5"], "need_task_ids": False})
    assert target.getvalue() == b""
    storm.send_message({"command": "ack", "id": "5"})
    values = b"\x00\x01b\x00\x00\x00\x02\x00\xff"
    emit = b"E\x00\xff\xff\xff\xff" + bytes(4) + b"\x00\x01" + name("5") + values
    assert target.getvalue() == sent(emit) + sent(b"A" + name("5"))


def test_a_component_answers_in_json_when_storm_begins_with_it():
    storm, target = pipe(b'{"pidDir":"/p"}\nend\n{"command":"next","id":""}\nend\n')
    assert storm.read_message() == {"pidDir": "/p"}
    storm.send_message({"command": "emit", "tuple": [1, "text", b"\x00\xff"]})
    answer, end = target.getvalue().splitlines()
    *plain, coded = json.loads(answer)["tuple"]
    assert (plain, received_bytes(coded), end) == ([1, "text"], b"\x00\xff", b"end")
    assert storm.read_message()["command"] == "next"


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (sent(b"H\x02"), "version 2"),
        (b"\x00\x00\x00\x00", "a frame of 0 bytes"),
        (struct.pack(">I", LONGEST_FRAME + 1), "a frame of 67108865 bytes"),
        (sent(b"J{"), "does not parse"),
        (sent(b"?"), "unknown kind 63"),
    ],
)
def test_what_is_no_frame_is_named(data, error):
    storm, _ = pipe(data)
    with pytest.raises(DecodeError, match=error):
        storm.read_message()


def test_an_emit_may_name_a_task_and_ask_for_the_tasks():
    frame = b"".join(encode_message({"command": "emit", "tuple": [], "task": 7}))
    assert frame == sent(b"E\x01\xff\xff\xff\xff" + struct.pack(">iHH", 7, 0, 0))


@pytest.mark.parametrize("value", [True, [1], {"a": 1}, 1 << 63])
def test_a_value_that_no_frame_holds_is_refused_before_anything_is_sent(value):
    with pytest.raises(ValueError, match="a tuple with"):
        encode_message({"command": "emit", "tuple": [value]})
