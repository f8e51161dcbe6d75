"""What an analyst changes about clusters: one split in two, several put together.

Each step names the clusters that it was made on. Flows come and go, and clusters with them, so a step that finds its
clusters no more changes nothing.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from sklearn.cluster import KMeans

from callprint.unknowns.clusters import UnknownMap, grouped, oldest_digest

SPLIT, MERGE = "split", "merge"


class Step(NamedTuple):
    """One change."""

    kind: str  # SPLIT: of the one cluster; MERGE: of all
    clusters: tuple[str, ...]


def regrouped(found: UnknownMap, steps: Iterable[Step]) -> UnknownMap:
    """Return the map after these steps, one after the other."""
    for step in steps:
        found = _split(found, step.clusters[0]) if step.kind == SPLIT else _merged(found, step.clusters)
    return found


def _split(found: UnknownMap, name: str) -> UnknownMap:
    cluster = next((each for each in found.clusters if each.name == name), None)
    if cluster is None:
        return found
    members = np.sort(np.array(cluster.members))
    rows = found.embedding[members]
    if len(np.unique(rows, axis=0)) < 2:
        return found
    half = KMeans(2, n_init=10, random_state=1).fit(rows).labels_
    return grouped(found, [*_others(found, (name,)), *(_group(found, members[half == i]) for i in (0, 1))])


def _merged(found: UnknownMap, names: tuple[str, ...]) -> UnknownMap:
    chosen = [each.members for each in found.clusters if each.name in names]
    if len(chosen) < 2:
        return found
    return grouped(found, [*_others(found, names), _group(found, np.sort(np.concatenate(chosen)))])


def _others(found: UnknownMap, names: tuple[str, ...]) -> list[tuple[str, np.ndarray]]:
    return [(each.name, np.sort(np.array(each.members))) for each in found.clusters if each.name not in names]


def _group(found: UnknownMap, members: np.ndarray) -> tuple[str, np.ndarray]:
    return oldest_digest(found.flows, members), members
