"""Where packets come from: capture files, standard input and network interfaces. All I/O of the packet path."""

from callprint.sources.batch import Batch, PacketSource
from callprint.sources.captures import CaptureSource, FileReport, open_captures
from callprint.sources.live import LiveSource, open_interfaces
from callprint.sources.packet_ring import RingStatistics

__all__ = [
    "Batch",
    "CaptureSource",
    "FileReport",
    "LiveSource",
    "PacketSource",
    "RingStatistics",
    "open_captures",
    "open_interfaces",
]
