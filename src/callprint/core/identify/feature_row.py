"""The feature row: a record for each group of feature_list.py, whose fields lie in memory in column order.

Compiled code fills a row by names (`row.rtcp.rtcp_gap_mean_ms`); a network reads the same memory as plain columns.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from callprint.core.identify.feature_list import COLUMNS, FEATURES

GROUPS: dict[str, tuple[str, ...]] = {
    group: tuple(name for feature in features for name in feature.columns)
    for group, features in FEATURES.items()
}
"""The names of the columns, by group."""

FEATURE_NAMES: tuple[str, ...] = tuple(name for names in GROUPS.values() for name in names)


def _row_of(number: type[np.floating[Any]]) -> np.dtype[Any]:
    groups = []
    for group, features in FEATURES.items():
        fields: list[Any] = [
            (feature.name, number, (len(feature.columns),))
            if feature.name in COLUMNS
            else (feature.name, number)
            for feature in features
        ]
        groups.append((group, np.dtype(fields, align=True)))
    return np.dtype(groups, align=True)


FEATURE_ROW = _row_of(np.float32)
"""A row of the feature matrix by name."""

WORK_ROW = _row_of(np.float64)
"""The same while it is computed: float32 would round every intermediate sum."""


def by_name(rows: npt.NDArray[np.float32]) -> npt.NDArray[Any]:
    """Return feature rows, (n, F) float32, as (n,) FEATURE_ROW: a view of the same memory."""
    return rows.view(FEATURE_ROW)[:, 0]


def group_columns(group: str) -> slice:
    """Return the columns of a feature group. Raises KeyError for a name that is none."""
    start = 0
    for name, members in GROUPS.items():
        if name == group:
            return slice(start, start + len(members))
        start += len(members)
    raise KeyError(group)
