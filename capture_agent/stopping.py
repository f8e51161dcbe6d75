"""The request to stop: a signal handler makes it while the main thread sleeps or works."""

import os
import select


class StopRequest:
    """Like threading.Event, but made for signal handlers.

    A handler runs in the main thread, between any two of its instructions: inside `Event.wait` it would wait in
    `Event.set` for a lock that its own thread holds, for ever.
    """

    def __init__(self) -> None:
        self._made = False
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)

    def make(self) -> None:
        """Ask to stop; may be called from a signal handler, any number of times."""
        self._made = True
        os.eventfd_write(self._wake, 1)

    def is_made(self) -> bool:
        """Return whether somebody has asked to stop."""
        return self._made

    def wait(self, timeout_s: float) -> bool:
        """Sleep until somebody asks to stop, but no longer than this; return whether somebody has."""
        select.select([self._wake], [], [], timeout_s)
        return self._made
