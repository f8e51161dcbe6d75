"""The signalling batch: whole SIP messages of one partition, in the order of capture.

Messages are spread over partitions by Call-ID, so each carries its number among all messages of its source:
that is how a reader of all partitions puts them back in the order in which they were captured.
"""

import ipaddress
import zlib
from dataclasses import dataclass

import numpy as np

from callprint.core.capture import name as capture_name
from callprint.core.ground.addresses import address_text
from callprint.core.ground.errors import DecodeError
from callprint.core.signalling.defects import SipError
from callprint.core.signalling.reader import RawMessage
from callprint.core.signalling.sip import parse_message
from callprint.core.wire.frame import (
    NO_TABLE,
    BatchFormat,
    BatchType,
    Origin,
    TableFormat,
    frame_type,
    with_columns,
)
from callprint.core.wire.media import MOST_NS
from callprint.core.wire.progress import Progress, decode_progress

# Released layouts: they never change. A new column goes into a further layout at the end, as core/wire/frame.py says.
_RELEASED = np.dtype(
    [
        ("time_ns", "<i8"),  # packet time of the message's last byte
        ("number", "<u8"),  # among all messages of the source, in the order of capture, from 0
        ("src_hi", "<u8"),  # who sent it, as in PACKET
        ("src_lo", "<u8"),
        ("length", "<u4"),
    ],
    align=True,
)
_LAYOUTS = (_RELEASED, with_columns(_RELEASED, [("capture", capture_name.COLUMN)]))
FORMAT = BatchFormat(
    BatchType.SIGNALLING, TableFormat(_LAYOUTS, {"capture": b""}), TableFormat((NO_TABLE, NO_TABLE))
)

MESSAGE = FORMAT.first.latest
"""One SIP message; the bytes of the first message come first in the payload."""


@dataclass(frozen=True, slots=True)
class SignallingBatch:
    """Messages of one partition."""

    origin: Origin
    messages: tuple[RawMessage, ...]
    numbers: tuple[int, ...]  # of each message, among all of the source


def partition_of(message: RawMessage, partitions: int) -> int:
    """Return the partition of a message: that of its Call-ID, or of its sender when the message does not parse."""
    try:
        key = parse_message(message.payload).call_id
    except SipError:
        key = message.source_ip
    return zlib.crc32(key.encode("utf-8", "surrogateescape")) % partitions


def encode_signalling(batch: SignallingBatch) -> bytes:
    """Return the batch as bytes."""
    messages = batch.messages
    table = np.zeros(len(messages), dtype=MESSAGE)
    for row, message, number in zip(table, messages, batch.numbers, strict=True):
        row["time_ns"] = message.time_ns
        row["number"] = number
        row["src_hi"], row["src_lo"] = _numbers(message.source_ip)
        row["length"] = len(message.payload)
        row["capture"] = capture_name.encoded(message.capture)
    payload = np.frombuffer(b"".join(message.payload for message in messages), dtype=np.uint8)
    return FORMAT.encode(batch.origin, table, np.zeros(0, dtype=NO_TABLE), payload)


def decode_signalling(data: bytes) -> SignallingBatch:
    """Return the batch that the bytes hold. Raises DecodeError that names the defect."""
    frame = FORMAT.decode(data)
    ends = np.cumsum(frame.first["length"], dtype=np.int64)  # (n,)
    if len(frame.second) or (int(ends[-1]) if len(ends) else 0) != len(frame.payload):
        raise DecodeError("the lengths of the messages of the batch do not add up to its payload")
    times = frame.first["time_ns"]
    if len(times) and (int(times.min()) < -MOST_NS or int(times.max()) >= MOST_NS):
        raise DecodeError("a time of the batch is out of range")
    numbers = frame.first["number"]
    if (numbers[1:] <= numbers[:-1]).any():
        # Two of one number could not be told apart when a site puts its messages in order, or reads them again.
        raise DecodeError("the numbers of the messages of the batch do not rise")
    payload = frame.payload.tobytes()
    messages = [
        RawMessage(
            int(row["time_ns"]),
            address_text(int(row["src_hi"]), int(row["src_lo"])),
            payload[int(end) - int(row["length"]) : int(end)],
            capture_name.decoded(bytes(row["capture"])),
        )
        for row, end in zip(frame.first, ends, strict=True)
    ]
    return SignallingBatch(frame.origin, tuple(messages), tuple(numbers.tolist()))


def decode_record(data: bytes) -> SignallingBatch | Progress:
    """Return what a record of the signalling topic holds. Raises DecodeError that names the defect."""
    return decode_progress(data) if frame_type(data) is BatchType.PROGRESS else decode_signalling(data)


def _numbers(source_ip: str) -> tuple[int, int]:
    address = ipaddress.ip_address(source_ip)
    number = int(address) if address.version == 6 else 0xFFFF << 32 | int(address)
    return number >> 64, number & 0xFFFFFFFFFFFFFFFF
