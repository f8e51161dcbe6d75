"""A store for bolts: a few attempts while it is down, but never long enough for Storm to miss a heartbeat."""

import logging
import time
from collections.abc import Callable

from callprint.core.ground.errors import RowError, StoreError
from callprint.stores import VerdictStore, open_store

log = logging.getLogger(__name__)

ATTEMPTS = 4
FIRST_BACK_OFF_S = 0.25  # doubled after each attempt
LONGEST_S = 8.0  # a node that accepts a connection but never answers takes ten seconds: then once is enough


class PatientStore:
    """A store that is opened when it is first needed, and reopened after a failure."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._store: VerdictStore | None = None

    def write(self, work: Callable[[VerdictStore], None]) -> bool:
        """Do the work; return False when the store did not take it, in which case part of it may be done.

        Raises RowError when the store will never take it.
        """
        began_s = time.monotonic()
        for attempt in range(ATTEMPTS):
            try:
                work(self.opened())
            except RowError:
                raise
            except StoreError as error:
                log.warning("attempt %d of %d: %s", attempt + 1, ATTEMPTS, error)
                self.close()
                if time.monotonic() - began_s > LONGEST_S:
                    break
                if attempt + 1 < ATTEMPTS:
                    time.sleep(FIRST_BACK_OFF_S * 2**attempt)
            else:
                return True
        return False

    def opened(self) -> VerdictStore:
        """Return the open store. Raises StoreError when it does not answer."""
        if self._store is None:
            self._store = open_store(self._url)
        return self._store

    def close(self) -> None:
        """Close the connection."""
        if self._store is not None:
            self._store.close()
            self._store = None
