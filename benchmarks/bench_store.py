#!/usr/bin/env python3
"""Measure the SQLite store: rows a second in batches, bytes a flow, and the time of the usual questions.

.venv/bin/python benchmarks/bench_store.py [FLOWS]
"""

import sys
import tempfile
import time
from pathlib import Path

from callprint.core.verdict import FlowKey, FlowSummary, Verdict
from callprint.stores import VerdictQuery, VerdictStore, open_store

BATCH = 1000
START_NS = 1_760_000_000_000_000_000
STEP_NS = 1_000_000  # a new flow each millisecond
APPLICATIONS = ("linphone", "jami", "pjsua", "baresip", "unknown")


def flow(i: int) -> FlowKey:
    """The i-th flow: hosts of one /8, a port of its own."""
    return FlowKey(
        f"10.{i >> 16}.{i >> 8 & 255}.{i & 255}", 16384, "198.51.100.20", 7078, i, START_NS + i * STEP_NS
    )


def verdict(i: int) -> Verdict:
    """Its final verdict."""
    key = flow(i)
    seen_ns = key.first_seen_ns + 2_000_000_000
    name = APPLICATIONS[i % len(APPLICATIONS)]
    return Verdict(key, name, "linphone", 0.97, 100, True, "bench-1", False, seen_ns, seen_ns)


def summary(i: int) -> FlowSummary:
    """Its statistics."""
    key = flow(i)
    end_ns = key.first_seen_ns + 10_000_000_000
    return FlowSummary(key, 0, "PCMU", 8000, 498, 85656, 0, 4, 500, 2, 0, 0, 1.6, end_ns, "idle")


def report(store: VerdictStore, path: Path, flows: int) -> None:
    """Fill the store, then ask it."""
    verdicts = [verdict(i) for i in range(flows)]
    summaries = [summary(i) for i in range(flows)]
    for name, put, rows in (
        ("verdicts", store.put_verdicts, verdicts),
        ("flows", store.put_flows, summaries),
        ("the same verdicts again", store.put_verdicts, verdicts),
    ):
        began = time.perf_counter()
        for at in range(0, flows, BATCH):
            put(rows[at : at + BATCH])
        print(f"{name}: {flows / (time.perf_counter() - began):,.0f} rows/s in batches of {BATCH}")
    store.close()  # the log goes into the file
    print(f"file: {path.stat().st_size / flows:.0f} bytes a flow")
    middle_ns = verdicts[flows // 2].decided_at_ns
    with open_store(str(path), create=False) as reader:
        for name, query in (
            ("by address", VerdictQuery(address=flow(flows // 2).src_ip)),
            ("by application, latest 200", VerdictQuery(application="jami", limit=200)),
            ("latest 200", VerdictQuery(limit=200)),
            ("by time", VerdictQuery(since_ns=middle_ns, until_ns=middle_ns + 1000 * STEP_NS)),
        ):
            began = time.perf_counter()
            rows_found = len(list(reader.verdicts(query)))
            print(f"{name}: {rows_found} rows in {(time.perf_counter() - began) * 1e3:.1f} ms")


def main() -> None:
    """Run with the number of flows of the command line, by default 200,000."""
    flows = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "verdicts.sqlite"
        with open_store(str(path)) as store:
            report(store, path, flows)


if __name__ == "__main__":
    main()
