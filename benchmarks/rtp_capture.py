"""Generate large captures of concurrent RTP streams, quickly and reproducibly: input for the benchmarks."""

import argparse
from pathlib import Path

import numpy as np

FILE_HEADER = np.frombuffer(
    bytes.fromhex("d4c3b2a1 0200 0400 00000000 00000000 00000400 01000000".replace(" ", "")), np.uint8
)
BLOCK_PACKETS = 50_000


def rtp_block(
    first: int, count: int, streams: int, payload: int, generator: np.random.Generator
) -> np.ndarray:
    """Return `count` pcap records, packets `first`.. of interleaved RTP streams, (count, n) uint8.

    Each frame is Ethernet, IPv4, UDP and `payload` bytes of RTP (a 12-byte header and random contents).
    """
    index = np.arange(first, first + count)
    stream = index % streams
    sequence = index // streams
    time_us = index * 20_000 // streams  # every stream sends a packet each 20 ms
    frame = 14 + 20 + 8 + payload
    block = np.zeros((count, 16 + frame), np.uint8)

    def put(at: int, values: np.ndarray | int, kind: str) -> None:
        raw = np.broadcast_to(np.asarray(values, kind), count).copy()
        block[:, at : at + raw.itemsize] = raw.view(np.uint8).reshape(count, raw.itemsize)

    put(0, 1_700_000_000 + time_us // 1_000_000, "<u4")
    put(4, time_us % 1_000_000, "<u4")
    put(8, frame, "<u4")
    put(12, frame, "<u4")
    ethernet, internet, transport, media = 16, 30, 50, 58
    block[:, ethernet : ethernet + 12] = np.frombuffer(b"\x02\0\0\0\0\1\x02\0\0\0\0\2", np.uint8)
    put(ethernet + 12, 0x0800, ">u2")
    put(internet, 0x45, "u1")
    put(internet + 2, 28 + payload, ">u2")
    put(internet + 6, 0x4000, ">u2")
    put(internet + 8, 64, "u1")
    put(internet + 9, 17, "u1")
    put(internet + 12, 0x0A000000 + stream // 20_000, ">u4")
    put(internet + 16, 0x0A800000 + stream // 20_000, ">u4")
    put(transport, 20_000 + 2 * (stream % 20_000), ">u2")
    put(transport + 2, 20_000 + 2 * (stream % 20_000), ">u2")
    put(transport + 4, 8 + payload, ">u2")
    put(media, 0x80, "u1")
    put(media + 1, 0, "u1")
    put(media + 2, (sequence + stream * 7919) & 0xFFFF, ">u2")
    put(media + 4, sequence * 160 & 0xFFFFFFFF, ">u4")
    put(media + 8, 0x10000000 + stream, ">u4")
    block[:, media + 12 :] = generator.integers(0, 256, (count, payload - 12), np.uint8)
    return block


def write_capture(path: Path, packets: int, streams: int, payload: int = 200) -> None:
    """Write a little-endian microsecond pcap of `packets` RTP packets of `payload` UDP payload bytes."""
    generator = np.random.default_rng(1)
    with path.open("wb") as file:
        file.write(FILE_HEADER.tobytes())
        for first in range(0, packets, BLOCK_PACKETS):
            count = min(BLOCK_PACKETS, packets - first)
            file.write(rtp_block(first, count, streams, payload, generator).tobytes())


def main() -> None:
    """Write the capture that the command line describes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path)
    parser.add_argument("--packets", type=int, default=2_000_000)
    parser.add_argument("--streams", type=int, default=1000)
    parser.add_argument("--payload", type=int, default=200, help="UDP payload bytes of each packet")
    arguments = parser.parse_args()
    write_capture(arguments.path, arguments.packets, arguments.streams, arguments.payload)


if __name__ == "__main__":
    main()
