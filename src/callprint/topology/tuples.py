"""What stands in Storm tuples: numbers and texts, nothing else. The only place that makes such texts.

pystorm's serialiser drops a tuple with raw bytes, logs that, and acknowledges its input: a silent loss. And a
list becomes a JSONArray in the worker's JVM, which Storm cannot send to another worker: the worker dies of it.
"""

import base64
import binascii
import json
from collections.abc import Sequence

from callprint.core.ground.errors import DecodeError
from callprint.core.verdict import Verdict
from callprint.core.wire.rows import rows_to_text, text_to_verdicts

BATCH = "batch"
EXPIRE = "expire"  # every pending flow of the batch's source is to be judged by what it has

SPOUT_FIELDS = ("shard", "epoch", "sequence", "action", "batch")
ASSEMBLED_FIELDS = ("shard", "epoch", "sequence", "batch")
VERDICT_FIELDS = ("shard", "verdicts", "summaries", "unknown")
FLOWS = "flows"  # the stream from identification to the judge of calls
FLOW_FIELDS = ("site", "shard", "epoch", "sequence", "source", "number", "verdicts", "summaries")
SIGNALLING_FIELDS = ("site", "shard", "epoch", "sequence", "action", "offset", "batch")
FEEDBACK_FIELDS = ("caller", "saying")


def bytes_to_text(data: bytes) -> str:
    """Return bytes as a text that JSON holds as it is."""
    return base64.b64encode(data).decode("ascii")


def text_to_bytes(text: str) -> bytes:
    """Return the bytes of `bytes_to_text`. Raises DecodeError for any other text."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise DecodeError(f"a tuple holds no base64: {error}") from error


def number_to_text(number: int) -> str:
    """Return a number of up to 64 bits without sign: Java knows none, so it travels as text."""
    return f"{number:x}"


def text_to_number(text: str) -> int:
    """Return the number of `number_to_text`. Raises DecodeError for any other text."""
    try:
        return int(text, 16)
    except (ValueError, TypeError) as error:
        raise DecodeError(f"a tuple holds no number: {error}") from error


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
        raise DecodeError(f"a tuple holds no evidence: {error}") from error
