"""The packet path beside its peers on the same generated capture, in the same run: make bench.

Claims: at least 5 million packets/s on one core from file to k-matrices and verdict-map look-ups; at least 8 times
ndpiReader; below 1 KB for each decided flow; flat memory under a flood of one-packet flows. Writes the figures to
docs/results/packet-path.md, unless --quick only tries whether it works.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import traffic
from rich.console import Console

from callprint.lab.identification.processor import processor

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache" / "bench"
WORKER = Path(__file__).with_name("packet_path_worker.py")
RESULTS = ROOT / "docs" / "results" / "packet-path.md"
console = Console()

WHOLE = "callprint, whole process"
FIRST = "callprint, first pass of a process"
SECOND = "callprint, second pass: memory touched before"
OURS = (WHOLE, FIRST, SECOND)
QUICK_FLOWS = 200


def one_core(command: list[str]) -> list[str]:
    """Return the command bound to the last core, where the system can do that."""
    core = str(max(os.sched_getaffinity(0)))
    return ["taskset", "-c", core, *command] if shutil.which("taskset") else command


def timed(command: list[str]) -> float:
    """Run a peer and return its wall seconds."""
    begin = time.perf_counter()
    subprocess.run(one_core(command), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - begin


def ours(capture: Path, *options: str) -> dict:
    """Run our worker and return its figures."""
    command = one_core([sys.executable, str(WORKER), str(capture), *options])
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def nfstream_python() -> str | None:
    """Return the Python of a virtual environment with NFStream, made when missing; None when that fails."""
    python = CACHE / "nfstream" / "bin" / "python"
    if not python.exists():
        uv = ROOT / ".venv" / "bin" / "uv"
        try:
            subprocess.run([str(uv), "venv", "--quiet", str(CACHE / "nfstream")], check=True)
            subprocess.run(
                [str(uv), "pip", "install", "--quiet", "--python", str(python), "nfstream"], check=True
            )
        except (OSError, subprocess.CalledProcessError):
            shutil.rmtree(CACHE / "nfstream", ignore_errors=True)
            return None
    return str(python)


def prepared(name: str, write: Callable[[Path], None]) -> Path:
    """Return a generated capture, written the first time."""
    CACHE.mkdir(parents=True, exist_ok=True)
    path = CACHE / name
    if not path.exists():
        with console.status(f"writing {name}"):
            write(path)
    path.read_bytes()  # into the page cache, so that nobody is measured against the disk
    return path


def main() -> None:
    """Measure and write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="runs of each reader, in turn (default: 5)")
    parser.add_argument("--flows", type=int, default=10_000, help="calls at the same time (default: 10,000)")
    parser.add_argument(
        "--quick", action="store_true", help="one run on little: does it work? Writes no report"
    )
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.runs, arguments.flows = 1, QUICK_FLOWS
    calls = prepared(f"calls-{arguments.flows}.pcap", lambda p: traffic.write_calls(p, arguments.flows, 500))
    packets = arguments.flows * 500

    peers = {}
    if shutil.which("ndpiReader"):
        peers["ndpiReader"] = lambda: timed(["ndpiReader", "-q", "-i", str(calls)])
    nfstream = nfstream_python()
    if nfstream:
        peer = str(Path(__file__).with_name("nfstream_peer.py"))
        peers["NFStream"] = lambda: timed([nfstream, peer, str(calls)])
    times: dict[str, list[float]] = {name: [] for name in (*OURS, *peers)}
    for run in range(arguments.runs):
        with console.status(f"run {run + 1} of {arguments.runs}"):
            times[WHOLE].append(timed([sys.executable, str(WORKER), str(calls), "--once"]))
            passes = ours(calls)
            check(passes, arguments.flows, packets)
            times[FIRST].append(passes["first"]["wall_s"])
            times[SECOND].append(passes["second"]["wall_s"])
            for name, read in peers.items():
                times[name].append(read())

    lines = [
        f"| reader | seconds (min / median / max of {arguments.runs}) | packets/s (median) "
        "| whole process is faster by | first pass is faster by | second pass is faster by |",
        "|---|---|---|---|---|---|",
    ]
    for name, values in times.items():
        ratios = [
            f"{statistics.median(a / b for a, b in zip(values, times[ours_], strict=True)):.1f}x"
            if name in peers
            else ""
            for ours_ in OURS
        ]
        median = statistics.median(values)
        lines.append(
            f"| {name} | {min(values):.2f} / {median:.2f} / {max(values):.2f} "
            f"| {packets / median / 1e6:.2f} million | {' | '.join(ratios)} |"
        )
    lines += ["", *goal_lines(packets, times), *memory_lines(quick=arguments.quick)]
    report(packets, lines, keep=not arguments.quick)


def check(passes: dict, flows: int, packets: int) -> None:
    """Raise when a pass skipped part of the work: how fast it was would prove nothing."""
    for name in ("first", "second"):
        figures = passes[name]
        done = (figures["packets"], figures["matrices"])
        if done != (packets, flows) or figures["verdict_hits"] < packets // 2:
            raise SystemExit(f"the {name} pass read {done[0]:,} packets to {done[1]:,} k-matrices: {figures}")


def goal_lines(packets: int, times: dict[str, list[float]]) -> list[str]:
    """Return which goals of speed were met."""
    lines = []
    for name in OURS:
        rate = packets / statistics.median(times[name]) / 1e6
        lines.append(
            f"- Goal 5 million packets/s, {name}: {'met' if rate >= 5 else 'missed'} ({rate:.2f} million)."
        )
    if "ndpiReader" in times:
        ratio = statistics.median(a / b for a, b in zip(times["ndpiReader"], times[SECOND], strict=True))
        lines.append(f"- Goal 8 times ndpiReader: {'met' if ratio >= 8 else 'missed'} ({ratio:.1f} times).")
        if ratio < 8:
            lines += ["", *why_missed(packets, times)]
    return lines


def why_missed(packets: int, times: dict[str, list[float]]) -> list[str]:
    """Return how far it is to 8 times ndpiReader, and what would have to change."""
    ndpi_ns = statistics.median(times["ndpiReader"]) / packets * 1e9
    ours_ns = statistics.median(times[SECOND]) / packets * 1e9
    return [
        f"Why not 8 times: ndpiReader takes {ndpi_ns:.0f} ns a packet on this machine, so {ndpi_ns / 8:.0f} ns would "
        f"be needed; callprint takes {ours_ns:.0f} ns. A profile is in docs/results/notes.md, ideas that were not "
        "tried yet are in docs/how/flow-engine.md.",
        "",
    ]


def memory_lines(*, quick: bool) -> list[str]:
    """Measure memory for each decided flow, and under a flood; return the lines of the report."""
    batches, flood_packets = (10, 200_000) if quick else (50, 5_000_000)
    short = ours(
        prepared(f"short-calls-{batches}.pcap", lambda p: traffic.write_short_calls(p, 1000, batches)),
        *("--horizon-after-s", "0"),
    )
    (flows_early, bytes_early), (flows_late, bytes_late) = (
        short["first"]["by_tenth"][2],
        short["first"]["by_tenth"][7],
    )
    each = (bytes_late - bytes_early) / (flows_late - flows_early)
    flood = ours(prepared(f"flood-{flood_packets}.pcap", lambda p: traffic.write_flood(p, flood_packets)))
    grown = [resident / 2**20 for _, resident in flood["first"]["by_tenth"]]
    million_per_s = flood["first"]["packets"] / flood["first"]["wall_s"] / 1e6
    return [
        f"- Memory for each decided flow: {each:.0f} bytes (resident memory from {flows_early:,} to "
        f"{flows_late:,} flows in the table, evidence of earlier ones given back).",
        f"- Flood of {flood_packets:,} one-packet flows: {grown[0]:.1f} MiB above the start after a tenth of it, "
        f"{grown[-1]:.1f} MiB after nine tenths, {flood['flows']} flows made, "
        f"{million_per_s:.1f} million packets/s.",
    ]


def machine_line() -> str:
    """Return what the figures of a report were measured on, and when."""
    python = platform.python_version()
    return f"Machine: {processor()}, {os.cpu_count()} cores, Python {python}, {time.strftime('%Y-%m-%d')}."


def report(packets: int, lines: list[str], *, keep: bool) -> None:
    """Print the figures and, with `keep`, write them to docs/."""
    text = "\n".join(
        [
            "# Packet path: results",
            "",
            "Made by `make bench` (benchmarks/bench_packet_path.py). "
            f"{packets:,} packets of G.711 RTP in Ethernet, IPv4 and UDP, {packets // 500:,} calls at the same time, "
            "in the page cache; every reader bound to one core. The peers are whole processes, and so is the first row "
            "of callprint: from the start of Python and the loading of compiled code to the end of the last flow.",
            "",
            "A pass goes from the file to a k-matrix (k = 10) for each flow, the verdict in the map, a look-up of it "
            "by each later packet, and the end of every flow; the network itself is in docs/results/inference.md. The "
            "first pass touches its memory for the first time (184 MB of evidence), which a virtual machine may have "
            "to fetch from its host; the second pass of the same process is what a running agent sees.",
            "",
            machine_line(),
            "",
            *lines,
            "",
        ]
    )
    if keep:
        RESULTS.write_text(text)
    console.print(text, markup=False, highlight=False)


if __name__ == "__main__":
    main()
