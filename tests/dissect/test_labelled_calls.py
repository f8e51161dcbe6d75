"""Real calls whose flows were counted by the tools that made them: the dissector finds the same packets."""

import csv
import ipaddress
from collections import defaultdict

import numpy as np
import pytest

from callprint.core import dissect
from callprint.core.packets import PACKET, PacketKind
from callprint.sources import open_captures


def number(address: str) -> int:
    """Return an address as PACKET rows hold it: IPv4 mapped into IPv6."""
    parsed = ipaddress.ip_address(address)
    return int(parsed) | (0xFFFF << 32 if parsed.version == 4 else 0)


def read(path) -> np.ndarray:
    batches = [dissect.dissect(batch.data, batch.records) for batch in open_captures([path])]
    return np.concatenate([*batches, np.empty(0, PACKET)])


@pytest.mark.parametrize("dataset", ["dataset2", "cross"])
def test_every_flow_has_the_packets_of_its_label(labelled_calls, dataset):
    flows = defaultdict(list)
    with (labelled_calls / "flows.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            if row["dataset"] == dataset:
                flows[row["capture"]].append(row)
    assert len(flows) > 50
    for capture, rows in flows.items():
        packets = read(labelled_calls / capture)
        for row in rows:
            source, destination = number(row["src_ip"]), number(row["dst_ip"])
            of_flow = (
                (packets["transport"] == 17)
                & (packets["src_hi"] == source >> 64)
                & (packets["src_lo"] == source & (2**64 - 1))
                & (packets["dst_hi"] == destination >> 64)
                & (packets["dst_lo"] == destination & (2**64 - 1))
                & (packets["src_port"] == int(row["src_port"]))
                & (packets["dst_port"] == int(row["dst_port"]))
            )
            short_rtp = of_flow & (packets["kind"] == PacketKind.RTP)
            assert of_flow.sum() == int(row["packets"]), row
            assert short_rtp.sum() == int(row["rtp_packets_under_256"]), row
