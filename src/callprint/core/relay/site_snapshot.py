"""The calls of a site (site.py) as a Snapshot and back, at the price of reading again what waits in Kafka.

Signalling that waits for progress is not part of the snapshot: only where it is in Kafka, so that no number gets
into a store before it was normalised, or replaced by its pseudonym.

Everything has a name, so a later version may know more: what a snapshot lacks is "not known" to it.
"""

import base64
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from callprint.core.call import Vote
from callprint.core.ground.errors import ConfigError, DecodeError
from callprint.core.ground.named_rows import NamedRows
from callprint.core.ground.snapshot import Snapshot
from callprint.core.relay.order import SiteOrder, Source, WaitingMessage, weight_of
from callprint.core.relay.released_snapshots import upgraded_0_1_0
from callprint.core.relay.site import SiteCalls
from callprint.core.relay.site_inputs import FlowResults, RecordOffset
from callprint.core.spam.feature_columns import read_columns
from callprint.core.spam.features import FEATURE_COUNT, NAMES
from callprint.core.spam.histories import CallHistory
from callprint.core.spam.judging import CallJudge
from callprint.core.spam.sightings import Sightings
from callprint.core.verdicts.rows import RUNNING_FLOWS, SUMMARIES, VERDICTS
from callprint.core.wire.progress import Progress, decode_progress, encode_progress
from callprint.core.wire.signalling import SignallingBatch

VERSION = 2

Fetch = Callable[[RecordOffset], SignallingBatch | Progress]
"""Reads a record of the signalling topic again."""

VOTES = NamedRows(Vote, released=("call_id", "from_tag", "caller", "user", "given_at_ns", "spam"))


class _Batches(NamedTuple):
    topic: int
    partition: int
    batches: int


class _Merged(NamedTuple):
    time_ns: int
    source: int
    number: int
    partition: int
    offset: int


class _Call(NamedTuple):
    call_id: str
    from_tag: str
    started_ns: int


_BATCHES = NamedRows(_Batches, released=("topic", "partition", "batches"))
_OFFSETS = NamedRows(RecordOffset, released=("partition", "offset"))
_MERGED = NamedRows(_Merged, released=("time_ns", "source", "number", "partition", "offset"))
_CALLS = NamedRows(_Call, released=("call_id", "from_tag", "started_ns"))


def snapshot(calls: SiteCalls) -> Snapshot:
    """Return everything that a later row depends on."""
    own = {
        "version": VERSION,
        "site": calls.site,
        "over": calls.over,
        "repeats": calls.repeats,
        "verdicts": VERDICTS.plain(calls.verdicts.values()),
        "votes": VOTES.plain([] if calls.over else calls.user_votes.taken.values()),
    }
    parts = {"own": Snapshot(own), "order": _order_snapshot(calls.order)}
    if not calls.over:
        parts |= {
            "assembly": calls.assembler.snapshot(),
            "judge": _judge_snapshot(calls.judge),
            "history": Snapshot({}, calls.judge.history.snapshot()),
            "sightings": calls.judge.sightings.snapshot(),
            "detector": calls.detector.snapshot(),
        }
    return Snapshot.joined(parts)


def restore(calls: SiteCalls, kept: Snapshot, fetch: Fetch) -> bool:
    """Bring the calls of a site, fresh and with a fresh detector, to where the snapshot was taken.

    Returns False when the snapshot has another detector, or another version of it: the detector stays as it was.
    Raises DecodeError when the snapshot is damaged or of a later version, and what `fetch` raises.
    """
    kept = _upgraded(kept)
    own = kept.part("own").plain
    try:
        if own["site"] != calls.site:
            raise DecodeError(f"the snapshot is of site {own['site']}, not of {calls.site}")
        verdicts, votes = VERDICTS.read(own["verdicts"]), VOTES.read(own["votes"])
        calls.over, calls.repeats = bool(own["over"]), int(own["repeats"])
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise DecodeError(f"the snapshot of a site's calls is damaged: {error!r}") from error
    calls.user_votes.begin(votes, ())
    calls.verdicts = OrderedDict((verdict.flow, verdict) for verdict in verdicts)
    _restore_order(calls.order, kept.part("order").plain, fetch)
    if calls.over:
        return True
    calls.assembler.restore(kept.part("assembly"))
    try:
        history = CallHistory.restore(kept.part("history").arrays, calls.judge.history.utc_offset_s)
        calls.judge.sightings = Sightings.restore(kept.part("sightings"))
    except ConfigError as error:
        raise DecodeError(str(error)) from error
    calls.user_votes.allow(_restore_judge(calls.judge, history, kept.part("judge")))
    try:
        calls.detector.restore(kept.part("detector"))
    except ConfigError:
        return False
    return True


def _upgraded(kept: Snapshot) -> Snapshot:
    version = kept.part("own").plain.get("version", 1)
    if version == VERSION:
        return kept
    if version != 1:
        raise DecodeError(
            f"a snapshot of version {version!r:.20}; this callprint reads versions up to {VERSION}"
        )
    try:
        return upgraded_0_1_0(kept)
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise DecodeError(f"the snapshot of a site's calls is damaged: {error!r}") from error


def _order_snapshot(order: SiteOrder) -> Snapshot:
    sources = [
        {
            "number": number,
            "received": _batches_out(source.received),
            "waived": _batches_out(source.waived),
            "progress_seen": source.progress_seen,
            "progress": [base64.b64encode(encode_progress(each)).decode("ascii") for each in source.progress],
            "flows": [
                {
                    "partition": results.partition,
                    "sequence": results.sequence,
                    "verdicts": VERDICTS.plain(results.verdicts),
                    "summaries": SUMMARIES.plain(results.summaries),
                    "running": RUNNING_FLOWS.plain(results.running),
                }
                for results in source.flows
            ],
            "batches": _OFFSETS.plain(source.batches),
            "joined": source.joined,
            "clock_ns": source.clock_ns,
            "latest_clock_ns": source.latest_clock_ns,
            "latest_message_ns": source.latest_message_ns,
            "ended": source.ended,
        }
        for number, source in order.sources.items()
    ]
    merged = [_Merged(each.time_ns, each.source, each.number, *each.at) for each in order.merged]
    return Snapshot(
        {"sources": sources, "merged": _MERGED.plain(merged), "released_early": order.released_early}
    )


def _batches_out(counts: Mapping[tuple[int, int], int]) -> Any:
    return _BATCHES.plain(_Batches(*key, batches) for key, batches in counts.items())


def _restore_order(order: SiteOrder, plain: dict[str, Any], fetch: Fetch) -> None:
    try:
        for values in plain["sources"]:
            source = Source(
                progress_seen=bool(values["progress_seen"]),
                joined=bool(values["joined"]),
                clock_ns=int(values["clock_ns"]),
                latest_clock_ns=int(values["latest_clock_ns"]),
                latest_message_ns=int(values["latest_message_ns"]),
                ended=bool(values["ended"]),
            )
            for topic, partition, batches in _BATCHES.read(values["received"]):
                source.received[topic, partition] = batches
            for topic, partition, batches in _BATCHES.read(values["waived"]):
                source.waived[topic, partition] = batches
            source.progress.extend(decode_progress(base64.b64decode(each)) for each in values["progress"])
            number = int(values["number"])
            for results in values["flows"]:
                rows = tuple(VERDICTS.read(results["verdicts"])), tuple(SUMMARIES.read(results["summaries"]))
                partition, sequence = int(results["partition"]), int(results["sequence"])
                running = tuple(RUNNING_FLOWS.read(results.get("running", [])))
                source.wait_with(FlowResults(number, partition, sequence, *rows, running))
            for at in _OFFSETS.read(values["batches"]):
                source.batches[at] = _messages_at(fetch, at)
            order.waiting += source.weight
            order.sources[number] = source
        known: dict[RecordOffset, SignallingBatch] = {}
        for time_ns, number, message, partition, offset in _MERGED.read(plain["merged"]):
            at = RecordOffset(partition, offset)
            if at not in known:
                known[at] = _messages_at(fetch, at)
            raw = known[at].messages[known[at].numbers.index(message)]
            order.merged.append(WaitingMessage(time_ns, number, message, at, raw))
            order.waiting += weight_of([raw])
        order.released_early = int(plain["released_early"])
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise DecodeError(f"the snapshot of a site's order is damaged: {error!r}") from error


def _messages_at(fetch: Fetch, at: RecordOffset) -> SignallingBatch:
    record = fetch(at)
    if isinstance(record, Progress):
        raise DecodeError(f"a progress record is at {at}, where messages were")
    return record


def _judge_snapshot(judge: CallJudge) -> Snapshot:
    vectors = np.array(list(judge.vectors.values())).reshape(len(judge.vectors), FEATURE_COUNT)
    calls = _CALLS.plain(_Call(*call) for call in judge.vectors)
    plain = {"calls": calls, "features": list(NAMES), "allowed": sorted(judge.allowed)}
    return Snapshot(plain, {"features": vectors})


def _restore_judge(judge: CallJudge, history: CallHistory, kept: Snapshot) -> set[str]:
    """Bring the judge to where the snapshot was taken; return the allow-list of then."""
    try:
        calls = _CALLS.read(kept.plain["calls"])
        vectors = read_columns(kept.arrays["features"], kept.plain["features"], np.nan)
        allowed = set(map(str, kept.plain["allowed"]))
        keys = [(call.call_id, call.from_tag, call.started_ns) for call in calls]
        judge.vectors = OrderedDict(zip(keys, (vector.copy() for vector in vectors), strict=True))
    except (KeyError, TypeError, ValueError) as error:
        raise DecodeError(f"the snapshot of the judge is damaged: {error!r}") from error
    judge.history = history
    return allowed
