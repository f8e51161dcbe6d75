"""How the figures of bench_costs.py are measured: groups of figures, each of whole commands of a clone."""

import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import bench_packet_path
import bench_start
import known_flows
import traffic
from bench_identify import FLOWS, OTHERS, PACKETS_EACH, PEER
from bench_packet_path import one_core, prepared
from process_costs import of_children_s

Figures = dict[str, float]


class MissingError(Exception):
    """Something that a measurement needs is not here."""


@dataclass(frozen=True)
class Run:
    """What is measured, and how thoroughly."""

    source: Path  # root of the clone
    rounds: int
    quick: bool
    folder: Path  # for captures and stores, removed afterwards

    def of(self, source: Path) -> "Run":
        """Return the same for another clone."""
        return replace(self, source=source)

    def environment(self, **more: str) -> dict[str, str]:
        """Return the environment in which Python takes callprint from the clone."""
        return {**os.environ, "PYTHONPATH": f"{self.source / 'src'}{os.pathsep}{self.source}", **more}


@dataclass(frozen=True)
class Spent:
    """What a command took."""

    wall_s: float
    processor_s: float
    printed: str


def spent(run: Run, command: list[str], **more: str) -> Spent:
    """Run a command of the clone. Raises subprocess.CalledProcessError."""
    before_s, begin = of_children_s(), time.perf_counter()
    finished = subprocess.run(
        command, env=run.environment(**more), cwd=run.source, check=True, capture_output=True, text=True
    )
    return Spent(time.perf_counter() - begin, of_children_s() - before_s, finished.stdout)


def identify(run: Run, capture: Path, *options: str) -> list[str]:
    """Return the command that identifies a capture, with a new store."""
    store = run.folder / "flows.sqlite"
    for file in run.folder.glob("flows.sqlite*"):
        file.unlink()
    return [sys.executable, "-m", "callprint", "identify", "--store", str(store), *options, str(capture)]


def found(pattern: str, text: str) -> float:
    """Return the number that a pattern's group matches. Raises MissingError."""
    match = re.search(pattern, text)
    if match is None:
        raise MissingError(f"{pattern!r} is not in: {text}")
    return float(match[1].replace(",", ""))


def peer_seconds(run: Run, capture: Path) -> float:
    """Return what ndpiReader takes for a capture, wall clock."""
    if shutil.which(PEER) is None:
        raise MissingError(f"{PEER} is not installed")
    return spent(run, one_core([PEER, "-q", "-i", str(capture)])).wall_s


def identify_beside_peer(run: Run) -> Figures:
    """Whole commands beside ndpiReader, by turns, as in bench_identify.py."""
    flows, others = (200, 2_000) if run.quick else (FLOWS, OTHERS)
    capture = prepared(
        f"mixture-{flows}.pcap", lambda path: traffic.write_mixture(path, flows, PACKETS_EACH, others)
    )
    ratios: dict[str, list[float]] = {"one core": [], "both cores": [], "no network": []}
    for _ in range(run.rounds):
        peer_s = peer_seconds(run, capture)
        for name, values in ratios.items():
            command = identify(run, capture, *(["--model", "none"] if name == "no network" else []))
            values.append(peer_s / spent(run, command if name == "both cores" else one_core(command)).wall_s)
    return {name: statistics.median(values) for name, values in ratios.items()}


def packet_path(run: Run) -> Figures:
    """Long calls beside ndpiReader, by turns, as in bench_packet_path.py."""
    flows = bench_packet_path.QUICK_FLOWS if run.quick else 10_000
    capture = prepared(f"calls-{flows}.pcap", lambda path: traffic.write_calls(path, flows, 500))
    worker = [sys.executable, str(run.source / "benchmarks" / "packet_path_worker.py"), str(capture)]
    ratios: dict[str, list[float]] = {"whole process": [], "path alone": []}
    for _ in range(run.rounds):
        peer_s = peer_seconds(run, capture)
        ratios["whole process"].append(peer_s / spent(run, one_core([*worker, "--once"])).wall_s)
        passes = spent(run, one_core(worker)).printed
        ratios["path alone"].append(peer_s / found(r'"second".*?"wall_s": ([\d.]+)', passes))
    return {name: statistics.median(values) for name, values in ratios.items()}


def flow(run: Run) -> Figures:
    """What a flow costs beyond its packets: those of strangers, those that are sure at once, and without a network.

    A packet's cost is that of a run with as many packets in few flows.
    """
    flows, known = (300, 10) if run.quick else (FLOWS, 500)
    strangers, long_calls, friends = (run.folder / f"{name}.pcap" for name in ("strangers", "long", "known"))
    few = flows // 100
    traffic.write_mixture(strangers, flows, PACKETS_EACH, 0)
    traffic.write_calls(long_calls, few, PACKETS_EACH * 100)
    known_count, known_packets = known_flows.write_known(friends, known, PACKETS_EACH)
    few_packets = few * PACKETS_EACH * 100

    def best(capture: Path, *options: str) -> float:
        return min(spent(run, identify(run, capture, *options)).processor_s for _ in range(run.rounds))

    figures = {}
    for name, capture, count, packets, options in (
        ("stranger", strangers, flows, flows * PACKETS_EACH, ()),
        ("sure at 10", friends, known_count, known_packets, ()),
        ("no network", strangers, flows, flows * PACKETS_EACH, ("--model", "none")),
    ):
        start_s = best(known_flows.SAMPLE, *options)
        packet_s = (best(long_calls, *options) - start_s) / few_packets
        figures[name] = 1e6 * (best(capture, *options) - start_s - packets * packet_s) / count
    return figures


def call(run: Run) -> Figures:
    """Milliseconds of processor from seven messages to judged rows."""
    calls = "500" if run.quick else "5000"
    printed = spent(run, [sys.executable, "benchmarks/bench_calls.py", "--calls", calls]).printed
    return {"judged": found(r"assembled and judged +([\d.]+) µs a call", printed) / 1000}


def screen(run: Run) -> Figures:
    """Seconds for the widest table of 1,000 flows and that of 1,000 calls."""
    # The benchmark of this clone: 0.1.0 has none.
    printed = spent(run, [sys.executable, str(Path(__file__).with_name("bench_tables.py"))]).printed
    names = ("flows (identify)", "calls (identify)")
    return {"tables": sum(found(rf"{re.escape(name)}.* ([\d.]+) s\n", printed) for name in names)}


def warm_start(run: Run) -> Figures:
    """Seconds of processor of `identify` on the sample, everything compiled before."""
    store = run.folder / "warm.sqlite"
    arguments = bench_start.commands(str(store))["callprint identify, the sample"]
    bench_start.processor_seconds(arguments, run.source)  # makes the store
    return {"sample": min(bench_start.processor_seconds(arguments, run.source) for _ in range(run.rounds))}


def first_start(run: Run) -> Figures:
    """Seconds of wall clock until everything is compiled, and of the first start of a wheel."""
    kept = run.folder / f"kept-{run.source.name}"
    warm_up = [sys.executable, "-m", "callprint", "warm-up"]
    figures = {"clone": spent(run, warm_up, NUMBA_CACHE_DIR=str(kept)).wall_s}
    wheels = sorted((run.source / "dist").glob("callprint-*.whl"), key=lambda path: path.stat().st_mtime)
    if not wheels:
        print("  no wheel in dist/: make wheel first", flush=True)
        return figures
    starts = bench_start.from_wheel(wheels[-1])
    return figures | {"wheel": starts["x86-64-v3"].wall_s, "wheel elsewhere": starts["another"].wall_s}


def flood(run: Run) -> Figures:
    """Seconds of wall clock for a flood of short flows, and its memory beside that of a fifth of it."""
    sizes = (20_000, 100_000) if run.quick else (200_000, 1_000_000)
    options = [word for size in sizes for word in ("--flows", str(size))]
    # The benchmark of this clone, which may be newer than that which is measured.
    script = str(Path(__file__).with_name("bench_flood.py"))
    printed = spent(run, [sys.executable, script, *options, "--source", str(run.source)]).printed
    memory_mb = [found(rf"\| {size:,} \|.*\| ([\d,]+) \|", printed) for size in sizes]
    return {
        "seconds": found(rf"\| {sizes[1]:,} \| ([\d,]+)", printed),
        "memory": memory_mb[1] / memory_mb[0],
    }


GROUPS: dict[str, Callable[[Run], Figures]] = {
    "identify": identify_beside_peer,
    "packet path": packet_path,
    "flow": flow,
    "call": call,
    "warm start": warm_start,
    "first start": first_start,
    "screen": screen,
    "flood": flood,
}
"""Groups of figures by name: cost_lines.toml says GROUP/NAME."""
