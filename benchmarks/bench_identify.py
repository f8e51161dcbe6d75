"""`callprint identify` beside ndpiReader on flows of unknown senders, in the same run: make bench-identify.

Claims: at least as fast as ndpiReader on one core, twice as fast on two, and twice as fast on one without a network.
Unknown senders cost most, because no early look is sure: each flow is looked at four times. The whole command is
measured, from the start of Python to the last row in the store and the tables. Writes docs/results/identify.md.
"""

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import traffic
from bench_packet_path import CACHE, ROOT, machine_line, one_core, prepared
from process_costs import of_children_s
from rich.console import Console

RESULTS = ROOT / "docs" / "results" / "identify.md"
FLOWS, PACKETS_EACH, OTHERS = 14_000, 60, 660_000
PEER = "ndpiReader"
console = Console()


def identify(capture: Path, *options: str) -> list[str]:
    """Return the command, with a store of its own."""
    store = Path(tempfile.mkdtemp(dir=CACHE)) / "verdicts.sqlite"
    return [sys.executable, "-m", "callprint", "identify", "--store", str(store), *options, str(capture)]


READERS: dict[str, tuple[Callable[[Path], list[str]], float | None]] = {
    "callprint identify, one core": (lambda capture: one_core(identify(capture)), 1),
    "callprint identify, all cores": (identify, 2),
    "callprint identify --model none, one core": (
        lambda capture: one_core(identify(capture, "--model", "none")),
        2,
    ),
    f"{PEER} -q, one core": (lambda capture: one_core(["ndpiReader", "-q", "-i", str(capture)]), None),
}
"""Commands by name, and how many times as fast as the peer they should be."""


def measured(command: list[str]) -> tuple[float, float]:
    """Run a command; return wall and processor seconds."""
    before_s, begin = of_children_s(), time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT)
    return time.perf_counter() - begin, of_children_s() - before_s


def main() -> None:
    """Measure and write the report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=5, help="runs of each command, in turn (default: 5)")
    parser.add_argument(
        "--quick", action="store_true", help="one run on little: does it work? Writes no report"
    )
    arguments = parser.parse_args()
    flows, others = (200, 2_000) if arguments.quick else (FLOWS, OTHERS)
    runs = 1 if arguments.quick else arguments.runs
    capture = prepared(
        f"mixture-{flows}.pcap", lambda path: traffic.write_mixture(path, flows, PACKETS_EACH, others)
    )
    readers = {name: found for name, found in READERS.items() if PEER not in name or shutil.which(PEER)}
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in readers}
    for run in range(runs):
        for name, (command, _) in readers.items():
            with console.status(f"run {run + 1} of {runs}: {name}"):
                seconds[name].append(measured(command(capture)))
    for folder in CACHE.glob("tmp*"):
        shutil.rmtree(folder)
    text = report(flows, others, seconds)
    if not arguments.quick:
        RESULTS.write_text(text)
    console.print(text, markup=False, highlight=False)


def report(flows: int, others: int, seconds: dict[str, list[tuple[float, float]]]) -> str:
    """Return the document."""
    runs = len(next(iter(seconds.values())))
    lines = [
        "# The whole of callprint identify: results",
        "",
        "Made by `make bench-identify` (benchmarks/bench_identify.py). "
        f"{flows * PACKETS_EACH + others:,} packets: {flows:,} RTP flows of {PACKETS_EACH} packets by senders that no "
        f"network knows, some 3,000 at a time, among {others:,} packets of {traffic.OTHER_CONNECTIONS:,} other UDP and "
        "TCP connections; in the page cache. Whole "
        "processes, from the start of Python to the last row in SQLite and the tables.",
        "",
        machine_line(),
        "",
        f"| command | seconds (min / median / max of {runs}) | of processor (median) | as fast as {PEER} | goal |",
        "|---|---|---|---|---|",
    ]
    peers = next((found for name, found in seconds.items() if name.startswith(PEER)), None)
    for name, found in seconds.items():
        walls = [wall for wall, _ in found]
        goal = READERS[name][1]
        ratio = (
            f"{statistics.median(peer / wall for (peer, _), wall in zip(peers, walls, strict=True)):.2f}x"
            if peers and goal
            else ""
        )
        lines.append(
            f"| {name} | {min(walls):.2f} / {statistics.median(walls):.2f} / {max(walls):.2f} "
            f"| {statistics.median(cpu for _, cpu in found):.2f} | {ratio} | {f'{goal:.0f}x' if goal else ''} |"
        )
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    main()
