"""The fields of Storm tuples, and how values become the numbers, texts and bytes that a tuple may hold.

Nothing else may be in one: no frame has a list, and in JSON it becomes a JSONArray in the worker's JVM, which dies
trying to send it to another worker. Bytes travel as they are in frames, and as base64 in JSON (topology/storm_pipe.py).
"""

import base64
import binascii
import json
from collections.abc import Sequence

from callprint.core.ground.errors import DecodeError
from callprint.core.verdict import Verdict
from callprint.core.wire.rows import rows_to_text, text_to_verdicts

BATCH = "batch"
EXPIRE = "expire"  # judge every pending flow of the batch's source by the evidence it has so far

SPOUT_FIELDS = ("partition", "epoch", "sequence", "action", "batch")
ASSEMBLED_FIELDS = ("partition", "epoch", "sequence", "batch")
VERDICT_FIELDS = ("partition", "verdicts", "summaries", "unknown")
FLOWS = "flows"  # the stream from identify_application to judge_calls
FLOW_FIELDS = (
    *("site", "partition", "epoch", "sequence", "source", "number"),
    *("verdicts", "summaries", "running"),
)
SIGNALLING_FIELDS = ("site", "partition", "epoch", "sequence", "action", "offset", "batch")
FEEDBACK_FIELDS = ("caller", "record")


def bytes_to_text(data: bytes) -> str:
    """Return bytes as base64, which needs no escaping in JSON."""
    return base64.b64encode(data).decode("ascii")


def received_bytes(value: bytes | str) -> bytes:
    """Return the bytes that were sent as a field of a tuple. Raises DecodeError for a text that is not base64."""
    return value if isinstance(value, bytes) else text_to_bytes(value)


def text_to_bytes(text: str) -> bytes:
    """Return the bytes of `bytes_to_text`. Raises DecodeError for any other text."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise DecodeError(f"a tuple field is not base64: {error}") from error


def number_to_text(number: int) -> str:
    """Return an unsigned 64-bit number in hexadecimal: Java has no such type, so it travels as text."""
    return f"{number:x}"


def text_to_number(text: str) -> int:
    """Return the number of `number_to_text`. Raises DecodeError for any other text."""
    try:
        return int(text, 16)
    except (ValueError, TypeError) as error:
        raise DecodeError(f"a tuple field is not a number: {error}") from error


def evidence_to_text(unknown: Sequence[tuple[Verdict, bytes]]) -> str:
    """Return verdicts with their evidence logs as one text."""
    return json.dumps([[rows_to_text([verdict]), bytes_to_text(evidence)] for verdict, evidence in unknown])


def text_to_evidence(text: str) -> list[tuple[Verdict, bytes]]:
    """Return what `evidence_to_text` was given. Raises DecodeError for any other text."""
    try:
        return [
            (text_to_verdicts(verdict)[0], text_to_bytes(evidence)) for verdict, evidence in json.loads(text)
        ]
    except (ValueError, TypeError, IndexError) as error:
        raise DecodeError(f"a tuple field is not evidence: {error}") from error
