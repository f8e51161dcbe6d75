"""Packets per second from a capture file to PACKET rows, on one core, beside dpkt on a piece of the same file."""

import argparse
import itertools
import tempfile
import time
from pathlib import Path

import dpkt
import numpy as np
from rtp_capture import write_capture

from callprint.core import capture, dissect
from callprint.core.packets import PACKET, PacketKind
from callprint.sources import open_captures


def measure_callprint(path: Path) -> tuple[int, int, float, float]:
    """Read `path`; return (packets, RTP packets, seconds, processor seconds)."""
    packets = np.empty(capture.BATCH_RECORDS, PACKET)
    rtp = 0
    begin, begin_cpu = time.perf_counter(), time.process_time()
    source = open_captures([path])
    for batch in source:
        rows = dissect.dissect(batch.data, batch.records, packets)
        rtp += int(np.count_nonzero(rows["kind"] == PacketKind.RTP))
    return source.packets, rtp, time.perf_counter() - begin, time.process_time() - begin_cpu


def measure_dpkt(path: Path, limit: int) -> tuple[int, float]:
    """Do the same with dpkt objects for the first `limit` packets; return (RTP packets, processor seconds)."""
    rtp = 0
    begin = time.process_time()
    with path.open("rb") as file:
        for _time, frame in itertools.islice(dpkt.pcap.Reader(file), limit):
            transport = dpkt.ethernet.Ethernet(frame).data.data
            if isinstance(transport, dpkt.udp.UDP) and len(transport.data) < 256:
                rtp += dpkt.rtp.RTP(transport.data).version == 2
    return rtp, time.process_time() - begin


def main() -> None:
    """Generate the capture (unless one is given), run both readers, print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--capture", type=Path, help="an Ethernet pcap instead of the generated one")
    parser.add_argument("--packets", type=int, default=2_000_000)
    parser.add_argument("--rounds", type=int, default=5, help="of which the best counts")
    parser.add_argument("--dpkt-packets", type=int, default=50_000)
    arguments = parser.parse_args()

    begin = time.perf_counter()
    capture.warm_up()
    dissect.warm_up()
    print(f"warm-up (compile, or load from the cache): {time.perf_counter() - begin:.2f} s")

    with tempfile.TemporaryDirectory() as folder:
        path = arguments.capture or Path(folder) / "rtp.pcap"
        if arguments.capture is None:
            write_capture(path, arguments.packets, streams=1000)
        rounds = [measure_callprint(path) for _ in range(arguments.rounds)]
        count, rtp, seconds, _ = min(rounds, key=lambda one: one[2])
        cpu_seconds = min(one[3] for one in rounds)
        dpkt_count = min(arguments.dpkt_packets, count)
        dpkt_rtp, dpkt_cpu = measure_dpkt(path, dpkt_count)

    rate, dpkt_rate = count / cpu_seconds, dpkt_count / dpkt_cpu
    print(f"callprint: {count:,} packets, {rtp:,} RTP; best of {arguments.rounds}:")
    print(f"  {count / seconds / 1e6:.1f} million packets/s of wall time")
    print(
        f"  {rate / 1e6:.1f} million packets/s of processor time (one core; a busy machine does not distort it)"
    )
    print(f"dpkt: {dpkt_count:,} packets, {dpkt_rtp:,} RTP; {dpkt_rate / 1e6:.3f} million packets/s")
    print(f"ratio: {rate / dpkt_rate:.0f}")


if __name__ == "__main__":
    main()
