"""The journal of a home of calls: which inputs it took, in which order. Written before they are worked off.

An entry is zlib-compressed JSON: a list of inputs, each a list whose first value says what it is.

    ["flows", source, partition, sequence, verdicts, summaries]     rows as in core/wire/rows.py
    ["signalling", partition, offset]                                read again from Kafka
    ["silence", source]
    ["said", [[call_id, from_tag, caller, user, given_at_ns, spam], ...], [allowed caller, ...]]
"""

import json
import zlib
from collections.abc import Sequence
from dataclasses import astuple
from typing import Any

from callprint.core.call import Vote
from callprint.core.ground.errors import DecodeError
from callprint.core.relay.site_inputs import (
    FlowResults,
    RecordOffset,
    SignallingRecord,
    SiteInput,
    SourceSilent,
    VoteUpdate,
)
from callprint.core.relay.site_snapshot import Fetch
from callprint.core.wire.rows import rows_to_text, text_to_summaries, text_to_verdicts

MAXIMUM_BYTES = 1 << 28  # of an entry, unpacked; it bounds what a forged entry can ask for


def encode_inputs(inputs: Sequence[SiteInput]) -> bytes:
    """Return inputs as one entry."""
    return zlib.compress(json.dumps([_out(news) for news in inputs], separators=(",", ":")).encode(), 1)


def decode_inputs(data: bytes, fetch: Fetch) -> list[SiteInput]:
    """Return the inputs of an entry. Raises DecodeError when it is none, and what `fetch` raises."""
    unpacker = zlib.decompressobj()
    try:
        text = unpacker.decompress(data, MAXIMUM_BYTES)
        if not unpacker.eof or unpacker.unused_data:
            raise DecodeError("an entry of the journal is cut short or has bytes behind its end")
        entry = json.loads(text)
        if not isinstance(entry, list):
            raise DecodeError("an entry of the journal is no list")
        return [_in(values, fetch) for values in entry]
    except zlib.error as error:
        raise DecodeError(f"an entry of the journal is damaged: {error}") from error
    except (ValueError, TypeError, KeyError, IndexError, RecursionError) as error:
        raise DecodeError(f"an entry of the journal is damaged: {error!r}") from error


def _out(news: SiteInput) -> list[Any]:
    match news:
        case FlowResults(source, partition, sequence, verdicts, summaries):
            return ["flows", source, partition, sequence, rows_to_text(verdicts), rows_to_text(summaries)]
        case SignallingRecord(place):
            return ["signalling", *place]
        case SourceSilent(source):
            return ["silence", source]
        case VoteUpdate(votes, allowed):
            return ["said", [astuple(vote) for vote in votes], sorted(allowed)]


def _in(values: Any, fetch: Fetch) -> SiteInput:
    match values:
        case ["flows", int(source), int(partition), int(sequence), str(verdicts), str(summaries)]:
            news = tuple(text_to_verdicts(verdicts)), tuple(text_to_summaries(summaries))
            return FlowResults(source, partition, sequence, *news)
        case ["signalling", int(partition), int(offset)]:
            place = RecordOffset(partition, offset)
            return SignallingRecord(place, fetch(place))
        case ["silence", int(source)]:
            return SourceSilent(source)
        case ["said", list(votes), list(allowed)]:
            return VoteUpdate(tuple(_vote(*vote) for vote in votes), frozenset(map(str, allowed)))
    raise DecodeError("an entry of the journal holds an unknown input")


def _vote(call_id: Any, from_tag: Any, caller: Any, user: Any, given_at_ns: Any, spam: Any) -> Vote:
    texts = (call_id, from_tag, caller, user)
    if (
        any(not isinstance(text, str) for text in texts)
        or type(given_at_ns) is not int
        or type(spam) is not bool
    ):
        raise DecodeError("an entry of the journal holds no vote")
    return Vote(call_id, from_tag, caller, user, given_at_ns, spam)
