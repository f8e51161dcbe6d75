"""What takes seconds to find: a thread beside the pages finds it, and a stream of events says when it changed."""

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from fastapi import Request

from callprint.core.ground.errors import CallprintError

T = TypeVar("T")
LOOK_EVERY_S = 0.5
PING_EVERY_S = 15.0


@dataclass(frozen=True, slots=True)
class Found(Generic[T]):
    """What was found, and when by the wall clock."""

    value: T
    at_s: float


class Background(Generic[T]):
    """The last thing that was found. `make` opens what it needs itself: it runs in a thread of its own."""

    def __init__(self, make: Callable[[], T]) -> None:
        self.found: Found[T] | None = None
        self.running = False
        self.problem = ""
        self.version = 0  # grows with every change
        self._make = make
        self._lock = threading.Lock()

    @property
    def age_s(self) -> float:
        """How old it is; infinite where there is nothing."""
        return time.time() - self.found.at_s if self.found else float("inf")

    def start(self) -> None:
        """Look for it anew, unless that is being done."""
        with self._lock:
            if self.running:
                return
            self.running = True
        self.version += 1
        # No daemon: compiled code that is cut off at the end of the process would abort it.
        threading.Thread(target=self._run).start()

    def _run(self) -> None:
        try:
            self.found = Found(self._make(), time.time())
            self.problem = ""
        except ImportError as error:
            self.problem = f"This needs {error.name}: the extras `cpu` and `spit` bring it."
        except CallprintError as error:
            self.problem = str(error)
        except Exception:
            logging.getLogger(__name__).exception("nothing was found")
            self.problem = "This failed; the log of the console says how."
        finally:
            self.running = False
            self.version += 1


async def changes_of(state: Callable[[], Any], request: Request) -> AsyncIterator[str]:
    """Yield an event whenever `state`, asked beside the event loop, is another."""
    seen: Any = object()  # the first event comes at once: the page may be older than the connection
    quiet_s = 0.0
    yield "retry: 2000\n\n"
    while not await request.is_disconnected():
        now = await asyncio.to_thread(state)
        if now != seen:
            seen, quiet_s = now, 0.0
            yield "event: change\ndata: 1\n\n"
        elif quiet_s >= PING_EVERY_S:
            quiet_s = 0.0
            yield ": still here\n\n"
        await asyncio.sleep(LOOK_EVERY_S)
        quiet_s += LOOK_EVERY_S
