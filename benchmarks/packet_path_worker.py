"""One measured pass over a capture, in a process of its own: prints one JSON object. See bench_packet_path.py."""

import argparse
import json
import resource
import sys
import time

import numpy as np

from callprint.core.capture.packet_order import OrderedBatch, PacketOrder
from callprint.core.dissect import dissect
from callprint.core.flow import EngineSettings, FlowEngine, FlowEvents
from callprint.core.identify.k_matrix import k_matrices
from callprint.sources import open_captures


def resident_bytes() -> int:
    """Return what this process holds in memory now."""
    with open("/proc/self/statm") as stream:  # noqa: PTH123 - a kernel file
        return int(stream.read().split()[1]) * resource.getpagesize()


K = 10
"""Packets after which a flow is judged: the rows of a k-matrix."""

MATRICES = 512
"""k-matrices made at once: 5 MiB, as a network would be fed."""


def judge(engine: FlowEngine, drain: FlowEvents) -> int:
    """Do what a host does: make k-matrices for the network, write verdicts into the map; return how many matrices."""
    asked = np.flatnonzero((drain.events["k"] >= K) & (drain.flows["final"] == 0))
    for first in range(0, len(asked), MATRICES):
        part = drain.events[asked[first : first + MATRICES]]
        k_matrices(drain.evidence, np.column_stack([part["start"], part["end"]]), K)
    # In place of the network, whose time is not the packet path's: a sure verdict, so that later packets find it.
    verdicts = drain.flows.copy()
    verdicts["application"] = 1
    verdicts["sure_k"] = verdicts["verdict_k"] = drain.events["k"]
    verdicts["final"][asked] = 1
    engine.set_verdicts(drain.events, verdicts)
    return len(asked)


def read_through(engine: FlowEngine, capture: str) -> dict[str, object]:
    """Read a capture, from the file to k-matrices and verdict-map look-ups, and end every flow; return the figures."""
    before = resident_bytes()
    hits_before = engine.gauges["verdict_hits"]
    begin, cpu = time.perf_counter(), time.process_time()
    packets = matrices = 0
    by_tenth: list[tuple[int, int]] = []  # (flows in the table, resident bytes)
    source = open_captures([capture])
    order = PacketOrder()

    def work_off(batches: list[OrderedBatch]) -> None:
        nonlocal packets, matrices
        for batch in batches:
            rows = dissect(batch.data, batch.records)
            packets += len(rows)
            for drain in engine.process(batch.data, rows):
                matrices += judge(engine, drain)

    for data, records in source:
        work_off(order.take(data, records, source.capture, source.clock, source.buffer, source.rows))
        if source.bytes_done * 10 > (len(by_tenth) + 1) * (source.bytes_total or 1):
            by_tenth.append((engine.gauges["flows"], resident_bytes() - before))
    work_off(order.flush())
    for drain in engine.finish():
        matrices += judge(engine, drain)
    return {
        "packets": packets,
        "wall_s": time.perf_counter() - begin,
        "cpu_s": time.process_time() - cpu,
        "matrices": matrices,
        "verdict_hits": engine.gauges["verdict_hits"] - hits_before,
        "by_tenth": by_tenth,
    }


def main() -> None:
    """Read the capture once or twice with one engine; the second pass finds its memory touched."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("capture")
    parser.add_argument("--once", action="store_true", help="one pass, nothing compiled or loaded before it")
    parser.add_argument(
        "--horizon-after-s", type=float, default=10.0, help="how long evidence waits for RTCP"
    )
    arguments = parser.parse_args()
    if not arguments.once:
        # Imports all that is compiled, of which a pass needs little.
        from callprint.machine_code.warm_up import STEPS  # noqa: PLC0415

        for warm_up in STEPS.values():
            warm_up()
    engine = FlowEngine(EngineSettings(checkpoints=(K,), horizon_after_s=arguments.horizon_after_s))
    figures: dict[str, object] = {"first": read_through(engine, arguments.capture)}
    figures["flows"] = engine.gauges["flows_created"]
    if not arguments.once:
        figures["second"] = read_through(engine, arguments.capture)
    json.dump(figures, sys.stdout)


if __name__ == "__main__":
    main()
