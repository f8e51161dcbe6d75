"""The two endpoints of a row or a flow: compared, copied, put in order, and read from bytes."""

import numpy as np
import pytest

from callprint.core.flow.layout import FLOW
from callprint.core.ground import loads
from callprint.core.ground.addresses import in_order
from callprint.core.ground.endpoints import copy_endpoints, same_endpoints, same_port_pairs
from callprint.core.packets import PACKET

FIELDS = ("src_hi", "src_lo", "dst_hi", "dst_lo", "src_port", "dst_port")


def rows() -> tuple[np.ndarray, np.ndarray]:
    """Return a PACKET row and a FLOW row with the same endpoints."""
    packet, flow = np.zeros(1, PACKET), np.zeros(1, FLOW)
    for value, field in enumerate(FIELDS, start=1000):
        packet[field] = flow[field] = value
    return packet, flow


def test_every_field_of_both_endpoints_counts():
    for field in FIELDS:
        packet, flow = rows()
        assert same_endpoints(flow[0], packet[0])
        assert same_port_pairs(flow[0], packet[0])
        packet[field] ^= packet[field].dtype.type(2)
        assert not same_endpoints(flow[0], packet[0])
        assert not same_port_pairs(flow[0], packet[0])


@pytest.mark.parametrize("field", ["src_port", "dst_port"])
def test_rtcp_on_the_next_port_is_of_the_same_port_pair(field):
    packet, flow = rows()
    packet[field] ^= np.uint16(1)
    assert not same_endpoints(flow[0], packet[0])
    assert same_port_pairs(flow[0], packet[0])


def test_endpoints_are_copied_whole():
    packet, flow = rows()
    for field in FIELDS:
        flow[field] = 0
    copy_endpoints(flow[0], packet[0])
    assert same_endpoints(flow[0], packet[0])


def test_both_directions_have_one_order():
    low, high = ("10.0.0.1", 7000), ("10.0.0.1", 7002)
    assert in_order(low, high) == in_order(high, low) == (low, high)


@pytest.mark.parametrize(("name", "size"), [("be16", 2), ("be32", 4), ("be64", 8), ("le16", 2), ("le32", 4)])
def test_numbers_are_read_in_their_byte_order(name, size):
    data = np.arange(250, 260, dtype=np.int64).astype(np.uint8)
    order = "big" if name.startswith("be") else "little"
    for at in range(len(data) - size + 1):
        assert getattr(loads, name)(data, at) == int.from_bytes(data[at : at + size].tobytes(), order)
