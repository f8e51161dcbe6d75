"""A home of calls (home.py) as a Snapshot and back, at the price of reading again what waits in Kafka.

Signalling that waits for its mark is not part of the state: only where it stands is, so that no number gets
into a store before it was normalised, or replaced by its pseudonym.
"""

import base64
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import astuple
from typing import Any

import numpy as np

from callprint.core.call import Vote
from callprint.core.calls.assembly_snapshot import verdict_in, verdict_out
from callprint.core.ground.errors import ConfigError, DecodeError
from callprint.core.ground.snapshot import Snapshot
from callprint.core.relay.order import SiteOrder, Source, Waiting
from callprint.core.relay.site import SiteCalls
from callprint.core.relay.site_inputs import FlowResults, RecordOffset
from callprint.core.spam.features import FEATURE_COUNT
from callprint.core.spam.histories import CallHistory
from callprint.core.spam.judging import CallJudge
from callprint.core.spam.sightings import Sightings
from callprint.core.wire.progress import Progress, decode_progress, encode_progress
from callprint.core.wire.rows import rows_to_text, text_to_summaries, text_to_verdicts
from callprint.core.wire.signalling import SignallingBatch

Fetch = Callable[[RecordOffset], SignallingBatch | Progress]
"""Reads a record of the signalling topic again."""


def snapshot(home: SiteCalls) -> Snapshot:
    """Return everything that a later row depends on."""
    own = {
        "site": home.site,
        "over": home.over,
        "repeats": home.repeats,
        "verdicts": [verdict_out(verdict) for verdict in home.verdicts.values()],
        "heard": [] if home.over else [astuple(vote) for vote in home.user_votes.taken.values()],
    }
    parts = {"own": Snapshot(own), "order": _order_state(home.order)}
    if not home.over:
        parts |= {
            "assembly": home.assembler.snapshot(),
            "judge": _judge_state(home.judge),
            "history": Snapshot({}, home.judge.history.snapshot()),
            "sightings": home.judge.sightings.snapshot(),
            "detector": home.detector.snapshot(),
        }
    return Snapshot.joined(parts)


def restore(home: SiteCalls, state: Snapshot, fetch: Fetch) -> bool:
    """Bring a fresh home, with a fresh detector, to where the snapshot was taken.

    Returns False when the detector was another one, or another version: it is left as it was. Raises DecodeError
    when the state is damaged, and what `fetch` raises.
    """
    own = state.part("own").plain
    try:
        if own["site"] != home.site:
            raise DecodeError(f"the state is of site {own['site']}, not of {home.site}")
        verdicts = [verdict_in(values) for values in own["verdicts"]]
        votes = [Vote(*vote) for vote in own["heard"]]
        home.over, home.repeats = bool(own["over"]), int(own["repeats"])
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise DecodeError(f"the state of a home of calls is damaged: {error!r}") from error
    home.user_votes.begin(votes, ())
    home.verdicts = OrderedDict((verdict.flow, verdict) for verdict in verdicts)
    _restore_order(home.order, state.part("order").plain, fetch)
    if home.over:
        return True
    home.assembler.restore(state.part("assembly"))
    try:
        history = CallHistory.restore(state.part("history").arrays, home.judge.history.utc_offset_s)
        home.judge.sightings = Sightings.restore(state.part("sightings"))
    except ConfigError as error:
        raise DecodeError(str(error)) from error
    _restore_judge(home.judge, history, state.part("judge"))
    try:
        home.detector.restore(state.part("detector"))
    except ConfigError:
        return False
    return True


def _order_state(order: SiteOrder) -> Snapshot:
    sources = [
        {
            "number": number,
            "heard": [[*key, batches] for key, batches in source.heard.items()],
            "waived": [[*key, batches] for key, batches in source.waived.items()],
            "met": source.met,
            "marks": [base64.b64encode(encode_progress(mark)).decode("ascii") for mark in source.marks],
            "flows": [
                [news.partition, news.sequence, rows_to_text(news.verdicts), rows_to_text(news.summaries)]
                for news in source.flows
            ],
            "batches": list(source.batches),
            "joined": source.joined,
            "clock_ns": source.clock_ns,
            "latest_ns": source.latest_ns,
            "told_ns": source.told_ns,
            "ended": source.ended,
        }
        for number, source in order.sources.items()
    ]
    merged = [[entry.time_ns, entry.source, entry.number, entry.place] for entry in order.merged]
    return Snapshot({"sources": sources, "merged": merged, "hurried": order.hurried})


def _restore_order(order: SiteOrder, plain: dict[str, Any], fetch: Fetch) -> None:
    try:
        for values in plain["sources"]:
            source = Source(
                met=bool(values["met"]),
                joined=bool(values["joined"]),
                clock_ns=int(values["clock_ns"]),
                latest_ns=int(values["latest_ns"]),
                told_ns=int(values["told_ns"]),
                ended=bool(values["ended"]),
            )
            for topic, partition, batches in values["heard"]:
                source.heard[int(topic), int(partition)] = int(batches)
            for topic, partition, batches in values["waived"]:
                source.waived[int(topic), int(partition)] = int(batches)
            source.marks.extend(decode_progress(base64.b64decode(mark)) for mark in values["marks"])
            for partition, sequence, verdicts, summaries in values["flows"]:
                rows = tuple(text_to_verdicts(verdicts)), tuple(text_to_summaries(summaries))
                source.flows.append(FlowResults(int(values["number"]), int(partition), int(sequence), *rows))
            for partition, offset in values["batches"]:
                place = RecordOffset(int(partition), int(offset))
                source.batches[place] = _messages_at(fetch, place)
                order.waiting += len(source.batches[place].messages)
            order.sources[int(values["number"])] = source
        known: dict[RecordOffset, SignallingBatch] = {}
        for time_ns, number, message, (partition, offset) in plain["merged"]:
            place = RecordOffset(int(partition), int(offset))
            if place not in known:
                known[place] = _messages_at(fetch, place)
            raw = known[place].messages[known[place].numbers.index(message)]
            order.merged.append(Waiting(int(time_ns), int(number), int(message), place, raw))
            order.waiting += 1
        order.hurried = int(plain["hurried"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DecodeError(f"the state of a site's order is damaged: {error!r}") from error


def _messages_at(fetch: Fetch, place: RecordOffset) -> SignallingBatch:
    record = fetch(place)
    if isinstance(record, Progress):
        raise DecodeError(f"a mark stands at {place}, where messages were")
    return record


def _judge_state(judge: CallJudge) -> Snapshot:
    features = np.array(list(judge.vectors.values())).reshape(len(judge.vectors), FEATURE_COUNT)
    plain = {"calls": list(judge.vectors), "allowed": sorted(judge.allowed)}
    return Snapshot(plain, {"features": features})


def _restore_judge(judge: CallJudge, history: CallHistory, state: Snapshot) -> None:
    try:
        features = state.arrays["features"]
        if features.shape != (len(state.plain["calls"]), FEATURE_COUNT):
            raise ValueError("calls have another number of features")
        calls = [(str(call), str(tag), int(start)) for call, tag, start in state.plain["calls"]]
        allowed = set(map(str, state.plain["allowed"]))
    except (KeyError, TypeError, ValueError) as error:
        raise DecodeError(f"the state of the judge is damaged: {error!r}") from error
    judge.history, judge.allowed = history, allowed
    judge.vectors = OrderedDict(zip(calls, (row.copy() for row in features), strict=True))
