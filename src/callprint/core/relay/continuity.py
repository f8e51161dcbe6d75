"""How a bolt that keeps state knows that it has missed nothing: epochs and sequence numbers.

A spout reads a partition in epochs. An epoch begins at the committed low-water mark with sequence 0, and each
further tuple has the next number. A new epoch begins when the spout starts and whenever a tuple fails; it rebuilds
what the bolts hold. A bolt that came up in the middle of an epoch, or missed a tuple, has a hole in its state. It
finds that out here and fails the tuple, which makes the spout begin a new epoch.

A tuple of an older epoch is failed, too. Either its spout has forgotten it and ignores the answer, or it comes from a
spout that must not be followed (a second one on the partition, or one whose epochs do not rise) and was not processed.
"""

from enum import Enum, auto


class Turn(Enum):
    """What to do with a tuple."""

    BEGIN = auto()  # forget the state of this partition, then take the tuple
    TAKE = auto()
    STALE = auto()  # taken before: acknowledge it, do nothing
    FAIL = auto()  # from an epoch that is over, or a tuple before it was missed


class Continuity:
    """How far a bolt is in the tuples of one partition."""

    def __init__(self) -> None:
        self._epoch = -1
        self._expected = 0

    def turn(self, epoch: int, sequence: int) -> Turn:
        """Return what to do with tuple `sequence` of `epoch`; TAKE and BEGIN move on to the next one."""
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
