"""Arrays with a column for each feature in snapshots: written with the names of the columns, read by name.

So a snapshot of an older version is read although features were added, dropped or moved since.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from callprint.core.spam.features import NAMES

Floats = NDArray[np.float64]

STORED = "features"
"""Key of the column names in the plain values of a snapshot."""

_FIRST_NAMES = """
    ring_s talk_s caller_media_share callee_packets_per_s caller_packets_per_s caller_jitter_ms answer_ratio
    cancelled_ratio since_last_call_s new_callee_ratio incoming_share gap_variation refused_ratio hour_cos hour_sin
    calls_per_hour answered caller_hung_up cancelled refused called_before callee_called_caller calls_per_day
    short_call_ratio unassigned_ratio callee_hangup_ratio mean_talk_s known_for_s callee_step shared_prefix
    attestation campaign_calls_per_hour campaign_new_caller_ratio campaign_new_callee_ratio campaign_answer_ratio
    campaign_short_call_ratio campaign_callee_hangup_ratio campaign_unassigned_ratio
"""
FIRST_NAMES = tuple(_FIRST_NAMES.split())
"""The columns of 0.1.0, whose snapshots do not name them. Never changed."""


def stored_names(plain: dict[str, Any]) -> tuple[str, ...]:
    """Return the names of the columns of the arrays beside these plain values."""
    return tuple(map(str, plain.get(STORED, FIRST_NAMES)))


def read_columns(array: NDArray[Any], names: Sequence[str], missing: float) -> Floats:
    """Return `array (n, len(names))` with the columns of today, (n, FEATURE_COUNT).

    A feature that is new since gets the value `missing`; one that is gone is dropped. Raises ValueError when
    there are not as many columns as names.
    """
    if array.ndim != 2 or array.shape[1] != len(names) or len(set(names)) != len(names):
        raise ValueError(f"{array.shape} is not the shape of vectors of {len(names)} features")
    column_of = {name: column for column, name in enumerate(names)}
    known = [(at, column_of[name]) for at, name in enumerate(NAMES) if name in column_of]
    columns = np.full((len(array), len(NAMES)), missing)
    columns[:, [at for at, _ in known]] = array[:, [column for _, column in known]]
    return columns
