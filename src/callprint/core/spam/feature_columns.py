"""Feature vectors that were kept by an older or a newer version, brought into the columns of today by name."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from callprint.core.spam.features import FEATURE_COUNT, NAMES

FEATURES_0_1_0 = (
    *("ring_s", "talk_s", "caller_media_share", "callee_packets_per_s", "caller_packets_per_s"),
    *("caller_jitter_ms", "answer_ratio", "cancelled_ratio", "since_last_call_s", "new_callee_ratio"),
    *("incoming_share", "gap_variation", "refused_ratio", "hour_cos", "hour_sin", "calls_per_hour"),
    *("answered", "caller_hung_up", "cancelled", "refused", "called_before", "callee_called_caller"),
    *("calls_per_day", "short_call_ratio", "unassigned_ratio", "callee_hangup_ratio", "mean_talk_s"),
    *("known_for_s", "callee_step", "shared_prefix", "attestation", "campaign_calls_per_hour"),
    *("campaign_new_caller_ratio", "campaign_new_callee_ratio", "campaign_answer_ratio"),
    *("campaign_short_call_ratio", "campaign_callee_hangup_ratio", "campaign_unassigned_ratio"),
)
"""The features of callprint 0.1.0, whose snapshots do not name them. They never change."""

_COLUMNS = {name: column for column, name in enumerate(NAMES)}


def columns_of_today(vectors: NDArray[np.float64], names: Sequence[str]) -> NDArray[np.float64]:
    """Return vectors, (n, len(names)) in the order of `names`, as (n, FEATURE_COUNT).

    A feature that they lack is NaN: not known. One that this version does not have is dropped. Raises ValueError
    when the vectors have another number of columns than there are names.
    """
    if vectors.ndim != 2 or vectors.shape[1] != len(names):
        raise ValueError(f"vectors of shape {vectors.shape} do not have {len(names)} features")
    found = np.full((len(vectors), FEATURE_COUNT), np.nan)
    for column, name in enumerate(names):
        if name in _COLUMNS:
            found[:, _COLUMNS[name]] = vectors[:, column]
    return found
