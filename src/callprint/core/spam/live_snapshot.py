"""What the live detector remembers (live.py), and how it becomes a Snapshot and comes back."""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from callprint.core.ground.snapshot import Snapshot
from callprint.core.spam.features import FEATURE_COUNT
from callprint.core.spam.vote_model import Group, Kernel, Lesson

Floats = NDArray[np.float64]


@dataclass(slots=True)
class KnownCaller:
    """What is remembered of a caller."""

    calls: float
    mean_logit: float
    features: Floats  # (FEATURE_COUNT,) mean, standardised
    campaign: int
    counted_until_ns: int = 0  # calls that began until then are in it already: they were taught from a store


@dataclass(frozen=True, slots=True)
class KnownVote:
    """A user's mark on a caller."""

    caller: int
    user: str
    spam: bool
    given_at_ns: int
    as_marked: KnownCaller  # what was known of the caller then: it may be evicted before we learn


def callers_state(keys: Iterable[int], callers: Sequence[KnownCaller]) -> Snapshot:
    """Return callers, in their order."""
    features = np.array([caller.features for caller in callers]).reshape(len(callers), FEATURE_COUNT)
    return Snapshot(
        {},
        {
            "keys": np.fromiter(keys, np.uint64),
            "calls": np.array([caller.calls for caller in callers], np.float64),
            "logits": np.array([caller.mean_logit for caller in callers], np.float64),
            "campaigns": np.array([caller.campaign for caller in callers], np.uint64),
            "counted_until_ns": np.array([caller.counted_until_ns for caller in callers], np.int64),
            "features": features,
        },
    )


def callers_of(state: Snapshot) -> list[tuple[int, KnownCaller]]:
    """Return what `callers_state` was given. Raises KeyError or ValueError when it does not fit."""
    arrays = state.arrays
    if arrays["features"].shape[1:] != (FEATURE_COUNT,):
        raise ValueError("callers have another number of features")
    columns = zip(
        arrays["keys"].tolist(),
        arrays["calls"].tolist(),
        arrays["logits"].tolist(),
        arrays["features"].astype(np.float64),
        arrays["campaigns"].tolist(),
        arrays["counted_until_ns"].tolist(),
        strict=True,
    )
    return [
        (key, KnownCaller(calls, logit, features.copy(), campaign, counted_until_ns))
        for key, calls, logit, features, campaign, counted_until_ns in columns
    ]


def votes_state(votes: Sequence[KnownVote]) -> Snapshot:
    """Return votes, in their order."""
    marked = callers_state((vote.caller for vote in votes), [vote.as_marked for vote in votes])
    said = [[vote.user, vote.spam, vote.given_at_ns] for vote in votes]
    return Snapshot({"said": said}, marked.arrays)


def votes_of(state: Snapshot) -> OrderedDict[tuple[str, int], KnownVote]:
    """Return what `votes_state` was given. Raises KeyError, TypeError or ValueError when it does not fit."""
    votes = [
        KnownVote(caller, str(user), bool(spam), int(given_at_ns), as_marked)
        for (caller, as_marked), (user, spam, given_at_ns) in zip(
            callers_of(state), state.plain["said"], strict=True
        )
    ]
    return OrderedDict(((vote.user, vote.caller), vote) for vote in votes)


def lesson_state(lesson: Lesson) -> Snapshot:
    """Return a lesson."""
    return Snapshot(
        {"kernel": asdict(lesson.kernel), "rate": lesson.rate},
        {
            "features": lesson.callers.features,
            "campaigns": lesson.callers.campaigns,
            "pull": lesson.pull,
            "rates": lesson.rates,
        },
    )


def lesson_of(state: Snapshot) -> Lesson:
    """Return what `lesson_state` was given. Raises KeyError, TypeError or ValueError when it does not fit."""
    arrays = state.arrays
    taught = len(arrays["pull"])
    if arrays["features"].shape != (taught, FEATURE_COUNT) or arrays["campaigns"].shape != (taught,):
        raise ValueError("a lesson's arrays do not fit each other")
    return Lesson(
        Kernel(**{name: float(value) for name, value in state.plain["kernel"].items()}),
        Group(arrays["features"], arrays["campaigns"]),
        arrays["pull"],
        arrays["rates"],
        float(state.plain["rate"]),
    )
