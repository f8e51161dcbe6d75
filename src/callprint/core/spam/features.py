"""The feature vector of a call: which numbers, in which order, when each is known and how each is scaled.

`FEATURES` is the one table. A raw vector holds the values in their units; NaN means "not known" and is
never replaced by a guess. `transform` brings raw vectors to the scale on which the algorithms work.

The first sixteen are the vector of the paper-faithful modes. The paper's pages that list its features
could not be had: only number 9 (time since the last call from the same caller) and number 16 (call
frequency) are its own; the other fourteen are our choice of what a 2009 detector could see in signalling
and media; yes-or-no values are left to the later columns, because a Gaussian metric makes much of a constant.
From seventeen on they are ours.

"Earlier calls" below are the caller's (or campaign's) calls that ended before this one began, each
weighted exp(-age / 1 day); ratios are drawn towards a neutral value by two imaginary calls, so that one
call is no proof. `history.CallHistory` computes every value of this table from `history.CALL` rows.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

SETUP = "setup"  # known when the INVITE arrives, before the callee's telephone rings
END = "end"  # known when the call is over


class Feature(IntEnum):
    """Column of each feature in a raw or transformed vector."""

    RING = 0
    TALK = 1
    CALLER_MEDIA_SHARE = 2
    CALLEE_PACKET_RATE = 3
    CALLER_PACKET_RATE = 4
    CALLER_JITTER = 5
    ANSWER_RATIO = 6
    CANCELLED_RATIO = 7
    SINCE_LAST_CALL = 8
    NEW_CALLEE_RATIO = 9
    INCOMING_SHARE = 10
    GAP_VARIATION = 11
    REFUSED_RATIO = 12
    HOUR_COS = 13
    HOUR_SIN = 14
    CALL_FREQUENCY = 15
    ANSWERED = 16
    CALLER_HUNG_UP = 17
    CANCELLED = 18
    REFUSED = 19
    CALLED_BEFORE = 20
    CALLEE_CALLED_CALLER = 21
    CALLS_PER_DAY = 22
    SHORT_CALL_RATIO = 23
    UNASSIGNED_RATIO = 24
    CALLEE_HANGUP_RATIO = 25
    MEAN_TALK = 26
    KNOWN_FOR = 27
    CALLEE_STEP = 28
    SHARED_PREFIX = 29
    ATTESTATION = 30
    CAMPAIGN_FREQUENCY = 31
    CAMPAIGN_NEW_CALLER_RATIO = 32
    CAMPAIGN_NEW_CALLEE_RATIO = 33
    CAMPAIGN_ANSWER_RATIO = 34
    CAMPAIGN_SHORT_CALL_RATIO = 35
    CAMPAIGN_CALLEE_HANGUP_RATIO = 36
    CAMPAIGN_UNASSIGNED_RATIO = 37


@dataclass(frozen=True, slots=True)
class FeatureSpec:
    """One row of the feature table."""

    feature: Feature
    name: str  # column name in files and reports
    unit: str
    known: str  # SETUP or END
    source: str  # "paper 9", "paper 16" or "ours"
    log: bool  # transformed by log(1 + value): spans several orders of magnitude
    definition: str


_ROWS: list[tuple[Feature, str, str, str, str, bool, str]] = [
    (
        Feature.RING,
        "ring_s",
        "s",
        END,
        "ours",
        True,
        "INVITE to the answer, or to the final refusal or CANCEL",
    ),
    (Feature.TALK, "talk_s", "s", END, "ours", True, "answer to the end; not known when not answered"),
    (
        Feature.CALLER_MEDIA_SHARE,
        "caller_media_share",
        "ratio",
        END,
        "ours",
        False,
        "RTP payload bytes from the caller / from both; not known without media",
    ),
    (
        Feature.CALLEE_PACKET_RATE,
        "callee_packets_per_s",
        "1/s",
        END,
        "ours",
        False,
        "RTP packets of the callee / talk time: low where silence is suppressed",
    ),
    (
        Feature.CALLER_PACKET_RATE,
        "caller_packets_per_s",
        "1/s",
        END,
        "ours",
        False,
        "RTP packets of the caller / talk time",
    ),
    (
        Feature.CALLER_JITTER,
        "caller_jitter_ms",
        "ms",
        END,
        "ours",
        True,
        "RFC 3550 jitter of the caller's RTP",
    ),
    (Feature.ANSWER_RATIO, "answer_ratio", "ratio", SETUP, "ours", False, "earlier calls that were answered"),
    (
        Feature.CANCELLED_RATIO,
        "cancelled_ratio",
        "ratio",
        SETUP,
        "ours",
        False,
        "earlier calls that the caller cancelled (487)",
    ),
    (
        Feature.SINCE_LAST_CALL,
        "since_last_call_s",
        "s",
        SETUP,
        "paper 9",
        True,
        "time since the last call from the same caller; not known for its first",
    ),
    (
        Feature.NEW_CALLEE_RATIO,
        "new_callee_ratio",
        "ratio",
        SETUP,
        "ours",
        False,
        "fan-out: calls to somebody not among the last 32 peers, this one included",
    ),
    (
        Feature.INCOMING_SHARE,
        "incoming_share",
        "ratio",
        SETUP,
        "ours",
        False,
        "calls that the caller itself received and answered / all its calls",
    ),
    (
        Feature.GAP_VARIATION,
        "gap_variation",
        "ratio",
        SETUP,
        "ours",
        True,
        "standard deviation / mean of the gaps between its last calls: near 0 for a machine",
    ),
    (
        Feature.REFUSED_RATIO,
        "refused_ratio",
        "ratio",
        SETUP,
        "ours",
        False,
        "earlier calls refused in another way (4xx to 6xx)",
    ),
    (Feature.HOUR_COS, "hour_cos", "", SETUP, "ours", False, "cos(2 pi time of day in UTC / 24 h)"),
    (Feature.HOUR_SIN, "hour_sin", "", SETUP, "ours", False, "sin(2 pi time of day in UTC / 24 h)"),
    (
        Feature.CALL_FREQUENCY,
        "calls_per_hour",
        "1/h",
        SETUP,
        "paper 16",
        True,
        "call frequency: the caller's calls before this one, weighted exp(-age / 1 h)",
    ),
    (Feature.ANSWERED, "answered", "0/1", END, "ours", False, "a 2xx came"),
    (
        Feature.CALLER_HUNG_UP,
        "caller_hung_up",
        "0/1",
        END,
        "ours",
        False,
        "the caller ended it (BYE or CANCEL)",
    ),
    (Feature.CANCELLED, "cancelled", "0/1", END, "ours", False, "the caller gave up while it rang (487)"),
    (Feature.REFUSED, "refused", "0/1", END, "ours", False, "final answer 400 or above, other than 487"),
    (
        Feature.CALLED_BEFORE,
        "called_before",
        "0/1",
        SETUP,
        "ours",
        False,
        "the callee is among the caller's last 32 peers",
    ),
    (
        Feature.CALLEE_CALLED_CALLER,
        "callee_called_caller",
        "0/1",
        SETUP,
        "ours",
        False,
        "the caller is among the last 32 numbers that the callee itself called",
    ),
    (
        Feature.CALLS_PER_DAY,
        "calls_per_day",
        "1/d",
        SETUP,
        "ours",
        True,
        "the caller's calls before this one, weighted exp(-age / 1 day)",
    ),
    (
        Feature.SHORT_CALL_RATIO,
        "short_call_ratio",
        "ratio",
        SETUP,
        "ours",
        False,
        "earlier answered calls of less than 6 s",
    ),
    (
        Feature.UNASSIGNED_RATIO,
        "unassigned_ratio",
        "ratio",
        SETUP,
        "ours",
        False,
        "earlier calls to numbers that do not exist (404, 410, 484, 604)",
    ),
    (
        Feature.CALLEE_HANGUP_RATIO,
        "callee_hangup_ratio",
        "ratio",
        SETUP,
        "ours",
        False,
        "earlier answered calls that the callee ended",
    ),
    (Feature.MEAN_TALK, "mean_talk_s", "s", SETUP, "ours", True, "mean talk time of earlier answered calls"),
    (Feature.KNOWN_FOR, "known_for_s", "s", SETUP, "ours", True, "time since the caller was first seen"),
    (
        Feature.CALLEE_STEP,
        "callee_step",
        "numbers",
        SETUP,
        "ours",
        True,
        "distance of this callee's number from the one called before by this caller or campaign",
    ),
    (
        Feature.SHARED_PREFIX,
        "shared_prefix",
        "ratio",
        SETUP,
        "ours",
        False,
        "leading digits that caller and callee share / digits: neighbour spoofing",
    ),
    (
        Feature.ATTESTATION,
        "attestation",
        "0..1",
        SETUP,
        "ours",
        False,
        "STIR/SHAKEN (RFC 8588): A 1, B 0.5, C 0; not known when not signed, or invalid",
    ),
    (
        Feature.CAMPAIGN_FREQUENCY,
        "campaign_calls_per_hour",
        "1/h",
        SETUP,
        "ours",
        True,
        "calls of the campaign key before this one, weighted exp(-age / 1 h)",
    ),
    (
        Feature.CAMPAIGN_NEW_CALLER_RATIO,
        "campaign_new_caller_ratio",
        "ratio",
        SETUP,
        "ours",
        False,
        "calls of the campaign from a caller not among its last 32: rotating numbers",
    ),
    (
        Feature.CAMPAIGN_NEW_CALLEE_RATIO,
        "campaign_new_callee_ratio",
        "ratio",
        SETUP,
        "ours",
        False,
        "calls of the campaign to somebody whom their caller had not called before",
    ),
    (
        Feature.CAMPAIGN_ANSWER_RATIO,
        "campaign_answer_ratio",
        "ratio",
        SETUP,
        "ours",
        False,
        "earlier calls of the campaign that were answered",
    ),
    (
        Feature.CAMPAIGN_SHORT_CALL_RATIO,
        "campaign_short_call_ratio",
        "ratio",
        SETUP,
        "ours",
        False,
        "earlier answered calls of the campaign of less than 6 s",
    ),
    (
        Feature.CAMPAIGN_CALLEE_HANGUP_RATIO,
        "campaign_callee_hangup_ratio",
        "ratio",
        SETUP,
        "ours",
        False,
        "earlier answered calls of the campaign that the callee ended",
    ),
    (
        Feature.CAMPAIGN_UNASSIGNED_RATIO,
        "campaign_unassigned_ratio",
        "ratio",
        SETUP,
        "ours",
        False,
        "earlier calls of the campaign to numbers that do not exist",
    ),
]

FEATURES: tuple[FeatureSpec, ...] = tuple(FeatureSpec(*row) for row in _ROWS)
"""Every feature, in column order."""

FEATURE_COUNT = len(FEATURES)
NAMES: tuple[str, ...] = tuple(spec.name for spec in FEATURES)
PAPER_COLUMNS: tuple[int, ...] = tuple(range(16))
"""The sixteen features of the paper-faithful modes; column 8 is its feature 9, column 15 its feature 16."""

SETUP_COLUMNS: tuple[int, ...] = tuple(int(spec.feature) for spec in FEATURES if spec.known == SETUP)
END_COLUMNS: tuple[int, ...] = tuple(int(spec.feature) for spec in FEATURES if spec.known == END)
PAPER_SETUP_COLUMNS: tuple[int, ...] = tuple(c for c in PAPER_COLUMNS if c in SETUP_COLUMNS)
"""What pMPCK may look at."""

_LOG = np.array([spec.log for spec in FEATURES])


def transform(raw: NDArray[np.float64]) -> NDArray[np.float64]:
    """Bring raw vectors `(..., FEATURE_COUNT)` to the working scale: log(1 + value) where the table says so.

    NaN stays NaN. A value below 0 in a logarithmic column (a clock that ran backwards) counts as 0.
    """
    values = np.array(raw, dtype=np.float64)
    values[..., _LOG] = np.log1p(np.maximum(values[..., _LOG], 0.0))
    return values
