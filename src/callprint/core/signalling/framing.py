"""Cuts SIP messages out of a byte stream by Content-Length (RFC 3261 18.3), and finds the next one after damage.

States:  SYNCED      the next byte begins a message, or is keep-alive (CR, LF: RFC 5626 3.5.1)
         SEARCHING   bytes were lost or made no sense: skip until something looks like a start line

Every byte is counted in `message_bytes`, `keepalive_bytes` or `skipped_bytes`, unless it is still in the buffer.
"""

import re

from callprint.core.signalling.defects import SipError
from callprint.core.signalling.sip import HEADER_END, MAXIMUM_MESSAGE, content_length, read_headers

MAXIMUM_HEAD = 16_384
"""Longest header block, bytes; a longer one is not SIP and is skipped."""

_START = re.compile(rb"(?:SIP/2\.0 [1-6]\d\d |[A-Z]{3,16} [^\s]{1,1024} SIP/2\.0\r?\n)")
_LONGEST_START = (
    1_100  # bytes kept while searching: no start line is longer, so none is lost that the end cuts
)


class SipFramer:
    """The framing of one direction of one connection."""

    def __init__(self, synced: bool) -> None:
        self._buffer = bytearray()
        self._synced = synced
        self.message_bytes = 0
        self.keepalive_bytes = 0
        self.skipped_bytes = 0

    @property
    def buffered(self) -> int:
        """Bytes that wait for the rest of their message."""
        return len(self._buffer)

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
        del self._buffer[:count]

    def _search(self) -> bool:
        match = _START.search(self._buffer)
        if match is None:
            self._skip(max(0, len(self._buffer) - _LONGEST_START))
            return False
        self._skip(match.start())
        self._synced = True
        return True

    def _next(self) -> bytes | None:
        """Return one message, b"" when something else was consumed, None when more bytes are needed."""
        blank = len(self._buffer) - len(self._buffer.lstrip(b"\r\n"))
        if blank:
            self.keepalive_bytes += blank
            del self._buffer[:blank]
            return b""
        end = HEADER_END.search(self._buffer)
        if end is None:
            if len(self._buffer) > MAXIMUM_HEAD or not _could_start(self._buffer):
                return self._give_up()
            return None
        try:
            length = content_length(read_headers(bytes(self._buffer[: end.start()]), 0), 0)
        except SipError:
            return self._give_up()
        # A stream needs Content-Length (RFC 3261 18.3); without it the only safe assumption is that there is no body.
        whole = end.end() + (length or 0)
        if whole > MAXIMUM_MESSAGE or _START.match(self._buffer) is None:
            return self._give_up()
        if len(self._buffer) < whole:
            return None
        message = bytes(self._buffer[:whole])
        self.message_bytes += whole
        del self._buffer[:whole]
        if length is None:
            self._synced = False
        return message

    def _give_up(self) -> bytes:
        self._skip(1)
        self._synced = False
        return b""


def _could_start(data: bytearray) -> bool:
    """Return whether an unfinished header block may still be SIP: printable text up to its first line end."""
    line = data[:64].partition(b"\n")[0]
    return all(byte >= 32 or byte == 13 for byte in line)
