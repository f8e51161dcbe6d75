"""The framing of signalling over TCP: plain SIP, or SIP in WebSocket frames (RFC 6455, RFC 7118), as a stream has it.

States:  OPENING   the first bytes of a connection: an HTTP upgrade, or plain SIP
         PLAIN     SIP without frames (framing.py); a frame that begins with SIP leads to FRAMES
         FRAMES    WebSocket frames; a header that cannot be one leads back to PLAIN

A stream whose upgrade was not captured, or which has lost bytes, is recognized by the next segment that holds the
beginning of a frame with a SIP start line, masked or not. One WebSocket message is one SIP message, so it needs no
Content-Length (RFC 7118 5). Compressed frames (RFC 7692) are not read; SIP servers do not negotiate them.

Every byte is counted as in framing.py: upgrades, control frames and frame headers are `keepalive_bytes`. The cost is
linear in the bytes: a frame is looked at when it is complete, and a segment is searched a limited number of times.
"""

import re
from enum import Enum, auto
from typing import NamedTuple

from callprint.core.signalling.framing import MAXIMUM_HEAD, START_LINE, SipFramer
from callprint.core.signalling.sip import HEADER_END, MAXIMUM_MESSAGE

_OPENINGS = (b"GET ", b"HTTP")
_UPGRADE = re.compile(rb"\r?\nupgrade:[ \t]*websocket[ \t]*\r?\n", re.IGNORECASE)
# The first frame of a message: text or binary, no extension; 32 bytes or more, and less than 2**32.
_FIRST_FRAME = re.compile(rb"[\x01\x02\x81\x82](?=[\x20-\x7d\xa0-\xfd]|[\x7e\xfe]|[\x7f\xff]\0{4})")
_BEGINNING = re.compile(rb"SIP/2\.0 [1-6]|[A-Z]{3,16} [A-Za-z][A-Za-z0-9+.-]{1,15}:")
_BEGINNING_BYTES = 36
_TRIES = 16
"""How many places of a segment are tried as the beginning of a frame."""

_CONTINUATION, _CLOSE, _PING, _PONG = 0, 8, 9, 10
_DATA = (_CONTINUATION, 1, 2)


class _State(Enum):
    OPENING = auto()
    PLAIN = auto()
    FRAMES = auto()


class _Header(NamedTuple):
    """The header of a frame."""

    final: bool
    opcode: int
    size: int  # bytes of the header itself
    length: int  # bytes of payload
    mask: bytes  # four bytes, or none


class SignallingFramer:
    """The framing of one direction of one connection; `synced` when it is seen from its first byte."""

    def __init__(self, synced: bool) -> None:
        self._state = _State.OPENING if synced else _State.PLAIN
        self._sip = SipFramer(synced)
        self._buffer = bytearray()  # an opening or a frame that is not complete
        self._message = bytearray()  # the frames so far of a message in several
        self._no_end_before = 0  # the opening does not end before this byte
        self._message_bytes = 0
        self._keepalive_bytes = 0
        self._skipped_bytes = 0

    @property
    def buffered(self) -> int:
        """Bytes that wait for the rest of their message."""
        return self._sip.buffered + len(self._buffer) + len(self._message)

    @property
    def message_bytes(self) -> int:
        """Bytes of SIP messages."""
        return self._sip.message_bytes + self._message_bytes

    @property
    def keepalive_bytes(self) -> int:
        """Bytes that belong to no message, and that are understood."""
        return self._sip.keepalive_bytes + self._keepalive_bytes

    @property
    def skipped_bytes(self) -> int:
        """Bytes that made no sense."""
        return self._sip.skipped_bytes + self._skipped_bytes

    def feed(self, data: bytes) -> list[bytes]:
        """Take the next bytes of the stream, as a segment had them; return the messages that they complete."""
        messages: list[bytes] = []
        while data:
            if self._state is _State.OPENING:
                data = self._open(data)
            elif self._state is _State.PLAIN:
                data = self._plain(data, messages)
            else:
                data = self._frames(data, messages)
        return messages

    def lost(self) -> None:
        """Take note that bytes are missing here: give up the message under way and search for the next."""
        self._give_up_frames()
        self._skipped_bytes += len(self._buffer)
        self._buffer.clear()

    def _give_up_frames(self) -> None:
        self._skipped_bytes += len(self._message)
        self._message.clear()
        self._sip.lost()
        self._state = _State.PLAIN

    def _open(self, data: bytes) -> bytes:
        """Read an HTTP upgrade; return what follows it, or all of it when it is none."""
        self._buffer += data
        self._state = _State.PLAIN
        begin = bytes(self._buffer[:4])
        if any(opening.startswith(begin) for opening in _OPENINGS):
            end = HEADER_END.search(self._buffer, self._no_end_before, MAXIMUM_HEAD)
            if end is None and len(self._buffer) < MAXIMUM_HEAD:
                self._no_end_before = max(0, len(self._buffer) - 3)
                self._state = _State.OPENING
                return b""
            if end is not None and _UPGRADE.search(self._buffer, 0, end.end()):
                self._keepalive_bytes += end.end()
                del self._buffer[: end.end()]
                self._state = _State.FRAMES
        rest = bytes(self._buffer)
        self._buffer.clear()
        return rest

    def _plain(self, data: bytes, messages: list[bytes]) -> bytes:
        """Read SIP without frames; return what begins with a frame."""
        at = -1 if self._sip.inside else _find_frame(data)
        if at < 0:
            messages += self._sip.feed(data)
            return b""
        messages += self._sip.feed(data[:at])
        if self._sip.inside:  # the bytes of a body, which look like a frame
            messages += self._sip.feed(data[at:])
            return b""
        self._sip.lost()
        self._state = _State.FRAMES
        return data[at:]

    def _frames(self, data: bytes, messages: list[bytes]) -> bytes:
        """Read frames; return what cannot be one, and what follows it."""
        self._buffer += data
        while (header := _read_header(self._buffer)) is not None:
            if not _is_possible(header) or header.length + len(self._message) > MAXIMUM_MESSAGE:
                self._give_up_frames()
                rest = bytes(self._buffer)
                self._buffer.clear()
                return rest
            whole = header.size + header.length
            if len(self._buffer) < whole:
                break
            payload = _unmasked(bytes(self._buffer[header.size : whole]), header.mask)
            del self._buffer[:whole]
            self._keepalive_bytes += header.size
            self._take(header, payload, messages)
        return b""

    def _take(self, header: _Header, payload: bytes, messages: list[bytes]) -> None:
        """Take in a whole frame. Control frames may come between those of a message (RFC 6455 5.4)."""
        if header.opcode not in _DATA:
            self._keepalive_bytes += len(payload)
            return
        if header.opcode != _CONTINUATION:
            self._skipped_bytes += len(self._message)
            self._message.clear()
        self._message += payload
        if not header.final:
            return
        message = bytes(self._message).lstrip(b"\r\n")
        self._keepalive_bytes += len(self._message) - len(message)
        self._message.clear()
        if START_LINE.match(message):
            messages.append(message)
            self._message_bytes += len(message)
        else:
            self._skipped_bytes += len(message)


def _find_frame(data: bytes) -> int:
    """Return where in a segment the first frame of a SIP message begins, -1 for nowhere."""
    for tries, match in enumerate(_FIRST_FRAME.finditer(data)):
        if tries == _TRIES:
            break
        header = _read_header(data[match.start() : match.start() + 14])
        if header is None or not _is_possible(header):
            continue
        begin = match.start() + header.size
        if _BEGINNING.match(_unmasked(data[begin : begin + _BEGINNING_BYTES], header.mask)):
            return match.start()
    return -1


def _read_header(data: bytes | bytearray) -> _Header | None:
    """Read the header of the frame that `data` begins with (RFC 6455 5.2); None when it is not complete."""
    if len(data) < 2:
        return None
    masked, length, size = data[1] & 0x80, data[1] & 0x7F, 2
    if length >= 126:
        size = 4 if length == 126 else 10
        if len(data) < size:
            return None
        length = int.from_bytes(data[2:size], "big")
    end = size + 4 if masked else size
    if len(data) < end:
        return None
    # A reserved bit is the business of an extension: it makes an opcode that does not exist.
    return _Header(bool(data[0] & 0x80), data[0] & 0x7F, end, length, bytes(data[size:end]))


def _is_possible(header: _Header) -> bool:
    if header.opcode in _DATA:
        return header.length <= MAXIMUM_MESSAGE
    return header.opcode in (_CLOSE, _PING, _PONG) and header.final and header.length <= 125


def _unmasked(payload: bytes, mask: bytes) -> bytes:
    """Undo the masking of RFC 6455 5.3, as one operation on long numbers."""
    if not mask:
        return payload
    key = (mask * (len(payload) // 4 + 1))[: len(payload)]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(len(payload), "big")
