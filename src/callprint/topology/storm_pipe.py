"""The pipe between a component and Storm, in frames or in JSON: a component answers in the form that Storm begins with.

So the option `topology.multilang.serializer` alone decides. In JSON, which has no bytes, those of a tuple travel as
base64; topology/tuples.py reads either.
"""

from typing import Any

from pystorm.component import _SERIALIZERS
from pystorm.exceptions import StormWentAwayError
from pystorm.serializers.json_serializer import JSONSerializer
from pystorm.serializers.serializer import Serializer

from callprint.core.ground.errors import DecodeError
from callprint.topology.frames import LENGTH, LONGEST_FRAME, Frame, encode_message
from callprint.topology.tuples import bytes_to_text

NAME = "callprint"


class StormPipe(Serializer):
    """Reads and writes messages; what pystorm calls a serialiser."""

    def __init__(self, input_stream: Any, output_stream: Any, reader_lock: Any, writer_lock: Any) -> None:
        source = getattr(input_stream, "buffer", input_stream)
        target = getattr(output_stream, "buffer", output_stream)
        super().__init__(source, target, reader_lock, writer_lock)
        self._json: JSONSerializer | None = None
        self._begun = False
        self._held: list[bytes] = []

    def read_message(self) -> Any:
        """Return the next message. Raises DecodeError for what is none, StormWentAwayError at the end."""
        if not self._begun:
            self._begin()
        if self._json is not None:
            return self._json.read_message()
        while True:
            with self._reader_lock:
                (length,) = LENGTH.unpack(self._exactly(LENGTH.size))
                if not 1 <= length <= LONGEST_FRAME:
                    raise DecodeError(f"a frame of {length} bytes, not 1 to {LONGEST_FRAME}")
                data = self._exactly(length)
            message = Frame(data).message()
            if message is not None:
                return message

    def send_message(self, message: dict[str, Any]) -> None:
        """Send a message. Raises ValueError for a tuple that cannot be sent, StormWentAwayError if nobody reads."""
        if self._json is not None:
            self._json.send_message(_without_bytes(message))
            return
        with self._writer_lock:
            self._held += encode_message(message)
            if message.get("command") == "emit":
                return  # its tuple's answer, or the spout's, follows: one write, and one reader woken, for both
            data = b"".join(self._held)
            self._held.clear()
            try:
                self.output_stream.write(data)
                self.output_stream.flush()
            except OSError as error:
                raise StormWentAwayError from error

    def _begin(self) -> None:
        """A frame begins with a length below 64 MiB, so with a byte from 0 to 4, and JSON with a brace."""
        first = self.input_stream.peek(1)[:1]
        if first == b"{":
            self._json = JSONSerializer(
                self.input_stream, self.output_stream, self._reader_lock, self._writer_lock
            )
        self._begun = True

    def _exactly(self, length: int) -> bytes:
        data: bytes = self.input_stream.read(length)
        if len(data) < length:
            raise StormWentAwayError
        return data


def _without_bytes(message: dict[str, Any]) -> dict[str, Any]:
    if "tuple" not in message:
        return message
    values = [bytes_to_text(value) if isinstance(value, bytes) else value for value in message["tuple"]]
    return {**message, "tuple": values}


class OnStormPipe:
    """A component that uses StormPipe; it comes first among the bases of a spout or bolt."""

    def __init__(self, *streams: Any, **others: Any) -> None:
        """Begin; whatever serialiser streamparse_run was told, StormPipe sees for itself what Storm speaks."""
        super().__init__(*streams, **{**others, "serializer": NAME})


_SERIALIZERS[NAME] = StormPipe
