"""How a bolt with state knows that it has seen everything: epochs and sequence numbers.

A spout reads a partition in epochs. An epoch begins at the committed low-water mark with sequence 0, and each
tuple of it has the next number. A new epoch begins whenever any tuple fails or the spout starts, and rebuilds
what the bolts hold. So a bolt that came up in the middle of an epoch, or missed a tuple, has a hole in its
state, finds that out here, and fails the tuple: that makes the spout begin a new epoch.

A tuple of an older epoch is failed, too: its spout has forgotten it and does not listen, or else it is a spout that
nobody should follow (a second one of the partition, one whose epochs do not rise), and what it sends was not done.
"""

from enum import Enum, auto


class Turn(Enum):
    """What to do with a tuple."""

    BEGIN = auto()  # forget the state of this partition, then take the tuple
    TAKE = auto()
    STALE = auto()  # taken before: acknowledge, do nothing
    FAIL = auto()  # of an epoch that is over, or something before it was missed


class Continuity:
    """The place in the stream of one partition."""

    def __init__(self) -> None:
        self._epoch = -1
        self._expected = 0

    def turn(self, epoch: int, sequence: int) -> Turn:
        """Say what to do with tuple `sequence` of `epoch`; TAKE and BEGIN move on to the next one."""
        if epoch < self._epoch:
            return Turn.FAIL
        if epoch > self._epoch:
            if sequence != 0:
                return Turn.FAIL
            self._epoch, self._expected = epoch, 1
            return Turn.BEGIN
        if sequence < self._expected:
            return Turn.STALE
        if sequence > self._expected:
            return Turn.FAIL
        self._expected += 1
        return Turn.TAKE
