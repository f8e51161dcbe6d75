"""The feature vector of a call: which numbers, in which order, when each is known and how each is scaled.

`Feature` is the one table. A raw vector holds the values in their units; NaN means "not known" and is
never replaced by a guess. `transform` brings raw vectors to the scale on which the algorithms work.

The first sixteen are the vector of the paper-faithful modes. The paper's pages that list its features
could not be obtained: only number 9 (time since the last call from the same caller) and number 16 (call
frequency) are its own; the other fourteen are our choice of what a 2009 detector could see in signalling
and media. Yes-or-no values come later, because a Gaussian metric makes much of a constant column.
From number 17 on they are ours.

"Earlier calls" below are the caller's (or campaign's) calls that ended before this one began, each
weighted exp(-age / 1 day). Ratios are drawn towards a neutral value by two imaginary calls, so that one
call proves nothing. `histories.CallHistory` computes every value of this table from `calls.facts.CALL` rows.
"""

from enum import IntEnum
from typing import Self

import numpy as np
from numpy.typing import NDArray

SETUP = "setup"  # known when the INVITE arrives, before the callee's phone rings
END = "end"  # known when the call is over
LINEAR, LOG = False, True  # LOG: transformed by log(1 + value), because it spans several orders of magnitude
OURS = "ours"


class Feature(IntEnum):
    """The features, each equal to its column in a raw or transformed vector.

    A row: name of the column in files and reports; unit; SETUP or END; source; LINEAR or LOG; definition.
    """

    column: str
    unit: str
    known: str
    source: str
    log: bool
    definition: str

    def __new__(cls, column: str, unit: str, known: str, source: str, log: bool, definition: str) -> Self:
        """Number the rows in their order."""
        feature = int.__new__(cls, len(cls.__members__))
        feature._value_ = len(cls.__members__)
        feature.column, feature.unit, feature.known, feature.source = column, unit, known, source
        feature.log, feature.definition = log, definition
        return feature

    # A table: the formatter would give every cell a line of its own.
    # fmt: off
    RING = ("ring_s", "s", END, OURS, LOG, "INVITE to the answer, or to the final refusal or CANCEL")
    TALK = ("talk_s", "s", END, OURS, LOG, "answer to the end; not known when not answered")
    CALLER_MEDIA_SHARE = ("caller_media_share", "ratio", END, OURS, LINEAR,
        "RTP payload bytes from the caller / from both; not known without media")
    CALLEE_PACKET_RATE = ("callee_packets_per_s", "1/s", END, OURS, LINEAR,
        "RTP packets of the callee / talk time: low where silence is suppressed")
    CALLER_PACKET_RATE = ("caller_packets_per_s", "1/s", END, OURS, LINEAR,
        "RTP packets of the caller / talk time")
    CALLER_JITTER = ("caller_jitter_ms", "ms", END, OURS, LOG, "RFC 3550 jitter of the caller's RTP")
    ANSWER_RATIO = ("answer_ratio", "ratio", SETUP, OURS, LINEAR, "earlier calls that were answered")
    CANCELLED_RATIO = ("cancelled_ratio", "ratio", SETUP, OURS, LINEAR,
        "earlier calls that the caller cancelled (487)")
    SINCE_LAST_CALL = ("since_last_call_s", "s", SETUP, "paper 9", LOG,
        "time since the last call from the same caller; not known for its first")
    NEW_CALLEE_RATIO = ("new_callee_ratio", "ratio", SETUP, OURS, LINEAR,
        "fan-out: calls to somebody not among the last 32 peers, this one included")
    INCOMING_SHARE = ("incoming_share", "ratio", SETUP, OURS, LINEAR,
        "calls that the caller itself received and answered / all its calls")
    GAP_VARIATION = ("gap_variation", "ratio", SETUP, OURS, LOG,
        "standard deviation / mean of the gaps between its last calls: near 0 for a machine")
    REFUSED_RATIO = ("refused_ratio", "ratio", SETUP, OURS, LINEAR,
        "earlier calls refused in another way (4xx to 6xx)")
    HOUR_COS = ("hour_cos", "", SETUP, OURS, LINEAR, "cos(2 pi time of day in UTC / 24 h)")
    HOUR_SIN = ("hour_sin", "", SETUP, OURS, LINEAR, "sin(2 pi time of day in UTC / 24 h)")
    CALL_FREQUENCY = ("calls_per_hour", "1/h", SETUP, "paper 16", LOG,
        "call frequency: the caller's calls before this one, weighted exp(-age / 1 h)")
    ANSWERED = ("answered", "0/1", END, OURS, LINEAR, "a 2xx came")
    CALLER_HUNG_UP = ("caller_hung_up", "0/1", END, OURS, LINEAR, "the caller ended it (BYE or CANCEL)")
    CANCELLED = ("cancelled", "0/1", END, OURS, LINEAR, "the caller gave up while it rang (487)")
    REFUSED = ("refused", "0/1", END, OURS, LINEAR, "final answer 400 or above, other than 487")
    CALLED_BEFORE = ("called_before", "0/1", SETUP, OURS, LINEAR,
        "the callee is among the caller's last 32 peers")
    CALLEE_CALLED_CALLER = ("callee_called_caller", "0/1", SETUP, OURS, LINEAR,
        "the caller is among the last 32 numbers that the callee itself called")
    CALLS_PER_DAY = ("calls_per_day", "1/d", SETUP, OURS, LOG,
        "the caller's calls before this one, weighted exp(-age / 1 day)")
    SHORT_CALL_RATIO = ("short_call_ratio", "ratio", SETUP, OURS, LINEAR,
        "earlier answered calls of less than 6 s")
    UNASSIGNED_RATIO = ("unassigned_ratio", "ratio", SETUP, OURS, LINEAR,
        "earlier calls to numbers that do not exist (404, 410, 484, 604)")
    CALLEE_HANGUP_RATIO = ("callee_hangup_ratio", "ratio", SETUP, OURS, LINEAR,
        "earlier answered calls that the callee ended")
    MEAN_TALK = ("mean_talk_s", "s", SETUP, OURS, LOG, "mean talk time of earlier answered calls")
    KNOWN_FOR = ("known_for_s", "s", SETUP, OURS, LOG, "time since the caller was first seen")
    CALLEE_STEP = ("callee_step", "numbers", SETUP, OURS, LOG,
        "distance of this callee's number from the one called before by this caller or campaign")
    SHARED_PREFIX = ("shared_prefix", "ratio", SETUP, OURS, LINEAR,
        "leading digits that caller and callee share / digits: neighbour spoofing")
    ATTESTATION = ("attestation", "0..1", SETUP, OURS, LINEAR,
        "STIR/SHAKEN (RFC 8588): A 1, B 0.5, C 0; not known when not signed, or invalid")
    CAMPAIGN_FREQUENCY = ("campaign_calls_per_hour", "1/h", SETUP, OURS, LOG,
        "calls of the campaign key before this one, weighted exp(-age / 1 h)")
    CAMPAIGN_NEW_CALLER_RATIO = ("campaign_new_caller_ratio", "ratio", SETUP, OURS, LINEAR,
        "calls of the campaign from a caller not among its last 32: rotating numbers")
    CAMPAIGN_NEW_CALLEE_RATIO = ("campaign_new_callee_ratio", "ratio", SETUP, OURS, LINEAR,
        "calls of the campaign to somebody whom their caller had not called before")
    CAMPAIGN_ANSWER_RATIO = ("campaign_answer_ratio", "ratio", SETUP, OURS, LINEAR,
        "earlier calls of the campaign that were answered")
    CAMPAIGN_SHORT_CALL_RATIO = ("campaign_short_call_ratio", "ratio", SETUP, OURS, LINEAR,
        "earlier answered calls of the campaign of less than 6 s")
    CAMPAIGN_CALLEE_HANGUP_RATIO = ("campaign_callee_hangup_ratio", "ratio", SETUP, OURS, LINEAR,
        "earlier answered calls of the campaign that the callee ended")
    CAMPAIGN_UNASSIGNED_RATIO = ("campaign_unassigned_ratio", "ratio", SETUP, OURS, LINEAR,
        "earlier calls of the campaign to numbers that do not exist")
    # fmt: on


FEATURES: tuple[Feature, ...] = tuple(Feature)
"""Every feature, in column order."""

FEATURE_COUNT = len(FEATURES)
NAMES: tuple[str, ...] = tuple(feature.column for feature in FEATURES)
PAPER_COLUMNS: tuple[int, ...] = tuple(range(16))
"""The sixteen features of the paper-faithful modes; column 8 is its feature 9, column 15 its feature 16."""

SETUP_COLUMNS: tuple[int, ...] = tuple(int(feature) for feature in FEATURES if feature.known == SETUP)
END_COLUMNS: tuple[int, ...] = tuple(int(feature) for feature in FEATURES if feature.known == END)
PAPER_SETUP_COLUMNS: tuple[int, ...] = tuple(c for c in PAPER_COLUMNS if c in SETUP_COLUMNS)
"""What pMPCK may look at."""

LOGARITHMIC = np.array([feature.log for feature in FEATURES])
"""(FEATURE_COUNT,) bool: the columns that `transform` changes."""


def transform(raw: NDArray[np.float64]) -> NDArray[np.float64]:
    """Bring raw vectors `(..., FEATURE_COUNT)` to the working scale: log(1 + value) where the table says so.

    NaN stays NaN. A value below 0 in a logarithmic column (a clock that ran backwards) counts as 0.
    """
    values = np.array(raw, dtype=np.float64)
    values[..., LOGARITHMIC] = np.log1p(np.maximum(values[..., LOGARITHMIC], 0.0))
    return values
