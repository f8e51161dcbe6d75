"""How unevenly calls are spread over partitions, simulated with the hash that routes them.

Each call is a media session: both directions and their RTCP share a partition. Calls begin at random; a share of them
sits on a few busy gateways, as in real networks. What counts is the work of a second: the flows whose
heads become complete in it, since only the head of a flow is shipped.
"""

import argparse

import numpy as np

from callprint.core.flow.layout import FLOW
from callprint.core.relay.shipping import session_hashes

GATEWAYS = 20
GATEWAY_SHARE = 0.8  # of the calls


def sessions(count: int, generator: np.random.Generator) -> np.ndarray:
    """Return the media session hashes of `count` calls, (count,) uint32."""
    flows = np.zeros(count, dtype=FLOW)
    via_gateway = generator.random(count) < GATEWAY_SHARE
    # A few gateways carry most of it; the busiest has a fifth of their share.
    gateway = np.minimum(generator.geometric(0.2, count), GATEWAYS)
    host = generator.integers(0x0B000000, 0x0BFFFFFF, count)
    flows["src_lo"] = 0xFFFF00000000 + np.where(via_gateway, 0x0A000000 + gateway, host)
    flows["dst_lo"] = 0xFFFF00000000 + generator.integers(0x0C000000, 0x0CFFFFFF, count)
    flows["src_port"] = 2 * generator.integers(8000, 32000, count)
    flows["dst_port"] = 2 * generator.integers(8000, 32000, count)
    return session_hashes(flows)


def main() -> None:
    """Print the load of the busiest partition relative to the mean."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--mean-call-s", type=float, default=120.0)
    chosen = parser.parse_args()
    generator = np.random.default_rng(1)
    print("concurrent calls  partitions  calls/s  busiest of a second / mean  busiest of a minute / mean")
    for concurrent, partitions in ((10_000, 16), (10_000, 64), (1_000_000, 64), (1_000_000, 512)):
        rate = concurrent / chosen.mean_call_s
        totals = np.zeros(partitions)
        worst = []
        for _ in range(chosen.seconds):
            hashes = sessions(int(generator.poisson(rate)), generator)
            loads = np.bincount(hashes % partitions, minlength=partitions)
            totals += loads
            worst.append(loads.max() / (rate / partitions))
        print(
            f"{concurrent:16} {partitions:11} {rate:8.0f} {np.median(worst):27.2f} "
            f"{totals.max() / totals.mean():27.2f}"
        )


if __name__ == "__main__":
    main()
