"""What our detector remembers of callers: how many calls, what they were like. Bounded."""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from callprint.core.ground.snapshot import Snapshot
from callprint.core.spam.feature_columns import STORED, read_columns, stored_names
from callprint.core.spam.features import FEATURE_COUNT, NAMES
from callprint.core.spam.vote_model import Group

Floats = NDArray[np.float64]

NEWEST_CALLS = 200.0  # beyond so many calls a caller's mean forgets, so that a hijacked number shows
AS_USUAL = 0.0  # in standard deviations: what a feature counts as that is not known


@dataclass(slots=True)
class KnownCaller:
    """What is remembered of a caller."""

    calls: float
    mean_logit: float
    features: Floats  # (FEATURE_COUNT,) mean, standardised
    campaign: int
    counted_until_ns: int = 0  # calls that began until then were taught from a store: they count already

    def with_call(self, logit: float, features: Floats, campaign: int) -> "KnownCaller":
        """Return what is known with one call more."""
        calls = self.calls + 1.0
        weight = 1.0 / min(calls, NEWEST_CALLS)
        mean = self.mean_logit + weight * (logit - self.mean_logit)
        average = self.features + weight * (features - self.features)
        return KnownCaller(calls, mean, average, campaign, self.counted_until_ns)


def usual_caller() -> KnownCaller:
    """Return what is assumed of a caller of whom nothing is known."""
    return KnownCaller(1.0, 0.0, np.zeros(FEATURE_COUNT), 0)


class KnownCallers:
    """Callers by key (`ground.keys.stable_key`), about half a kilobyte each.

    Of more than `capacity` the one that called longest ago leaves, and is counted.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.evicted = 0
        self._callers: OrderedDict[int, KnownCaller] = OrderedDict()

    def __len__(self) -> int:
        return len(self._callers)

    def get(self, caller: int) -> KnownCaller | None:
        """Return what is known of a caller."""
        return self._callers.get(caller)

    def remember(self, caller: int, known: KnownCaller) -> None:
        """Note what is known of a caller that has just called."""
        self._callers[caller] = known
        self._callers.move_to_end(caller)
        if len(self._callers) > self.capacity:
            self._callers.popitem(last=False)
            self.evicted += 1

    def mean_logits(self) -> tuple[Floats, Floats]:
        """Return the mean logit and the number of calls of every caller, both (callers,)."""
        callers = self._callers.values()
        means = np.array([known.mean_logit for known in callers])
        return means, np.array([known.calls for known in callers])

    def snapshot(self) -> Snapshot:
        """Return all callers, the quietest first."""
        return callers_snapshot(self._callers, list(self._callers.values()))

    def restore(self, state: Snapshot, evicted: int) -> None:
        """Go on from a `snapshot`. Raises KeyError or ValueError when it does not fit."""
        self._callers = OrderedDict(callers_in(state))
        self.evicted = evicted


def as_group(callers: Sequence[KnownCaller]) -> Group:
    """Return callers as the vote model sees them."""
    features = np.stack([caller.features for caller in callers])
    return Group(features, np.array([caller.campaign for caller in callers], np.uint64))


def callers_snapshot(keys: Iterable[int], callers: Sequence[KnownCaller]) -> Snapshot:
    """Return callers in their order; a caller may be there several times."""
    features = np.array([caller.features for caller in callers]).reshape(len(callers), FEATURE_COUNT)
    return Snapshot(
        {STORED: NAMES},
        {
            "keys": np.fromiter(keys, np.uint64),
            "calls": np.array([caller.calls for caller in callers], np.float64),
            "logits": np.array([caller.mean_logit for caller in callers], np.float64),
            "campaigns": np.array([caller.campaign for caller in callers], np.uint64),
            "counted_until_ns": np.array([caller.counted_until_ns for caller in callers], np.int64),
            "features": features,
        },
    )


def callers_in(state: Snapshot) -> list[tuple[int, KnownCaller]]:
    """Return what `callers_snapshot` was given. Raises KeyError or ValueError when it does not fit."""
    arrays = state.arrays
    columns = zip(
        arrays["keys"].tolist(),
        arrays["calls"].tolist(),
        arrays["logits"].tolist(),
        read_columns(arrays["features"], stored_names(state.plain), AS_USUAL),
        arrays["campaigns"].tolist(),
        arrays["counted_until_ns"].tolist(),
        strict=True,
    )
    return [
        (key, KnownCaller(calls, logit, features.copy(), campaign, counted_until_ns))
        for key, calls, logit, features, campaign, counted_until_ns in columns
    ]
