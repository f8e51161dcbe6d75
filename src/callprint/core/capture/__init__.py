"""Capture formats: bytes of a pcap or pcapng stream in, RECORD rows out. No I/O."""

import numpy as np

from callprint.core.capture import pcap, pcapng, ring
from callprint.core.capture.decoder import BATCH_RECORDS, SUPPORTED, CaptureDecoder
from callprint.core.capture.packet_order import PacketOrder
from callprint.core.packets import RECORD

__all__ = ["BATCH_RECORDS", "SUPPORTED", "CaptureDecoder", "warm_up"]


def warm_up() -> None:
    """Compile (or load from disk) the walkers, so that the first capture does not wait for the compiler."""
    nothing = np.empty(0, np.uint8)
    records = np.empty(0, RECORD)
    pcap.walk_pcap(nothing, False, 1000, pcap.RECORD_HEADER, False, 1, records)
    ring.walk_block(nothing, 0, 0, 1, records)
    order = PacketOrder()
    order.take(nothing, np.zeros(1, RECORD))
    order.flush()
    pcapng.walk_pcapng(nothing, False, np.zeros(1, pcapng.INTERFACE), 0, 0, records)
