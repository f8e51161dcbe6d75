"""What a flow, a call and a start cost, before and after, in one table: make bench-costs.

    .venv/bin/python benchmarks/bench_costs.py --before ../older-clone [--cluster figures.json] [--quick]

"Before" is another clone, measured in the same run by turns with this one; without `--before` its column has what
was measured when the goals were set. What is compared with ndpiReader is measured by `make bench-identify` and
`make bench`, the cluster by its own run: `--cluster` names a JSON object of line to [before, after].
Writes docs/results/cost-of-a-flow.md; `--quick` writes nothing.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import bench_start
from bench_packet_path import machine_line

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "docs" / "results" / "cost-of-a-flow.md"
ROUNDS = 3


@dataclass(frozen=True)
class Line:
    """A figure with a goal; smaller is better."""

    what: str
    unit: str
    goal: float
    was: str  # when the goal was set
    measure: Callable[[Path], float]  # of the clone in a folder


def _output(source: Path, arguments: list[str], **environment: str) -> str:
    """Run Python in a clone and return what it prints."""
    paths = os.pathsep.join((str(source / "src"), str(source)))
    return subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, "PYTHONPATH": paths, **environment},
        cwd=source,
        check=True,
        capture_output=True,
        text=True,
    ).stdout


def _found(pattern: str, text: str) -> float:
    match = re.search(pattern, text)
    if match is None:
        raise SystemExit(f"{pattern!r} is not in: {text}")
    return float(match[1].replace(",", ""))


def call(source: Path) -> float:
    """Return ms of processor from seven messages to judged rows."""
    printed = _output(source, ["benchmarks/bench_calls.py"])
    return _found(r"assembled and judged +([\d.]+) µs a call", printed) / 1000


def screen(source: Path) -> float:
    """Return seconds for the widest table of 1,000 flows and that of 1,000 calls."""
    printed = _output(source, ["benchmarks/bench_tables.py"])
    return sum(
        _found(rf"{re.escape(name)}.* ([\d.]+) s\n", printed)
        for name in ("flows (identify)", "calls (identify)")
    )


def warm_start(source: Path) -> float:
    """Return seconds of processor of `identify` on the sample, everything compiled before."""
    with tempfile.TemporaryDirectory() as folder:
        arguments = bench_start.commands(f"{folder}/store.sqlite")["callprint identify, the sample"]
        bench_start.processor_seconds(arguments, source)  # makes the store
        return min(bench_start.processor_seconds(arguments, source) for _ in range(ROUNDS))


def first_start(source: Path) -> float:
    """Return seconds of wall clock until everything is compiled."""
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        _output(source, ["-m", "callprint", "warm-up"], NUMBA_CACHE_DIR=folder)
        return time.perf_counter() - begin


def flood(flows: int) -> Callable[[Path], float]:
    """Return what measures seconds of wall clock for a flood of so many flows."""

    def measure(source: Path) -> float:
        printed = _output(ROOT, ["benchmarks/bench_flood.py", "--flows", str(flows), "--source", str(source)])
        return _found(rf"\| {flows:,} \| ([\d,]+)", printed)

    return measure


LINES = (
    Line("a SIP call of seven messages, to judged rows", "ms of processor", 0.4, "4", call),
    Line("warm start: `identify` on the sample", "s of processor", 0.8, "2.2-3.0", warm_start),
    Line("first start in a fresh clone", "s", 30, "105-134", first_start),
    Line("tables of 1,000 flows and of 1,000 calls on the screen", "s of processor", 0.2, "3", screen),
    Line("a flood of 1,000,000 flows of ten packets", "s", 280, "not done after 280", flood(1_000_000)),
)

ELSEWHERE = (
    (
        "`identify` of 1.5 million packets with 14,000 flows, beside ndpiReader",
        "make bench-identify",
        "identify.md",
    ),
    ("5 million packets of 10,000 calls, whole process and path alone", "make bench", "packet-path.md"),
    ("the cluster: flows/s, spout and bolt under Storm, one writer to Cassandra", "", "cluster.md"),
)
REASONS = {
    "a SIP call of seven messages, to judged rows": "reading and assembling are objects of Python for each message; "
    "judging twice is as much again",
}


def main() -> None:
    """Measure, print, and write the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--before", type=Path, help="root of another clone")
    parser.add_argument("--cluster", type=Path, help="JSON: line to [before, after]")
    parser.add_argument("--quick", action="store_true", help="a small flood, and nothing is written")
    arguments = parser.parse_args()
    lines = LINES
    if arguments.quick:
        lines = (*LINES[:2], Line("a flood of 10,000 flows", "s", 60, "", flood(10_000)))
    rows = []
    for line in lines:
        before = f"{line.measure(arguments.before.resolve()):.3g}" if arguments.before else line.was
        after = line.measure(ROOT)
        verdict = "met" if after <= line.goal else f"missed{_reason(line.what)}"
        rows.append(f"| {line.what}, {line.unit} | {before} | {after:.3g} | {line.goal:g} | {verdict} |")
        print(rows[-1], flush=True)
    if arguments.cluster is not None:
        for what, (before, after) in json.loads(arguments.cluster.read_text()).items():
            rows.append(f"| {what} | {before} | {after} | | |")
    if not arguments.quick:
        RESULTS.write_text(page(rows, arguments.before is not None))


def page(rows: list[str], measured: bool) -> str:
    """Return the page of results."""
    before = (
        "another clone, measured in the same run" if measured else "what was measured when the goals were set"
    )
    links = [
        f"- {what}: [{link}]({link})" + (f", `{command}`" if command else "")
        for what, command, link in ELSEWHERE
    ]
    return "\n".join(
        (
            "# The cost of a flow, a call and a start\n",
            f'Made by `make bench-costs` (benchmarks/bench_costs.py). "Before" is {before}.\n',
            machine_line() + "\n",
            "| what | before | after | goal | |\n|---|---:|---:|---:|---|",
            *rows,
            "\nMeasured by other commands:\n",
            *links,
            "",
        )
    )


def _reason(what: str) -> str:
    return f": {REASONS[what]}" if what in REASONS else ""


if __name__ == "__main__":
    main()
