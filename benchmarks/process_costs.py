"""What processes have cost so far, as /proc knows it: processor time, wake-ups, calls that read or write, bytes."""

import os
import resource
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

TICKS = os.sysconf("SC_CLK_TCK")


class Cost(NamedTuple):
    """The cost of some processes up to a moment, or between two."""

    seconds: float  # of processor
    wakeups: float  # times that a thread had waited for something and went on
    calls: float  # of read, write and their like; sockets that use recv and send are not among them
    read: float  # bytes, by these calls
    written: float

    def since(self, before: "Cost") -> "Cost":
        """Return the cost from `before` to this moment."""
        return Cost(*(now - then for now, then in zip(self, before, strict=True)))

    def each(self, count: int) -> "Cost":
        """Return the share of one of `count`."""
        return Cost(*(value / count for value in self))


def cost_of(pids: Iterable[int]) -> Cost:
    """Return what these processes have cost so far; one that has ended counts as nothing."""
    found = [_cost(pid) for pid in pids]
    return Cost(*(sum(column) for column in zip(*found, strict=True))) if found else Cost(0, 0, 0, 0, 0)


def of_children_s() -> float:
    """Return the processor time of this process's children that have ended, in seconds."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def of_machine_s() -> float:
    """Return the processor time that all cores have spent on anything since the machine started, in seconds."""
    user, nice, system, _idle, _wait, interrupts, soft, *_ = map(
        int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    )
    return (user + nice + system + interrupts + soft) / TICKS


def _cost(pid: int) -> Cost:
    folder = Path(f"/proc/{pid}")
    try:
        times = (folder / "stat").read_text().rpartition(")")[2].split()
        lines = (folder / "io").read_text().splitlines()
        io = {name: int(value) for name, _, value in (line.partition(":") for line in lines)}
        wakeups = sum(_wakeups(task) for task in (folder / "task").iterdir())
    except OSError:
        return Cost(0, 0, 0, 0, 0)
    seconds = (int(times[11]) + int(times[12])) / TICKS
    return Cost(seconds, wakeups, io["syscr"] + io["syscw"], io["rchar"], io["wchar"])


def _wakeups(task: Path) -> int:
    try:
        status = (task / "status").read_text()
    except OSError:
        return 0  # the thread has ended
    return int(status.partition("\nvoluntary_ctxt_switches:")[2].split()[0])


def resident_mib(pids: Iterable[int]) -> float:
    """Return the resident memory of these processes."""
    found = 0
    for pid in pids:
        with suppress(OSError):
            found += int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return found * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


def table(costs: dict[str, Cost], idle: dict[str, float], flows: int) -> str:
    """Return a line for each process, its cost of a flow; `idle`: of a core, while nothing is sent."""
    lines = [
        "process, a flow         processor us  wake-ups  reads, writes  KB read  KB written  idle, of a core"
    ]
    for name, cost in costs.items():
        one = cost.each(flows)
        lines.append(
            f"{name:22} {one.seconds * 1e6:13,.0f} {one.wakeups:9.2f} {one.calls:14.2f} "
            f"{one.read / 1e3:8.1f} {one.written / 1e3:11.1f} {idle[name]:16.1%}"
        )
    together_us = sum(cost.seconds for cost in costs.values()) / flows * 1e6
    lines.append(f"{'together':22} {together_us:13,.0f}, {2e6 / together_us:,.0f} flows/s of two cores")
    return "\n".join(lines)
