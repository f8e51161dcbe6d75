"""Evidence of flows that no model knows."""

import numpy as np
from evidence_logs import sender_report, steady_flow
from verdict_samples import LINPHONE

from callprint.stores import UnknownEvidence

START_NS = 1_700_000_000_000_000_000
KINDS = (
    {"first": 0x80, "kind": 0},  # G.711 without anything
    {"first": 0x90, "kind": 111, "ext": b"\xbe\xde\x00\x01\x10\x80\x00\x00"},  # WebRTC
    {"first": 0xA0, "kind": 8},  # padding
)


def strangers(count: int = 29) -> list[UnknownEvidence]:
    """Return the flows of three strangers in turn; from the 28th on they are too short."""
    rng = np.random.default_rng(1)
    found = []
    for i in range(count):
        kind = KINDS[i % 3]
        packets = 100 if i < 27 else 10
        start_ns = START_NS + i * 10**9
        first = {"sequence": int(rng.integers(65536)), "timestamp": int(rng.integers(2**32))}
        log = steady_flow(packets, start_ns=start_ns, ssrc=int(rng.integers(2**32)), **first, **kind)
        if i % 3 == 1:
            log += sender_report(start_ns + 2 * 10**9, 4711, packets)
        flow = LINPHONE._replace(src_ip=f"192.0.2.{i}", ssrc=i, first_seen_ns=start_ns)
        found.append(UnknownEvidence(flow, start_ns + 2 * 10**9, packets, "compact 1", log))
    return found
