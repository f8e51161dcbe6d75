"""The reference of a model card as JSON values, and back. Data from outside, so everything is checked."""

from typing import Any

from callprint.core.identify.card_fields import fail, get, number, whole_number
from callprint.core.identify.reference import (
    CONFIDENCE_EDGES,
    MOST_BINS,
    OUTCOMES,
    PARTS,
    FeatureBins,
    Limit,
    Reference,
)

MOST_FLOWS = 1 << 40


def reference_table(reference: Reference) -> dict[str, Any]:
    """Return the JSON object of a reference."""
    return {
        "confidence": list(reference.confidence),
        "outcomes": list(reference.outcomes),
        "applications": list(reference.applications),
        "features": [[list(bins.edges), list(bins.counts)] for bins in reference.features],
        "limits": [[limit.flows, list(limit.values)] for limit in reference.limits],
    }


def _list(value: Any, field: str, length: int | None = None) -> list[Any]:
    if not isinstance(value, list) or (length is not None and len(value) != length):
        raise fail(field, "is not a list" if length is None else f"is not a list of {length}")
    return value


def _counts(value: Any, field: str, length: int) -> tuple[int, ...]:
    return tuple(whole_number(count, field, 0, MOST_FLOWS) for count in _list(value, field, length))


def _bins(value: Any, field: str) -> FeatureBins:
    edges, counts = _list(value, field, 2)
    if len(_list(edges, field)) >= MOST_BINS:
        raise fail(field, f"has more than {MOST_BINS} bins")
    borders = tuple(number(edge, field, -1e30, 1e30) for edge in edges)
    if list(borders) != sorted(set(borders)):
        raise fail(field, "has edges that are not in rising order")
    return FeatureBins(borders, _counts(counts, field, len(borders) + 1))


def _limits(value: Any, field: str) -> tuple[Limit, ...]:
    limits = []
    for pair in _list(value, field):
        flows, values = _list(pair, field, 2)
        bounds = tuple(number(each, field, 0.0, 1.0) for each in _list(values, field, len(PARTS)))
        limits.append(Limit(whole_number(flows, field, 1, MOST_FLOWS), bounds))
    flows_of = [limit.flows for limit in limits]
    if not limits or flows_of != sorted(set(flows_of)):
        raise fail(field, "is empty or not in rising order of flows")
    return tuple(limits)


def read_reference(table: Any, classes: int, columns: int) -> Reference | None:
    """Return the checked reference of a card, None if it has none; `columns`: how many features the network reads.

    Raises ModelError naming the field.
    """
    if table is None:
        return None
    features = _list(get(table, "reference.features"), "reference.features", columns)
    return Reference(
        _counts(get(table, "reference.confidence"), "reference.confidence", len(CONFIDENCE_EDGES) + 1),
        _counts(get(table, "reference.outcomes"), "reference.outcomes", len(OUTCOMES)),
        _counts(get(table, "reference.applications"), "reference.applications", classes),
        tuple(_bins(value, "reference.features") for value in features),
        _limits(get(table, "reference.limits"), "reference.limits"),
    )
