"""What a call costs in the topology's judge of calls: signalling batches to stored rows, journal and states included.

    python benchmarks/bench_call_homes.py [--calls 5000]

The calls are those of bench_calls.py, shipped by an agent's own shipper with progress five times a second of packet
time, and worked off as the bolt does: all that one progress record completes is one journal entry. The store is an
SQLite file; --store URL measures the driver of Cassandra instead. Processor time of this process, and wall time.
"""

import argparse
import tempfile
import time
from pathlib import Path

from bench_calls import messages

from callprint.core.ground.snapshot import Snapshot
from callprint.core.relay import site_snapshot
from callprint.core.relay.signalling_shipping import SignallingShipper
from callprint.core.relay.site import SiteCalls
from callprint.core.relay.site_inputs import RecordOffset, SignallingRecord
from callprint.core.signalling.identity import IdentityReader
from callprint.core.spam.detectors import make_detector
from callprint.core.wire.signalling import decode_record, encode_signalling
from callprint.core.wire.source import site_of, source_number
from callprint.stores import open_store
from callprint.topology.sites import Sites

PARTITIONS = 4
PROGRESS_EVERY_NS = 200_000_000


def shipped(calls: int) -> list[list[SignallingRecord]]:
    """Return what comes between two progress records, decoded as the bolt gets it."""
    source = source_number(None, time.time_ns().to_bytes(8, "little"))
    shipper = SignallingShipper(source, PARTITIONS)
    offsets = [0] * PARTITIONS
    steps: list[list[SignallingRecord]] = []
    script = messages(calls)
    at = 0
    while at < len(script):
        until_ns = script[at].time_ns + PROGRESS_EVERY_NS
        end = at
        while end < len(script) and script[end].time_ns < until_ns:
            end += 1
        batches = shipper.take(script[at:end]) + shipper.flush()
        records = [(partition, decode_record(encode_signalling(batch))) for partition, batch in batches]
        records.append(shipper.progress([0] * PARTITIONS, script[end - 1].time_ns, ended=end == len(script)))
        step = []
        for partition, record in records:
            step.append(SignallingRecord(RecordOffset(partition, offsets[partition]), record))
            offsets[partition] += 1
        steps.append(step)
        at = end
    return steps


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--calls", type=int, default=5000)
    parser.add_argument("--store", help="URL (default: an SQLite file that is thrown away)")
    chosen = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        open_store(chosen.store or str(Path(folder) / "calls.sqlite")) as store,
    ):
        sites = Sites(lambda: store, "callprint", IdentityReader(), _none)
        for warm in (True, False):
            steps = shipped(50 if warm else chosen.calls)
            began, wall = time.process_time(), time.monotonic()
            for step in steps:
                for site_input in step:
                    sites.put(site_of(site_input.record.origin.source), site_input)
                sites.flush(time.monotonic())
                sites.upkeep(time.monotonic())
            used, passed = time.process_time() - began, time.monotonic() - wall
    print(f"{chosen.calls:,} calls in {len(steps):,} entries of the journal")
    print(
        f"stored      {1e6 * used / chosen.calls:7.0f} us a call, {chosen.calls / used:,.0f} calls/s of one core"
    )
    print(f"wall time   {1e6 * passed / chosen.calls:7.0f} us a call, {chosen.calls / passed:,.0f} calls/s")
    calls = SiteCalls(site_of(steps[0][0].record.origin.source), make_detector("callprint"))
    for step in steps[:-1]:
        for site_input in step:
            calls.take(site_input)
    began = time.process_time()
    packed = site_snapshot.snapshot(calls).pack()
    kept = time.process_time() - began
    began = time.process_time()
    site_snapshot.restore(SiteCalls(calls.site, make_detector("callprint")), Snapshot.unpack(packed), _none)
    print(
        f"snapshot    {len(packed) / 1e6:.1f} MB for {calls.assembler.calls_in_progress:,} calls in progress: "
        f"{kept:.2f} s to take, {time.process_time() - began:.2f} s to restore"
    )


def _none(place: RecordOffset) -> SignallingRecord:
    raise SystemExit(f"nothing should have been read again, but {place} was")


if __name__ == "__main__":
    main()
