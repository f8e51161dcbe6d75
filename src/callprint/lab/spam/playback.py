"""Plays a trace through the live detector as it runs in production, and counts what it advises.

Every call is judged when it begins and when it is over, in the order of time, by the objects that serve live calls:
`CallHistory` for the features, `OwnDetector` for the judgement, with its own thresholds and its hourly learning.
Nothing of what comes later is known. With feedback, users vote a share of the calls a minute after their end.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from callprint.core.call import Action, Judgement, Phase
from callprint.core.spam.histories import CallHistory
from callprint.core.spam.own_detector import OwnDetector
from callprint.lab.spam.cell import draw_votes, drawn_trace
from callprint.lab.spam.traces import Trace

MINUTE_NS = 60_000_000_000
USERS = 50
FEEDBACK = ((0.0, 0.0), (0.1, 0.1))  # (ratio, noise) that the report shows
BEGIN, END, VOTE = range(3)


def play(
    trace: Trace, votes: NDArray[np.int64], detector: OwnDetector | None = None
) -> Iterator[tuple[int, Phase, Judgement]]:
    """Yield (call, phase, judgement) in the order of time; `votes (n,)`: 1 spam, 0 not spam, -1 none."""
    detector = detector or OwnDetector()
    history = CallHistory(capacity=4 * len(trace.calls))
    vectors: dict[int, NDArray[np.float64]] = {}
    voted = np.flatnonzero(votes >= 0)
    times = np.concatenate(
        [trace.calls["started_ns"], trace.calls["ended_ns"], trace.calls["ended_ns"][voted] + MINUTE_NS]
    )
    count = len(trace.calls)
    kinds = np.repeat([BEGIN, END, VOTE], [count, count, len(voted)])
    places = np.concatenate([np.arange(count), np.arange(count), voted])
    for step in np.lexsort((places, kinds, times)):
        place, now_ns = int(places[step]), int(times[step])
        call = trace.calls[place]
        if kinds[step] == BEGIN:
            vectors[place] = history.setup(call)
            yield place, Phase.SETUP, detector.judge(call, vectors[place], Phase.SETUP, now_ns)
        elif kinds[step] == END:
            vector = history.end(call, vectors.pop(place))
            yield place, Phase.END, detector.judge(call, vector, Phase.END, now_ns)
        else:
            detector.add_vote(int(call["caller"]), f"user {place % USERS}", votes[place] == 1, now_ns)


def action_shares(name: str, seeds: tuple[int, ...], ratio: float, noise: float) -> list[dict[str, Any]]:
    """Return for each phase and kind of call how many there were, and the share of each action or a stronger one."""
    counts = {(phase, spam): dict.fromkeys(Action, 0) for phase in Phase for spam in (False, True)}
    for seed in seeds:
        trace = drawn_trace(name, seed)
        for place, phase, judgement in play(trace, draw_votes(trace.spam, ratio, noise, seed)):
            counts[phase, bool(trace.spam[place])][judgement.action] += 1
    rows = []
    for (phase, spam), by_action in counts.items():
        calls = sum(by_action.values())
        row: dict[str, Any] = {
            "trace": name,
            "ratio": ratio,
            "noise": noise,
            "phase": phase.value,
            "spam": spam,
        }
        rows.append(row | {"calls": calls, **{action.value: by_action[action] / calls for action in Action}})
    return rows
