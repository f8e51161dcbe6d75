#!/usr/bin/env python3
"""Cassandra: verdicts that expire, compacted by windows of time, as the store asks for, against compaction by size.

    .venv/bin/python benchmarks/bench_expiry.py [--minutes N] [--rate N]

Needs `make cluster-up`. Rows live for five minutes instead of a year, windows are a fifth of that, and memory is
flushed every five seconds, so that the years of a node pass in minutes. Verdicts are written at a steady rate into a
keyspace of each kind, one after the other. Printed are the node's processor time and the disk that the tables take,
beside what the rows that are alive take. The keyspaces are dropped at the end.
"""

import argparse
import statistics
import time

from bench_store import bytes_below, verdict
from keyspace import connected, drop
from process_costs import cost_of
from rich.progress import track

from callprint.services.layout import standard_layout
from callprint.services.service import services
from callprint.stores import open_store

TABLES = ("verdict_by_flow", "verdict_by_host_hour", "verdict_by_application_hour")
LIFE_S = 300
FLUSH_MS = 5_000
COMPACTION = {
    "by size": "{'class': 'SizeTieredCompactionStrategy'}",
    "by windows of time": "{'class': 'TimeWindowCompactionStrategy', 'compaction_window_unit': 'MINUTES', "
    "'compaction_window_size': 1, 'expired_sstable_check_frequency_seconds': 5}",
}


def disk_mb(keyspace: str) -> float:
    """Return what the tables of verdicts take."""
    folder = standard_layout().service("cassandra") / "data" / keyspace
    return sum(bytes_below(table) for name in TABLES for table in folder.glob(f"{name}-*")) / 1e6


def measure(name: str, compaction: str, seconds: int, rate: int) -> str:
    """Write for some time, and return a line of the table."""
    keyspace = "bench_expiry"
    url = f"cassandra://127.0.0.1/{keyspace}"
    node = [services(standard_layout())["cassandra"].process.pid or 0]
    with open_store(url) as store:
        with connected(url) as session:
            for table in TABLES:
                session.execute(
                    f"ALTER TABLE {table} WITH compaction = {compaction} AND default_time_to_live = {LIFE_S} "
                    f"AND gc_grace_seconds = 0 AND memtable_flush_period_in_ms = {FLUSH_MS}"
                )
        begin, before, disks = time.monotonic(), cost_of(node), []
        for second in track(range(seconds), description=name):
            store.put_verdicts(verdict(i) for i in range(second * rate, (second + 1) * rate))
            disks.append(disk_mb(keyspace))
            time.sleep(max(0.0, begin + second + 1 - time.monotonic()))
        spent_us = cost_of(node).since(before).seconds / (seconds * rate) * 1e6
    drop(url)
    settled = disks[2 * LIFE_S :]
    # What was flushed before anything expired is what a life of rows takes.
    alive = disks[LIFE_S - 1]
    return (
        f"| {name} | {spent_us:,.0f} us | {alive:.1f} MB | {statistics.median(settled):.1f} MB "
        f"| {max(settled):.1f} MB | {statistics.median(settled) / alive:.2f} |"
    )


def main() -> None:
    """Measure both, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=int, default=15, help="for each (default: %(default)s)")
    parser.add_argument("--rate", type=int, default=300, help="verdicts a second")
    chosen = parser.parse_args()
    if chosen.minutes * 60 < 3 * LIFE_S:
        parser.error(f"--minutes: at least {3 * LIFE_S // 60}, so that rows have expired for a while")
    print("| compaction | node, a verdict | disk after one life | then, median | at most | times one life |")
    print("|---|---|---|---|---|---|")
    for name, compaction in COMPACTION.items():
        print(measure(name, compaction, chosen.minutes * 60, chosen.rate), flush=True)


if __name__ == "__main__":
    main()
