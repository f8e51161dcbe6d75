"""A flood of flows of ten packets each, through all of `callprint identify`: what it takes, and whether memory is flat.

    PYTHONPATH=src .venv/bin/python benchmarks/bench_flood.py [--flows 200000 --flows 1000000]

Ten thousand flows at a time, each with addresses and an SSRC of its own, send ten RTP packets in a fifth of a second;
then come the next ten thousand. Each number of flows is a run of its own, with a store: seconds of wall clock and
processor, and the most memory that the process ever had. Flat means that five times as many flows take the same.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from rtp_capture import FILE_HEADER, rtp_block

ROOT = Path(__file__).resolve().parents[1]
AT_A_TIME, PACKETS_EACH, PAYLOAD = 10_000, 10, 32
WAVES_A_SECOND = 5
# Places in a record of rtp_block.
SECONDS, MICROSECONDS, SOURCE, SSRC = slice(0, 4), slice(4, 8), slice(42, 46), slice(66, 70)


def write_flood(path: Path, flows: int) -> None:
    """Write a capture of so many flows, a multiple of AT_A_TIME."""
    generator = np.random.default_rng(1)
    block = rtp_block(0, AT_A_TIME * PACKETS_EACH, AT_A_TIME, PAYLOAD, generator)
    first_s, first_us = block[:, SECONDS].copy().view("<u4"), block[:, MICROSECONDS].copy().view("<u4")
    source, ssrc = block[:, SOURCE].copy().view(">u4"), block[:, SSRC].copy().view(">u4")
    with path.open("wb") as file:
        file.write(FILE_HEADER.tobytes())
        for wave in range(flows // AT_A_TIME):
            seconds, part = divmod(wave, WAVES_A_SECOND)
            block[:, SECONDS] = (first_s + seconds).astype("<u4").view(np.uint8)
            block[:, MICROSECONDS] = (
                (first_us + part * (1_000_000 // WAVES_A_SECOND)).astype("<u4").view(np.uint8)
            )
            block[:, SOURCE] = (source + (wave << 8)).astype(">u4").view(np.uint8)
            block[:, SSRC] = (ssrc + wave * AT_A_TIME).astype(">u4").view(np.uint8)
            file.write(block.tobytes())


def measured(command: list[str], output: Path, source: Path) -> tuple[float, float, float]:
    """Run a command of a clone; return seconds of wall clock and of processor, and the most memory in MB."""
    begin = time.perf_counter()
    with output.open("wb") as file:
        process = os.posix_spawn(
            command[0],
            command,
            {**os.environ, "PYTHONPATH": str(source / "src")},
            file_actions=[(os.POSIX_SPAWN_DUP2, file.fileno(), 1)],
        )
        _, status, used = os.wait4(process, 0)
    if status:
        raise SystemExit(f"{' '.join(command)}: status {status}")
    return time.perf_counter() - begin, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def main() -> None:
    """Measure each size, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--flows", type=int, action="append")
    parser.add_argument("--option", action="append", default=[], help="another argument of identify")
    parser.add_argument("--source", type=Path, default=ROOT, help="root of another clone")
    arguments = parser.parse_args()
    print(
        "| flows | wall s | processor s | µs of processor a flow | most memory, MB |\n|---:|---:|---:|---:|---:|"
    )
    for flows in arguments.flows or [200_000, 1_000_000]:
        with tempfile.TemporaryDirectory() as folder:
            capture = Path(folder) / "flood.pcap"
            write_flood(capture, flows)
            command = [sys.executable, "-m", "callprint", "identify", str(capture)]
            command += ["--store", f"{folder}/flood.sqlite", *arguments.option]
            wall_s, spent_s, memory_mb = measured(command, Path(folder) / "output.txt", arguments.source)
        print(
            f"| {flows:,} | {wall_s:.0f} | {spent_s:.0f} | {1e6 * spent_s / flows:.0f} | {memory_mb:,.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
