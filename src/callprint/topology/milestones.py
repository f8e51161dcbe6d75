"""When a counter that should stay at zero is worth a line in the log: at its first count, then whenever it doubled."""


class Milestones:
    """Remembers up to where a counter was told."""

    def __init__(self) -> None:
        self._next = 1

    def reached(self, count: int) -> bool:
        """Return whether `count` is worth telling, and remember that it was told."""
        if count < self._next:
            return False
        self._next = 2 * count
        return True
