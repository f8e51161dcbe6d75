#!/usr/bin/env python3
"""Measure a verdict store: rows a second in batches, bytes a flow on disk, and how long the usual queries take.

.venv/bin/python benchmarks/bench_store.py [--flows N] [--store cassandra://127.0.0.1/bench] [--event-loop asyncio]

Without --store an SQLite file is made. With Cassandra (`make cluster-up`) the node is restarted between writing and
querying, so that the rows are read from disk and not from its memory; the keyspace is dropped at the end.
"""

import argparse
import pkgutil
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from keyspace import connected, drop
from process_costs import cost_of

from callprint.core.verdict import FlowKey, FlowSummary, Verdict
from callprint.services.layout import standard_layout
from callprint.services.service import services
from callprint.stores import VerdictQuery, VerdictStore, open_store
from callprint.stores.cassandra_rows import HOUR_NS
from callprint.stores.cassandra_settings import CassandraSettings

ASKED = 100  # of each query, each time about another flow, host or moment
START_NS = 1_760_000_000_000_000_000
ROUNDS_IN_CQL = 3
EVENT_LOOPS = {
    "libev": "cassandra.io.libevreactor.LibevConnection",
    "asyncore": "cassandra.io.asyncorereactor.AsyncoreConnection",
    "asyncio": "cassandra.io.asyncioreactor.AsyncioConnection",
}
IN_CQL = "SELECT * FROM verdict_by_application_hour WHERE application = ? AND hour = ? AND bucket IN (0,1,2,3,4,5,6,7)"
STEP_NS = 10_000_000  # a hundred new flows a second: those of six thousand concurrent calls
APPLICATIONS = ("linphone", "jami", "pjsua", "baresip", "unknown")


def flow(i: int) -> FlowKey:
    """The i-th flow: hosts of one /8, each with sixteen flows, to twenty gateways."""
    host = i >> 4
    source = f"10.{host >> 16}.{host >> 8 & 255}.{host & 255}"
    return FlowKey(source, 16384 + i % 16, f"198.51.100.{i % 20}", 7078, i, START_NS + i * STEP_NS)


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


def fill(store: VerdictStore, flows: int, batch: int, node: Sequence[int] = ()) -> None:
    """Write a verdict and a summary of each flow; print the rates, and processor time of writer and node."""
    verdicts = [verdict(i) for i in range(flows)]
    summaries = [summary(i) for i in range(flows)]
    for name, put, rows in (
        ("verdicts", store.put_verdicts, verdicts),
        ("flows", store.put_flows, summaries),
        ("the same verdicts again", store.put_verdicts, verdicts),
    ):
        began, began_cpu, of_node = time.perf_counter(), time.process_time(), cost_of(node)
        for at in range(0, flows, batch):
            put(rows[at : at + batch])
        took, took_cpu = time.perf_counter() - began, time.process_time() - began_cpu
        print(
            f"{name}: {flows / took:,.0f}/s in batches of {batch}; of one: {took_cpu / flows * 1e6:.0f} us of "
            f"processor, the node {cost_of(node).since(of_node).seconds / flows * 1e6:.0f}",
            flush=True,
        )


def ask(store: VerdictStore, flows: int) -> None:
    """Run the usual queries and print how long they take."""
    chance = random.Random(1)

    def by_flow() -> VerdictQuery:
        return VerdictQuery(flow=flow(chance.randrange(flows)))

    def by_address() -> VerdictQuery:
        key = flow(chance.randrange(flows))
        return VerdictQuery(address=key.src_ip, since_ns=START_NS, until_ns=START_NS + flows * STEP_NS)

    def by_application() -> VerdictQuery:
        middle_ns = START_NS + chance.randrange(flows) * STEP_NS
        name = chance.choice(APPLICATIONS)
        return VerdictQuery(application=name, since_ns=middle_ns, until_ns=middle_ns + 1000 * STEP_NS)

    def by_time() -> VerdictQuery:
        middle_ns = START_NS + chance.randrange(flows) * STEP_NS
        return VerdictQuery(since_ns=middle_ns, until_ns=middle_ns + 1000 * STEP_NS)

    questions: dict[str, Callable[[], VerdictQuery]] = {
        "by flow": by_flow,
        "by address, a day": by_address,
        "by application, ten seconds": by_application,
        "by time, ten seconds": by_time,
    }
    for name, question in questions.items():
        took_ms, found = [], []
        for _ in range(ASKED):
            query = question()
            began = time.perf_counter()
            found.append(len(list(store.verdicts(query))))
            took_ms.append((time.perf_counter() - began) * 1e3)
        print(
            f"{name}: {np.median(took_ms):.1f} ms, 99 % {np.percentile(took_ms, 99):.1f} ms, "
            f"{np.mean(found):.0f} verdicts with their flows"
        )


def ask_in_cql(url: str, flows: int) -> None:
    """Read an application's hour as docs/operate/reading-verdicts.md has it: the rows of one table alone."""
    hours = sorted({verdict(i).decided_at_ns // HOUR_NS for i in range(0, flows, 1000)})
    took_s, found = [], []
    with connected(url) as session:
        wanted = session.prepare(IN_CQL)
        for _ in range(ROUNDS_IN_CQL):
            for name in APPLICATIONS:
                began = time.perf_counter()
                found.append(sum(len(list(session.execute(wanted, (name, hour)))) for hour in hours))
                took_s.append(time.perf_counter() - began)
    print(
        f"by application, {len(hours)} hour(s), in CQL: {np.median(took_s):.2f} s, at most {max(took_s):.2f} s, "
        f"{np.mean(found):,.0f} verdicts"
    )


def bytes_below(folder: Path) -> int:
    """Return the bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


@contextmanager
def sqlite(flows: int, batch: int) -> Iterator[str]:
    """Fill an SQLite file and give its name."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "verdicts.sqlite"
        with open_store(str(path)) as store:
            fill(store, flows, batch)
        print(
            f"file: {path.stat().st_size / flows:.0f} bytes a flow"
        )  # closing it has merged the log into it
        yield str(path)


@contextmanager
def cassandra(url: str, flows: int, batch: int, rounds: int) -> Iterator[str]:
    """Fill a keyspace of the cluster of `make cluster-up`, and give its URL once everything is in files."""
    layout = standard_layout()
    node = services(layout)["cassandra"]
    keyspace = CassandraSettings.from_url(url).keyspace
    with open_store(url) as store:
        for _ in range(rounds):
            fill(store, flows, batch, [node.process.pid or 0])
    node.stop()
    node.start()  # what was only in the commit log is in tables now
    for table in sorted((layout.service("cassandra") / "data" / keyspace).iterdir()):
        size = bytes_below(table)
        if size > flows:
            print(f"{table.name.partition('-')[0]}: {size / flows:.0f} bytes a flow, compressed by Cassandra")
    try:
        yield url
    finally:
        drop(url)


def use_event_loop(name: str) -> None:
    """Let the driver's connections, of this process, use an event loop that stores do not."""
    from callprint.stores import cassandra_connection  # noqa: PLC0415 - the extra `cluster`

    cassandra_connection.connection_class = lambda _url: pkgutil.resolve_name(EVENT_LOOPS[name])


def main() -> None:
    """Measure the store that the command line names."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--flows", type=int, default=200_000)
    parser.add_argument("--store", metavar="URL", help="of Cassandra, with a keyspace that may be dropped")
    parser.add_argument("--batch", type=int, default=1000, help="rows of one call (default: %(default)s)")
    rounds = "of Cassandra: fill it so often, the first time with machine code that is being made"
    parser.add_argument("--rounds", type=int, default=1, help=rounds)
    loop = "of Cassandra's driver (default: that of stores, libev)"
    parser.add_argument("--event-loop", choices=EVENT_LOOPS, help=loop)
    chosen = parser.parse_args()
    if chosen.event_loop:
        use_event_loop(chosen.event_loop)
    filled = (
        cassandra(chosen.store, chosen.flows, chosen.batch, chosen.rounds)
        if chosen.store
        else sqlite(chosen.flows, chosen.batch)
    )
    with filled as url, open_store(url, create=False) as store:
        if chosen.store:
            ask_in_cql(url, chosen.flows)
        ask(store, chosen.flows)


if __name__ == "__main__":
    main()
