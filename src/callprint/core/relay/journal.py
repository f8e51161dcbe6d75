"""The journal of a site's calls: which inputs were taken, in which order. Written before they are worked off.

An entry is zlib-compressed JSON: {"version": 2, "inputs": [input, ...]}. The `kind` of an input says what it is:

    flows        source, partition, sequence, verdicts, summaries, running     rows as in core/ground/named_rows.py
    signalling   partition, offset                                      read again from Kafka
    silence      source
    votes        votes (rows), allowed: [caller, ...]

Version 1, of callprint 0.1.0, was a bare list of inputs, each a list whose first value was the kind (of votes: "said").
"""

import json
import zlib
from collections.abc import Sequence
from typing import Any

from callprint.core.ground.errors import DecodeError
from callprint.core.relay.site_inputs import (
    FlowResults,
    RecordOffset,
    SignallingRecord,
    SiteInput,
    SourceSilent,
    VoteUpdate,
)
from callprint.core.relay.site_snapshot import VOTES, Fetch
from callprint.core.verdicts.rows import RUNNING_FLOWS, SUMMARIES, VERDICTS

VERSION = 2
MAXIMUM_BYTES = 1 << 28  # of an entry, unpacked; it bounds what a forged entry can ask for


def encode_inputs(inputs: Sequence[SiteInput]) -> bytes:
    """Return inputs as one entry."""
    entry = {"version": VERSION, "inputs": [_out(each) for each in inputs]}
    return zlib.compress(json.dumps(entry, separators=(",", ":")).encode(), 1)


def decode_inputs(data: bytes, fetch: Fetch) -> list[SiteInput]:
    """Return the inputs of an entry. Raises DecodeError that names the defect, and what `fetch` raises."""
    unpacker = zlib.decompressobj()
    try:
        text = unpacker.decompress(data, MAXIMUM_BYTES)
        if not unpacker.eof or unpacker.unused_data:
            raise DecodeError("an entry of the journal is cut short or has bytes after its end")
        return [_in(values, fetch) for values in _inputs_of(json.loads(text))]
    except zlib.error as error:
        raise DecodeError(f"an entry of the journal is damaged: {error}") from error
    except (ValueError, TypeError, KeyError, IndexError, RecursionError) as error:
        raise DecodeError(f"an entry of the journal is damaged: {error!r}") from error


def _inputs_of(entry: Any) -> list[Any]:
    """Return the inputs of an entry of any version, as this version writes them."""
    match entry:
        case {"version": int(version), "inputs": list(inputs)}:
            if version != VERSION:
                raise DecodeError(
                    f"an entry of the journal of version {version}; this callprint reads versions up to {VERSION}"
                )
            return inputs
        case list():
            return [_named_0_1_0(values) for values in entry]
    raise DecodeError("an entry of the journal holds no inputs")


def _out(each: SiteInput) -> dict[str, Any]:
    match each:
        case FlowResults(source, partition, sequence, verdicts, summaries, running):
            return {
                "kind": "flows",
                "source": source,
                "partition": partition,
                "sequence": sequence,
                "verdicts": VERDICTS.plain(verdicts),
                "summaries": SUMMARIES.plain(summaries),
                "running": RUNNING_FLOWS.plain(running),
            }
        case SignallingRecord(at):
            return {"kind": "signalling", "partition": at.partition, "offset": at.offset}
        case SourceSilent(source):
            return {"kind": "silence", "source": source}
        case VoteUpdate(votes, allowed):
            return {"kind": "votes", "votes": VOTES.plain(votes), "allowed": sorted(allowed)}


def _in(values: Any, fetch: Fetch) -> SiteInput:
    match values:
        case {"kind": "flows", "source": int(source), "partition": int(partition), "sequence": int(sequence)}:
            rows = tuple(VERDICTS.read(values["verdicts"])), tuple(SUMMARIES.read(values["summaries"]))
            running = tuple(RUNNING_FLOWS.read(values.get("running", [])))
            return FlowResults(source, partition, sequence, *rows, running)
        case {"kind": "signalling", "partition": int(partition), "offset": int(offset)}:
            at = RecordOffset(partition, offset)
            return SignallingRecord(at, fetch(at))
        case {"kind": "silence", "source": int(source)}:
            return SourceSilent(source)
        case {"kind": "votes", "votes": votes, "allowed": list(allowed)}:
            return VoteUpdate(tuple(VOTES.read(votes)), frozenset(map(str, allowed)))
    raise DecodeError("an entry of the journal holds an unknown input")


def _named_0_1_0(values: Any) -> dict[str, Any]:
    """Return an input of version 1 with names; its rows stay without."""
    match values:
        case ["flows", source, partition, sequence, str(verdicts), str(summaries)]:
            return {
                "kind": "flows",
                "source": source,
                "partition": partition,
                "sequence": sequence,
                "verdicts": json.loads(verdicts),
                "summaries": json.loads(summaries),
            }
        case ["signalling", partition, offset]:
            return {"kind": "signalling", "partition": partition, "offset": offset}
        case ["silence", source]:
            return {"kind": "silence", "source": source}
        case ["said", votes, allowed]:
            return {"kind": "votes", "votes": votes, "allowed": allowed}
    raise DecodeError("an entry of the journal holds an unknown input")
