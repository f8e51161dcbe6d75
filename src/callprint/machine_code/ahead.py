"""Compiles what every capture needs on all processors at once, before the first packet (ADR 0013).

Numba compiles in one thread. So each processor gets a process that takes some of the steps in warm_up.py and leaves
their machine code on disk, where the program then finds it. What goes wrong there is compiled as it is needed.
"""

import contextlib
import hashlib
import importlib.metadata
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import cache
from pathlib import Path

from callprint.machine_code import keeping

COSTS_S = {
    "identification features": 20,
    "flow engine": 17,
    "dissection": 6,
    "calls": 4,
    "capture formats": 3,
    "wire format": 2,
    "packet filters": 1,
    "kept packets": 1,
}
"""The steps of warm_up.py, and what each takes on one processor: they are shared out by this."""

WORKER = """
import contextlib, gc, sys
gc.disable()  # a compiler's objects live long, and looking through them took a sixth of the time
from callprint.machine_code import making
from callprint.core.ground.compilation import Compilation
from callprint.machine_code.warm_up import STEPS
Compilation.ready = None  # all of it is to go through Numba
for name in sys.argv[1:]:
    STEPS[name]()
    print(name, flush=True)
with contextlib.suppress(Exception):  # a Numba that has changed inside: it is called itself, as without an image
    making.keep_parts()
"""


@cache
def run_if_needed() -> None:
    """Compile on all processors what this version has not compiled yet, and show how far it is on standard error.

    Once in a process: what fails is compiled as it is needed.
    """
    folder = keeping.base_folder(os.environ.get("NUMBA_CACHE_DIR", ""))
    name = mark_name()
    processors = len(os.sched_getaffinity(0))
    if (
        any((kept / name).exists() for kept in (folder, keeping.SHIPPED))
        or processors < 2
        or keeping.is_temporary(folder)
    ):
        return
    keeping.announce()
    begin = time.monotonic()
    with _progress() as show:
        if not compile_on(processors, show):
            return
    _make_ready()
    for old in folder.glob("complete-*"):
        old.unlink(missing_ok=True)
    (folder / name).touch()
    print(f"callprint: compiled in {time.monotonic() - begin:.0f} s", file=sys.stderr, flush=True)


def _make_ready() -> None:
    from callprint.machine_code import making  # noqa: PLC0415 - once in the life of a version
    from callprint.machine_code.linking import NotSimpleError  # noqa: PLC0415

    with contextlib.suppress(OSError, KeyError, ValueError, NotSimpleError):
        making.make()  # without it, Numba is called


def compile_on(processors: int, show: Callable[[str, int], None] = lambda _name, _cost_s: None) -> bool:
    """Take all steps in so many processes, `show` each with its cost when it is done; return whether all were taken."""
    workers: list[subprocess.Popen[str]] = []
    try:
        for names in shares(processors):
            # Its errors come again, in the program itself, where the same is compiled once more.
            worker = subprocess.Popen(
                [sys.executable, "-c", WORKER, *names],
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )
            workers.append(worker)
        with ThreadPoolExecutor(len(workers)) as threads:
            try:
                for followed in as_completed([threads.submit(_follow, worker, show) for worker in workers]):
                    followed.result()
            finally:
                _end(workers)  # before the threads, which read what they write, are waited for
    finally:
        _end(workers)
    return not any(worker.returncode for worker in workers)


def shares(processors: int) -> list[list[str]]:
    """Return the steps of each process, the costliest first, each to the one that has least to do."""
    found: list[list[str]] = [[] for _ in range(min(processors, len(COSTS_S)))]
    for name in sorted(COSTS_S, key=COSTS_S.__getitem__, reverse=True):
        min(found, key=lambda names: sum(map(COSTS_S.__getitem__, names))).append(name)
    return found


def _end(workers: "list[subprocess.Popen[str]]") -> None:
    for worker in workers:
        worker.kill()  # nothing happens to one that has ended
        worker.wait()


def _follow(worker: "subprocess.Popen[str]", show: Callable[[str, int], None]) -> None:
    assert worker.stdout is not None
    for line in worker.stdout:
        name = line.strip()
        show(name, COSTS_S.get(name, 0))
    worker.wait()


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[str, int], None]]:
    if not sys.stderr.isatty():
        yield lambda _name, _cost_s: None
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: PLC0415 - for a terminal only

    from callprint.output.console import make_messages  # noqa: PLC0415

    columns = (BarColumn(bar_width=24), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=make_messages(), transient=True) as progress:
        task = progress.add_task("", total=sum(COSTS_S.values()))
        yield lambda name, cost_s: progress.update(task, advance=cost_s, description=name)


def mark_name() -> str:
    """Return the name of the empty file beside complete machine code: a digest of sources, Python, Numba, processor."""
    words = (
        keeping.digest(Path(__file__).with_name("warm_up.py")),
        str(sys.implementation.cache_tag),
        importlib.metadata.version("numba"),
        keeping.processor_named(),
    )
    return "complete-" + hashlib.sha256(" ".join(words).encode()).hexdigest()[:16]
