"""Many flows that a network is sure of at 10 packets: copies of those of the sample, with addresses of their own."""

import json
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

from traffic import RAW_IP, with_own_addresses, write_raw_ip

from callprint.sources import open_captures

ROOT = Path(__file__).resolve().parents[1]
SAMPLE = ROOT / "samples" / "applications.pcapng"
ETHERNET_BYTES = {1: 14, RAW_IP: 0}  # by link type, before IPv4
STEP_NS = 2_000_000
"""From the begin of one copy to that of the next: some thousand flows run at a time."""


def sure_at_10() -> set[bytes]:
    """Return the addresses and ports, as in IPv4 and UDP headers, of the sample's flows that are sure at 10 packets."""
    with tempfile.TemporaryDirectory() as folder:
        callprint, store = [sys.executable, "-m", "callprint"], ["--store", f"{folder}/sample.sqlite"]
        subprocess.run([*callprint, "identify", "--quiet", *store, str(SAMPLE)], check=True)
        asked = [*callprint, "verdicts", "--all", "--json", "-", *store]
        printed = subprocess.run(asked, check=True, capture_output=True, text=True).stdout
    rows = [json.loads(line) for line in printed.splitlines()]
    return {
        b"".join(bytes(map(int, row[side].split("."))) for side in ("src_ip", "dst_ip"))
        + struct.pack(">HH", row["src_port"], row["dst_port"])
        for row in rows
        if row["k"] == 10 and row["application"] != "unknown"
    }


def frames_of(flows: set[bytes], packets_each: int) -> list[tuple[int, bytes]]:
    """Return the first packets of flows of the sample as (nanoseconds since its begin, IPv4)."""
    taken = dict.fromkeys(flows, 0)
    found = []
    for data, records in open_captures([SAMPLE]):
        for row in records:
            at = int(row["offset"]) + ETHERNET_BYTES[int(row["link_type"])]
            frame = data[at : int(row["offset"]) + int(row["captured"])].tobytes()
            flow = frame[12:24]
            if taken.get(flow, packets_each) < packets_each:
                taken[flow] += 1
                found.append((int(row["time_ns"]), frame))
    begin_ns = min(time_ns for time_ns, _ in found)
    return [(time_ns - begin_ns, frame) for time_ns, frame in found]


def write_known(path: Path, copies: int, packets_each: int) -> tuple[int, int]:
    """Write copies of these flows, each with addresses of its own; return how many flows and packets these are."""
    flows = sure_at_10()
    frames = frames_of(flows, packets_each)
    order = sorted(
        (number * STEP_NS + time_ns, number, index)
        for number in range(copies)
        for index, (time_ns, _) in enumerate(frames)
    )
    write_raw_ip(
        path, ((time_ns, with_own_addresses(frames[index][1], number)) for time_ns, number, index in order)
    )
    return len(flows) * copies, len(order)
