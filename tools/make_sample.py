"""Cut the sample capture that `make run` identifies out of the labelled calls; needs nothing but the standard library.

    python tools/make_sample.py [--data ../shared/data/calls] [--out samples/applications.pcapng]

The calls are from dataset2 and cross, which no network is trained on. Each is cut a few seconds after its media
began; addresses, ports and times stay as they were.
"""

import argparse
import struct
from pathlib import Path

CALLS = (
    "cross/xsip-000.pcap",
    "cross/xsip-003.pcap",
    "cross/xweb-000.pcap",
    "dataset2/asterisk-001.pcap",
    "dataset2/chromium-000.pcap",
    "dataset2/firefox-000.pcap",
    "dataset2/gstreamer-001.pcap",
    "dataset2/jami-000.pcap",
    "dataset2/pion-000.pcap",
    "dataset2/twinkle-000.pcap",
    "dataset2/vlc-001.pcap",
    "dataset2/webrtc_rs-000.pcap",
)
SECONDS_OF_MEDIA = 6.0
GLOBAL_HEADER = struct.Struct("<IHHiIII")
RECORD_HEADER = struct.Struct("<IIII")
MAGIC_MICROSECONDS = 0xA1B2C3D4
SECTION_HEADER, INTERFACE_DESCRIPTION, ENHANCED_PACKET = 0x0A0D0D0A, 1, 6  # pcapng block types
BYTE_ORDER_MAGIC = 0x1A2B3C4D


def read(path: Path) -> tuple[int, list[tuple[float, bytes]]]:
    """Return link type and packets (time, frame) of a little-endian pcap file in microseconds."""
    data = path.read_bytes()
    magic, _, _, _, _, _, link = GLOBAL_HEADER.unpack_from(data)
    if magic != MAGIC_MICROSECONDS:
        raise SystemExit(f"{path}: not a little-endian pcap file in microseconds")
    packets = []
    at = GLOBAL_HEADER.size
    while at < len(data):
        seconds, micros, captured, _ = RECORD_HEADER.unpack_from(data, at)
        at += RECORD_HEADER.size
        packets.append((seconds + micros / 1e6, data[at : at + captured]))
        at += captured
    return link, packets


def media_start(packets: list[tuple[float, bytes]]) -> float:
    """Return when the steady stream of datagrams begins: the first of twenty within half a second."""
    times = [time for time, _ in packets]
    for i in range(len(times) - 20):
        if times[i + 19] - times[i] < 0.5:
            return times[i]
    return times[0]


def block(kind: int, body: bytes) -> bytes:
    """Return a pcapng block; `body` is a multiple of four bytes long."""
    length = len(body) + 12
    return struct.pack("<II", kind, length) + body + struct.pack("<I", length)


def main() -> None:
    """Write the sample."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data/calls"))
    parser.add_argument("--out", type=Path, default=Path("samples/applications.pcapng"))
    arguments = parser.parse_args()
    interfaces: list[int] = []  # link types, in the order in which they appear
    kept: list[tuple[float, int, bytes]] = []
    for name in CALLS:
        link, packets = read(arguments.data / name)
        if link not in interfaces:
            interfaces.append(link)
        end = media_start(packets) + SECONDS_OF_MEDIA
        kept += [(time, interfaces.index(link), frame) for time, frame in packets if time <= end]
    kept.sort(key=lambda packet: packet[0])
    with arguments.out.open("wb") as file:
        file.write(block(SECTION_HEADER, struct.pack("<IHHq", BYTE_ORDER_MAGIC, 1, 0, -1)))
        for link in interfaces:
            file.write(block(INTERFACE_DESCRIPTION, struct.pack("<HHI", link, 0, 0)))
        for time, interface, frame in kept:
            stamp = round(time * 1e6)  # microseconds: the resolution of an interface that states no other
            header = struct.pack("<IIIII", interface, stamp >> 32, stamp & 0xFFFFFFFF, len(frame), len(frame))
            file.write(block(ENHANCED_PACKET, header + frame + b"\0" * (-len(frame) % 4)))
    print(
        f"{arguments.out}: {len(kept)} packets of {len(CALLS)} calls, {arguments.out.stat().st_size / 1e6:.2f} MB"
    )


if __name__ == "__main__":
    main()
