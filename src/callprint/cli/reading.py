"""The two ways in which `callprint identify` reads: captures to their end, interfaces until it is stopped."""

import contextlib
import gc
import signal
import time
from collections.abc import Iterable, Iterator

from rich.console import Console
from rich.text import Text

from callprint.core.verdict import Verdict
from callprint.identification import CaptureRun
from callprint.output.columns import plain, print_line
from callprint.output.console import quantity
from callprint.output.flow_table import declared_words, name_or_guess, way_of
from callprint.output.progress import CaptureProgress
from callprint.sources import LiveSource, PacketSource
from callprint.votes import VoteListener

STORE_EVERY_S = 1.0
"""How long a verdict of a live run waits for others to be stored with."""
COLLECT_AFTER = (10_000, 10, 10)
"""When Python looks for cycles: rows come and go by thousands, and have none."""
LISTEN_EVERY_S = 30.0
"""How long a vote may wait until a live run reads it."""


def read_captures(source: PacketSource, run: CaptureRun, console: Console) -> bool:
    """Read until the end; return True when a person interrupted it."""
    try:
        with CaptureProgress(console, source.bytes_total) as progress:
            for _ in _settled(run.process_all(source)):
                progress.update(source.bytes_done, run.packets, run.flows)
    except KeyboardInterrupt:
        return True
    return False


def read_interfaces(
    live: LiveSource, source: PacketSource, run: CaptureRun, console: Console, listener: VoteListener | None
) -> None:
    """Read until SIGINT or SIGTERM; what the rings still hold then is read as well.

    `source` is what is wanted of `live`; `listener` reads from time to time the votes that users have given meanwhile.
    """
    with stopped_by_signals(live), CaptureProgress(console, None) as progress:
        stored_s = listened_s = time.monotonic()
        for _ in _settled(run.process_all(source)):
            progress.update(source.bytes_done, run.packets, run.flows)
            if time.monotonic() - stored_s >= STORE_EVERY_S:
                run.store_rest()
                stored_s = time.monotonic()
            if listener is not None and time.monotonic() - listened_s >= LISTEN_EVERY_S:
                listener.listen()
                listened_s = time.monotonic()


def say_verdict(console: Console, verdict: Verdict) -> None:
    """Print a verdict of a live run as it is made: the first sure one of a flow, and the final one."""
    when = time.strftime("%H:%M:%S", time.gmtime(verdict.decided_at_ns // 1_000_000_000))
    stage = "final" if verdict.final else f"after {quantity(verdict.k, 'packet')}"
    says = f"  {declared}" if (declared := declared_words(verdict)) else ""
    what = f"{way_of(verdict.flow)}  {name_or_guess(verdict)}"
    print_line(console, plain(f"{when}  {what}  {verdict.confidence:.1%}  {stage}{says}"))


def say_kernel_counters(source: LiveSource, console: Console) -> None:
    """Print how many packets the kernel passed and how many it had to drop, which is not loss in the network."""
    for ring in source.statistics():
        dropped = (
            f"{ring.passed:,} packets passed the kernel's filter, {ring.dropped:,} dropped by the kernel"
        )
        advice = "" if not ring.dropped else ": the ring was full, see docs/use/live-capture.md"
        style = "yellow" if ring.dropped else "dim"
        console.print(Text(f"{ring.interface}: {dropped}{advice}", style=style))


def _settled(steps: Iterable[None]) -> Iterator[None]:
    """Pass steps on; after the first, with everything loaded, tell the collector of cycles to leave that alone.

    Half a million objects of Numba stay until the end; looking through them time and again took a tenth of a run.
    """
    for number, step in enumerate(steps):
        if number == 0:
            gc.freeze()
            gc.set_threshold(*COLLECT_AFTER)
        yield step


@contextlib.contextmanager
def stopped_by_signals(source: LiveSource) -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, lambda _number, _frame: source.stop())
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
