#!/usr/bin/env python3
"""Cassandra: verdicts in tables by query, as the store has them, against fewer tables with storage-attached indexes.

    .venv/bin/python benchmarks/bench_indexes.py [--flows N] [--rounds N]

Needs `make cluster-up`. The same verdicts go into four keyspaces by turns, in batches as the store makes them; then
the usual questions are asked of each in CQL. Counted are the node's processor time until it rests again, with
compaction and building of indexes, bytes on disk, and how long a question takes. The keyspaces are dropped at the end.
"""

import argparse
import random
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import Any

from bench_store import APPLICATIONS, START_NS, STEP_NS, bytes_below, flow, verdict
from cassandra.concurrent import execute_concurrent
from cassandra.query import BatchStatement, BatchType
from keyspace import connected, drop
from process_costs import cost_of

from callprint.core.verdict import Verdict
from callprint.services.layout import standard_layout
from callprint.services.service import services
from callprint.stores import open_store
from callprint.stores.cassandra_batches import batches
from callprint.stores.cassandra_binding import Binder
from callprint.stores.cassandra_rows import BUCKETS, HOUR_NS, Row, host_bucket, verdict_rows

ASKED = 100
BATCH = 200  # verdicts of a write: a tick of a busy topology
CONCURRENT_REQUESTS = 64
REST_S = 3.0  # a node that takes less than a tenth of a core for so long rests
TEN_SECONDS_NS = 10_000_000_000

Question = tuple[str, tuple[object, ...]]
KEY = "src_ip = ? AND src_port = ? AND dst_ip = ? AND dst_port = ?"


@dataclass(frozen=True)
class Layout:
    """A way to keep verdicts."""

    name: str
    keyspace: str
    rows: Callable[[Verdict], Iterator[Row]]
    indexed: tuple[str, str] | None  # a table, and columns with an index each
    by_flow: Callable[[int], list[Question]]
    by_host: Callable[[int], list[Question]]
    by_application: Callable[[str, int], list[Question]]  # ten seconds of one


def hours(flows: int) -> range:
    """Return the hours of the verdicts."""
    return range(verdict(0).decided_at_ns // HOUR_NS, verdict(flows).decided_at_ns // HOUR_NS + 1)


def tables(flows: int) -> Layout:
    """What the store does: each verdict by flow, by both hosts and by application."""

    def by_host(i: int) -> list[Question]:
        host = flow(i).src_ip
        asked = "SELECT * FROM verdict_by_host_hour WHERE hour = ? AND bucket = ? AND host = ?"
        return [(asked, (hour, host_bucket(host), host)) for hour in hours(flows)]

    def by_application(name: str, since_ns: int) -> list[Question]:
        asked = (
            f"SELECT * FROM verdict_by_application_hour WHERE application = ? AND hour = ? AND bucket IN "
            f"{tuple(range(BUCKETS))} AND decided_at_ns >= ? AND decided_at_ns < ?"
        )
        until_ns = since_ns + TEN_SECONDS_NS
        return [
            (asked, (name, hour, since_ns, until_ns))
            for hour in range(since_ns // HOUR_NS, until_ns // HOUR_NS + 1)
        ]

    return Layout(
        "tables by query",
        "bench_tables",
        lambda one: verdict_rows(one, 1),
        None,
        lambda i: [(f"SELECT * FROM verdict_by_flow WHERE {KEY}", flow(i)[:4])],
        by_host,
        by_application,
    )


def one_table(name: str, keyspace: str, table: str, rows: Callable[[Verdict], Iterator[Row]]) -> Layout:
    """One table; what its key does not answer, indexes do, and the node looks through what they leave."""
    rest = " ALLOW FILTERING" if table == "verdict_by_hour" else ""
    return Layout(
        name,
        keyspace,
        rows,
        (table, "src_ip dst_ip application decided_at_ns"),
        lambda i: [(f"SELECT * FROM {table} WHERE {KEY}{rest}", flow(i)[:4])],
        lambda i: [
            (f"SELECT * FROM {table} WHERE {column} = ?", (flow(i).src_ip,))
            for column in ("src_ip", "dst_ip")
        ],
        lambda application, since_ns: [
            (
                f"SELECT * FROM {table} WHERE application = ? AND decided_at_ns >= ? AND decided_at_ns < ?",
                (application, since_ns, since_ns + TEN_SECONDS_NS),
            )
        ],
    )


def by_flow_alone(one: Verdict) -> Iterator[Row]:
    """Yield the row by flow."""
    yield from (row for row in verdict_rows(one, 1) if row.table == "verdict_by_flow")


def by_hour_alone(one: Verdict) -> Iterator[Row]:
    """Yield a row in a partition that the flows of an hour share."""
    for row in by_flow_alone(one):
        partition = (one.decided_at_ns // HOUR_NS, host_bucket(one.flow.src_ip))
        yield Row("verdict_by_hour", partition, (*row.columns, "hour", "bucket"), row.cells, partition)


def two_tables(flows: int) -> Layout:
    """The table by flow, and one by hour with indexes instead of those by host and by application."""
    hour = one_table("", "", "verdict_by_hour", by_hour_alone)
    return Layout(
        "by flow, and by hour with four indexes",
        "bench_flow_hour_indexes",
        lambda one: chain(by_flow_alone(one), by_hour_alone(one)),
        hour.indexed,
        tables(flows).by_flow,
        hour.by_host,
        hour.by_application,
    )


def url_of(layout: Layout) -> str:
    """Return the store's URL."""
    return f"cassandra://127.0.0.1/{layout.keyspace}"


def create(layout: Layout) -> None:
    """Make a keyspace with the store's tables, and what else the layout needs."""
    open_store(url_of(layout)).close()
    if layout.indexed is None:
        return
    table, columns = layout.indexed
    with connected(url_of(layout)) as session:
        if table == "verdict_by_hour":
            of_flow = session.cluster.metadata.keyspaces[layout.keyspace].tables["verdict_by_flow"].columns
            typed = ", ".join(f"{name} {column.cql_type}" for name, column in of_flow.items())
            session.execute(
                f"CREATE TABLE verdict_by_hour ({typed}, hour int, bucket int, PRIMARY KEY ((hour, bucket), "
                "decided_at_ns, src_ip, src_port, dst_ip, dst_port, ssrc, first_seen_ns, final, k, model)) "
                "WITH CLUSTERING ORDER BY (decided_at_ns DESC)"
            )
        for column in columns.split():
            session.execute(f"CREATE INDEX ON {table} ({column}) USING 'sai'")


def write(session: Any, verdicts: range, layout: Layout) -> None:
    """Write rows in the store's own batches."""
    prepare = lru_cache(session.prepare)
    for at in verdicts[::BATCH]:
        rows = [row for i in range(at, min(at + BATCH, verdicts.stop)) for row in layout.rows(verdict(i))]
        asked = []
        for statements in batches(rows, Binder(prepare, lambda _row: "").bind, lambda _statement: None):
            batch = BatchStatement(BatchType.UNLOGGED)
            for statement in statements:
                batch.add(statement)
            asked.append((batch, None))
        execute_concurrent(session, asked, CONCURRENT_REQUESTS, raise_on_first_error=True)


def rest(node: list[int]) -> None:
    """Wait until a node has nothing more to do of its own."""
    busy = True
    while busy:
        before = cost_of(node)
        time.sleep(REST_S)
        busy = cost_of(node).since(before).seconds > REST_S / 10


def ask(session: Any, questions: list[list[Question]]) -> str:
    """Return how long questions take, and how many rows they give."""
    took_ms, rows = [], 0
    prepare = lru_cache(session.prepare)
    for parts in questions:
        for text, _ in parts:
            prepare(text)
    for parts in questions:
        begin = time.perf_counter()
        rows += sum(len(list(session.execute(prepare(text), values))) for text, values in parts)
        took_ms.append((time.perf_counter() - begin) * 1e3)
    worst = sorted(took_ms)[-max(1, len(took_ms) // 100)]
    return f"{statistics.median(took_ms):.1f} ms, 99 % {worst:.1f} ms, {rows / len(questions):,.0f} rows"


def questions_of(layout: Layout, flows: int) -> dict[str, list[list[Question]]]:
    """Return the questions, the same for all layouts."""
    chance = random.Random(1)
    asked = [chance.randrange(flows) for _ in range(ASKED)]
    return {
        "by flow": [layout.by_flow(i) for i in asked],
        "by host, all": [layout.by_host(i) for i in asked],
        "by application, ten seconds": [
            layout.by_application(APPLICATIONS[i % len(APPLICATIONS)], START_NS + i * STEP_NS) for i in asked
        ],
    }


def main() -> None:
    """Write, ask, and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--flows", type=int, default=60_000)
    parser.add_argument(
        "--rounds", type=int, default=4, help="in each, a part of the flows goes to each keyspace"
    )
    chosen = parser.parse_args()
    layouts = [
        tables(chosen.flows),
        one_table("by flow, four indexes", "bench_flow_indexes", "verdict_by_flow", by_flow_alone),
        one_table("by hour, four indexes", "bench_hour_indexes", "verdict_by_hour", by_hour_alone),
        two_tables(chosen.flows),
    ]
    home = standard_layout()
    service = services(home)["cassandra"]
    node = [service.process.pid or 0]
    spent_us: dict[str, list[float]] = {layout.name: [] for layout in layouts}
    try:
        for layout in layouts:
            create(layout)
        each = chosen.flows // chosen.rounds
        for number in range(chosen.rounds):
            for layout in layouts[number:] + layouts[:number]:
                rest(node)
                before, begin, own = cost_of(node), time.perf_counter(), time.process_time()
                with connected(url_of(layout)) as session:
                    write(session, range(number * each, (number + 1) * each), layout)
                rate, own_us = each / (time.perf_counter() - begin), (time.process_time() - own) / each * 1e6
                rest(node)
                spent_us[layout.name].append(cost_of(node).since(before).seconds / each * 1e6)
                print(
                    f"round {number + 1}, {layout.name}: {rate:,.0f} verdicts/s; of one: writer {own_us:.0f} us, "
                    f"node until it rests {spent_us[layout.name][-1]:.0f} us",
                    flush=True,
                )
        service.stop()
        service.start()  # what was only in the commit log is in tables now
        for layout in layouts:
            size = bytes_below(home.service("cassandra") / "data" / layout.keyspace)
            print(
                f"\n{layout.name}: {size / chosen.flows:.0f} bytes a verdict on disk; node, median "
                f"{statistics.median(spent_us[layout.name]):.0f} us",
                flush=True,
            )
            with connected(url_of(layout)) as session:
                for name, questions in questions_of(layout, chosen.flows).items():
                    print(f"  {name}: {ask(session, questions)}", flush=True)
    finally:
        for layout in layouts:
            drop(url_of(layout))


if __name__ == "__main__":
    main()
