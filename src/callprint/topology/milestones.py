"""When a counter that should stay at zero is worth a line in the log: when it first counts, then at each doubling."""


class Milestones:
    """Remembers the last count that was logged."""

    def __init__(self) -> None:
        self._next = 1

    def reached(self, count: int) -> bool:
        """Return whether `count` is worth logging, and if so, assume that it is logged."""
        if count < self._next:
            return False
        self._next = 2 * count
        return True
