"""Frames of Storm's multi-language protocol: docs/how/frames.md has every byte.

The other half is topologies/java/callprint/FrameSerializer.java. What a worker sends is decoded here as carefully as
anything from outside, although it comes from Storm: a frame that is not as described raises DecodeError, and nothing
else.
"""

import json
import struct
from collections.abc import Mapping, Sequence
from typing import Any

from callprint.core.ground.errors import DecodeError

VERSION = 1
LONGEST_FRAME = 64 << 20  # bytes after the length
LENGTH = struct.Struct(">I")

_NO_NAME = 0xFFFF
_MOST_VALUES = 0xFFFF
_SHORT, _INTEGER, _LONG, _DOUBLE = (struct.Struct(f">{form}") for form in "Hiqd")
_HELLO, _TUPLE, _NEXT, _ACK, _FAIL, _JSON, _EMIT, _SYNC = b"HTNAFJES"
_ANSWERS = {"ack": _ACK, "fail": _FAIL}
_COMMANDS = {_ACK: "ack", _FAIL: "fail"}


def encode_message(message: Mapping[str, Any]) -> list[bytes]:
    """Return a component's message as the parts of a frame. Raises ValueError for a tuple that no frame can hold."""
    command = message.get("command")
    if command == "emit":
        parts = _emit(message)
    elif command in _ANSWERS:
        parts = [bytes((_ANSWERS[command],)), _name(message["id"])]
    elif command == "sync":
        parts = [bytes((_SYNC,))]
    else:
        parts = [bytes((_JSON,)), json.dumps(message).encode("ascii"), b"\nend\n"]
    length = sum(map(len, parts))
    if length > LONGEST_FRAME:
        raise ValueError(f"a frame of {length} bytes, more than {LONGEST_FRAME}")
    return [LENGTH.pack(length), *parts]


def _emit(message: Mapping[str, Any]) -> list[bytes]:
    anchors = message.get("anchors") or ()
    return [
        bytes((_EMIT, message.get("need_task_ids", True))),
        _name(message.get("id")),
        _name(message.get("stream")),
        _INTEGER.pack(message.get("task", 0)),  # 0: any
        _SHORT.pack(len(anchors)),
        *map(_name, anchors),
        *_values(message["tuple"]),
    ]


def _name(name: str | None) -> bytes:
    if name is None:
        return _SHORT.pack(_NO_NAME)
    text = name.encode()
    if len(text) >= _NO_NAME:
        raise ValueError(f"a name of {len(text)} bytes")
    return _SHORT.pack(len(text)) + text


def _values(values: Sequence[object]) -> list[bytes]:
    if len(values) > _MOST_VALUES:
        raise ValueError(f"a tuple of {len(values)} values")
    parts = [_SHORT.pack(len(values))]
    for value in values:
        if value is None:
            parts.append(b"0")
        elif isinstance(value, bytes):
            parts += [b"b", LENGTH.pack(len(value)), value]
        elif isinstance(value, str):
            text = value.encode()
            parts += [b"t", LENGTH.pack(len(text)), text]
        elif type(value) is int and -(1 << 63) <= value < 1 << 63:
            parts += [b"i", _LONG.pack(value)]
        elif isinstance(value, float):
            parts += [b"d", _DOUBLE.pack(value)]
        else:
            raise ValueError(f"a tuple with {value!r}")
    return parts


class Frame:
    """A received frame, read from its first byte to its last."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def message(self) -> Any:
        """Return the message as pystorm has it; None for a greeting. Raises DecodeError."""
        kind = self._take(1)[0]
        message: Any
        if kind == _NEXT:
            message = {"command": "next"}
        elif kind in _COMMANDS:
            message = {"command": _COMMANDS[kind], "id": self._name()}
        elif kind == _TUPLE:
            message = {"id": self._name(), "comp": self._name(), "stream": self._name()}
            message["task"] = self._number(_INTEGER)
            message["tuple"] = [self._value() for _ in range(self._number(_SHORT))]
        elif kind == _JSON:
            return self._json()
        elif kind == _HELLO:
            version = self._take(1)[0]
            if version != VERSION:
                raise DecodeError(
                    f"the topology's jar speaks in frames of version {version}, "
                    f"the workers' package in those of version {VERSION}"
                )
            message = None
        else:
            raise DecodeError(f"a frame of unknown kind {kind}")
        if self._at < len(self._data):
            raise DecodeError(f"{len(self._data) - self._at} bytes too many in a frame of kind {kind:c}")
        return message

    def _json(self) -> Any:
        try:
            found = json.loads(self._data[self._at :].removesuffix(b"\nend\n"))
        except (ValueError, RecursionError) as error:
            raise DecodeError(f"a frame's JSON does not parse: {error}") from error
        if not isinstance(found, dict | list):
            raise DecodeError("a frame's JSON is no message")
        return found

    def _take(self, length: int) -> bytes:
        """Return the next bytes."""
        end = self._at + length
        if end > len(self._data):
            raise DecodeError(f"a frame ends too early: {length} of {len(self._data) - self._at} bytes")
        taken = self._data[self._at : end]
        self._at = end
        return taken

    def _number(self, form: struct.Struct) -> Any:
        return form.unpack(self._take(form.size))[0]

    def _name(self) -> str | None:
        length = self._number(_SHORT)
        return None if length == _NO_NAME else self._text(length)

    def _text(self, length: int) -> str:
        try:
            return self._take(length).decode()
        except UnicodeDecodeError as error:
            raise DecodeError(f"a text in a frame is not UTF-8: {error}") from error

    def _value(self) -> object:
        tag = self._take(1)
        if tag == b"b":
            return self._take(self._number(LENGTH))
        if tag == b"t":
            return self._text(self._number(LENGTH))
        if tag == b"i":
            return self._number(_LONG)
        if tag == b"d":
            return self._number(_DOUBLE)
        if tag == b"0":
            return None
        raise DecodeError(f"a value of unknown type {tag!r}")
