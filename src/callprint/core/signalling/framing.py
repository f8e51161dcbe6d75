"""Cuts SIP messages out of a byte stream by Content-Length (RFC 3261 18.3), and finds the next one after damage.

States:  SYNCED      the next byte begins a message, or is keep-alive (CR, LF: RFC 5626 3.5.1)
         SEARCHING   bytes were lost or made no sense: skip until something looks like a start line

Every byte is counted in `message_bytes`, `keepalive_bytes` or `skipped_bytes`, unless it is still in the buffer.

The cost is linear in the bytes, whatever they are and however they are cut: where a search found nothing it is not
repeated, the head of an unfinished message is read once, and of all start lines before the same empty line only the
first and the last are tried. `examined` counts the bytes that were looked at; tests bound it.
"""

import re

from callprint.core.signalling.defects import SipError
from callprint.core.signalling.sip import HEADER_END, MAXIMUM_MESSAGE, content_length, read_headers

MAXIMUM_HEAD = 16_384
"""Longest header block, bytes; a longer one is not SIP and is skipped."""

START_LINE = re.compile(rb"(?:SIP/2\.0 [1-6]\d\d |[A-Z]{3,16} [^\s]{1,1024} SIP/2\.0\r?\n)")
_LONGEST_START = 1_100
"""Bytes kept while searching: no start line is longer, so none is lost when it comes in two pieces."""
_BLANK = re.compile(rb"[\r\n]+")
_PART_OF_HEADER_END = 3  # bytes of CR LF CR LF that may lie at the end of what has come so far


class SipFramer:
    """The framing of one direction of one connection."""

    def __init__(self, synced: bool) -> None:
        self._buffer = bytearray()
        self._synced = synced
        self._no_end_before = 0  # no header block ends before this byte of the buffer
        self._whole = 0  # length of the message under way, body included; 0 until its head has been read
        self._has_length = False  # whether that message announces its length
        self.message_bytes = 0
        self.keepalive_bytes = 0
        self.skipped_bytes = 0
        self.examined = 0

    @property
    def buffered(self) -> int:
        """Bytes that wait for the rest of their message."""
        return len(self._buffer)

    @property
    def inside(self) -> bool:
        """Whether a message has begun of which the end has not come."""
        return self._synced and bool(self._buffer)

    def feed(self, data: bytes) -> list[bytes]:
        """Take the next bytes of the stream; return the messages that they complete."""
        self._buffer += data
        messages = []
        while self._buffer:
            if not self._synced and not self._search():
                break
            message = self._next()
            if message is None:
                break
            if message:
                messages.append(message)
        return messages

    def lost(self) -> None:
        """Take note that bytes are missing here: give up the message under way and search for the next."""
        self._skip(len(self._buffer))
        self._synced = False

    def _skip(self, count: int) -> None:
        self.skipped_bytes += count
        self._remove(count)

    def _remove(self, count: int) -> None:
        del self._buffer[:count]
        self._no_end_before = max(0, self._no_end_before - count)
        self._whole = 0

    def _search(self) -> bool:
        match = START_LINE.search(self._buffer)
        self.examined += match.end() if match else len(self._buffer)
        if match is None:
            self._skip(max(0, len(self._buffer) - _LONGEST_START))
            return False
        self._skip(match.start())
        self._synced = True
        return True

    def _next(self) -> bytes | None:
        """Return one message, b"" when something else was consumed, None when more bytes are needed."""
        if not self._whole:
            blank = _BLANK.match(self._buffer)
            if blank:
                self.keepalive_bytes += blank.end()
                self._remove(blank.end())
                return b""
            consumed = self._read_head()
            if consumed is not None or not self._whole:
                return consumed
        if len(self._buffer) < self._whole:
            return None
        message = bytes(self._buffer[: self._whole])
        self.message_bytes += self._whole
        self._remove(self._whole)
        self._synced = self._has_length
        return message

    def _read_head(self) -> bytes | None:
        """Find out how long the message is: `_whole`. Return b"" when it was given up, else None."""
        end = HEADER_END.search(self._buffer, self._no_end_before)
        self.examined += (end.end() if end else len(self._buffer)) - self._no_end_before
        if end is None:
            self._no_end_before = max(0, len(self._buffer) - _PART_OF_HEADER_END)
            if len(self._buffer) > MAXIMUM_HEAD or not _could_start(self._buffer):
                return self._give_up(0)
            return None
        if START_LINE.match(self._buffer) is None:
            return self._give_up(0)
        self.examined += end.start()
        try:
            length = content_length(read_headers(bytes(self._buffer[: end.start()])), 0)
        except SipError:
            return self._give_up(end.start())
        # A stream needs Content-Length (RFC 3261 18.3); without it the only safe assumption is that there is no body.
        whole = end.end() + (length or 0)
        if whole > MAXIMUM_MESSAGE:
            return self._give_up(end.start())
        self._whole, self._has_length = whole, length is not None
        return None

    def _give_up(self, head_end: int) -> bytes:
        """Skip the start line here; with `head_end`, go on at the last start line before it, if there is another."""
        start = START_LINE.match(self._buffer)
        past = start.end() if start else 1
        last = None
        if head_end > past:
            self.examined += head_end - past
            for last in START_LINE.finditer(self._buffer, past, head_end):  # noqa: B007 - the last one is wanted
                pass
        self._skip(last.start() if last else past)
        self._synced = last is not None
        return b""


def _could_start(data: bytearray) -> bool:
    """Return whether an unfinished header block may still be SIP: printable text up to its first line end."""
    line = data[:64].partition(b"\n")[0]
    return all(byte >= 32 or byte == 13 for byte in line)
