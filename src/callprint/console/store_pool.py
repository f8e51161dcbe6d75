"""A few threads, each with the store open: a store belongs to one thread, and pages must not wait for each other."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from callprint.stores import VerdictStore, open_store

T = TypeVar("T")

THREADS = 4


class StorePool:
    """Runs questions to a store beside the event loop."""

    def __init__(self, url: str, threads: int = THREADS) -> None:
        """Open nothing yet: each thread opens the store when it is first asked."""
        self.url = url
        self._own = threading.local()
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="store")
        self._beside = ThreadPoolExecutor(1, thread_name_prefix="store beside")

    async def ask(self, question: Callable[[VerdictStore], T]) -> T:
        """Return what `question` finds; it must take all it needs out of the store's iterators. Raises StoreError."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._answer, question)

    async def ask_beside(self, question: Callable[[VerdictStore], T]) -> T:
        """Do what `ask` does, for questions that take long: one after the other, so that pages find a free thread."""
        return await asyncio.get_running_loop().run_in_executor(self._beside, self._answer, question)

    def close(self) -> None:
        """Wait for the questions that run. The files close with their threads' last references."""
        for threads in (self._beside, self._threads):
            threads.shutdown(wait=True, cancel_futures=True)

    def _answer(self, question: Callable[[VerdictStore], T]) -> T:
        store = getattr(self._own, "store", None)
        if store is None:
            store = self._own.store = open_store(self.url, create=False)
        return question(store)
