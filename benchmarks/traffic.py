"""Large generated captures for the benchmarks: many calls at once, written as one pcap by numpy."""

import struct
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from callprint.sources import open_captures

RAW_IP = 101  # LINKTYPE_
ETHERNET_IP_UDP = 14 + 20 + 8
PAYLOAD = 172  # RTP header and 20 ms of G.711
FRAME = ETHERNET_IP_UDP + PAYLOAD
START_S = 1_700_000_000

RECORD = np.dtype(
    [
        ("seconds", "<u4"),
        ("microseconds", "<u4"),
        ("captured", "<u4"),
        ("original", "<u4"),
        ("macs", "u1", (12,)),
        ("ethertype", ">u2"),
        ("version", "u1"),
        ("tos", "u1"),
        ("ip_length", ">u2"),
        ("identification", ">u2"),
        ("fragment", ">u2"),
        ("ttl", "u1"),
        ("protocol", "u1"),
        ("ip_checksum", ">u2"),
        ("source", ">u4"),
        ("destination", ">u4"),
        ("source_port", ">u2"),
        ("destination_port", ">u2"),
        ("udp_length", ">u2"),
        ("udp_checksum", ">u2"),
        ("rtp_flags", "u1"),
        ("payload_type", "u1"),
        ("sequence", ">u2"),
        ("timestamp", ">u4"),
        ("ssrc", ">u4"),
        ("media", "u1", (PAYLOAD - 12,)),
    ]
)


def _records(count: int, rng: np.random.Generator) -> np.ndarray:
    records = np.zeros(count, dtype=RECORD)
    records["captured"] = records["original"] = FRAME
    records["macs"] = np.frombuffer(b"\x02\0\0\0\0\x01\x02\0\0\0\0\x02", np.uint8)
    records["ethertype"] = 0x0800
    records["version"] = 0x45
    records["ip_length"] = 20 + 8 + PAYLOAD
    records["ttl"] = 64
    records["protocol"] = 17
    records["udp_length"] = 8 + PAYLOAD
    records["rtp_flags"] = 0x80
    # One block of noise for all: payload costs its readers the same, whatever its bytes are.
    records["media"] = rng.integers(0, 256, PAYLOAD - 12, dtype=np.uint8)
    return records


def write_raw_ip(path: Path, packets: Iterable[tuple[int, bytes]]) -> None:
    """Write raw IP as a pcap file; packets: nanoseconds since START_S, and what begins with the IP header, in order."""
    with path.open("wb") as stream:
        magic = b"\x4d\x3c\xb2\xa1\x02\0\x04\0"  # nanoseconds
        stream.write(magic + bytes(8) + struct.pack("<II", 65535, RAW_IP))
        for time_ns, packet in packets:
            seconds, left_ns = divmod(START_S * 10**9 + time_ns, 10**9)
            stream.write(struct.pack("<IIII", seconds, left_ns, len(packet), len(packet)) + packet)


def with_own_addresses(packet: bytes, number: int) -> bytes:
    """Return an IPv4 packet with a number in the middle of both addresses."""
    changed = bytearray(packet)
    changed[13:15] = changed[17:19] = number.to_bytes(2, "big")
    return bytes(changed)


def write_overlapping(path: Path, captures: Sequence[Path], step_s: float, repeats: int = 1) -> None:
    """Write captures of raw IPv4 as one: each begins `step_s` after the one before it, with addresses of its own.

    The result has the timing of many calls at once; captures one after the other would not.
    """
    frames: list[tuple[int, bytes]] = []
    for number, capture in enumerate(list(captures) * repeats):
        first_ns = None
        for data, records in open_captures([capture]):
            for row in records:
                frame = data[row["offset"] :][: row["captured"]].tobytes()
                if row["link_type"] != RAW_IP or row["captured"] != row["original"] or frame[0] >> 4 != 4:
                    continue
                first_ns = int(row["time_ns"]) if first_ns is None else first_ns
                time_ns = int(row["time_ns"]) - first_ns + round(number * step_s * 1e9)
                frames.append((time_ns, with_own_addresses(frame, number)))
    write_raw_ip(path, sorted(frames, key=lambda pair: pair[0]))


def _write(path: Path, chunks: Iterable[np.ndarray]) -> None:
    partial = path.with_suffix(".partial")
    with partial.open("wb") as stream:
        stream.write(
            b"\xd4\xc3\xb2\xa1\x02\0\x04\0" + bytes(8) + (65535).to_bytes(4, "little") + b"\x01\0\0\0"
        )
        for chunk in chunks:
            chunk.tofile(stream)
    partial.rename(path)


def write_calls(path: Path, flows: int, packets_each: int) -> None:
    """Write `flows` one-way G.711 streams of `packets_each` packets, 20 ms apart, all at the same time."""
    rng = np.random.default_rng(1)
    flow = np.arange(flows)
    first_sequence = rng.integers(0, 65536, flows)
    first_timestamp = rng.integers(0, 1 << 32, flows)
    ssrc = rng.integers(0, 1 << 32, flows)
    phase_us = np.sort(rng.integers(0, 20_000, flows))

    def chunks() -> Iterator[np.ndarray]:
        records = _records(flows, rng)
        records["source"] = 0x0A000000 + flow
        records["destination"] = 0x0B000000 + rng.permutation(flows)
        records["source_port"] = 10_000 + 2 * (flow % 20_000)
        records["destination_port"] = 20_000 + 2 * (flow // 7 % 20_000)
        records["ssrc"] = ssrc
        for number in range(packets_each):
            time_us = number * 20_000 + phase_us
            records["seconds"] = START_S + time_us // 1_000_000
            records["microseconds"] = time_us % 1_000_000
            records["sequence"] = (first_sequence + number) & 0xFFFF
            records["timestamp"] = (first_timestamp + 160 * number) & 0xFFFFFFFF
            yield records

    _write(path, chunks())


def write_short_calls(path: Path, flows_per_s: int, seconds: int) -> None:
    """Write streams of 102 packets that begin one after the other: each gets its verdict after 2 s and falls silent."""
    rng = np.random.default_rng(3)
    per_slot = flows_per_s // 50  # flows that begin in each 20 ms
    slots = 50 * seconds
    packets_each = 102
    first_sequence = rng.integers(0, 65536, slots * per_slot)

    def chunks() -> Iterator[np.ndarray]:
        for slot in range(slots + packets_each - 1):
            first_slot, last_slot = max(0, slot - packets_each + 1), min(slot, slots - 1)
            flow = np.arange(first_slot * per_slot, (last_slot + 1) * per_slot)
            number = slot - flow // per_slot
            records = _records(len(flow), rng)
            records["seconds"] = START_S + slot // 50
            records["microseconds"] = slot % 50 * 20_000
            records["source"] = 0x0A000000 + flow
            records["destination"] = 0x0B000001
            records["source_port"] = records["destination_port"] = 4000
            records["ssrc"] = flow
            records["sequence"] = (first_sequence[flow] + number) & 0xFFFF
            records["timestamp"] = 160 * number
            yield records

    _write(path, chunks())


def write_flood(path: Path, packets: int) -> None:
    """Write `packets` RTP-like packets, each of another flow: none of them may stay in memory."""
    rng = np.random.default_rng(2)

    def chunks() -> Iterator[np.ndarray]:
        size = 100_000
        for first in range(0, packets, size):
            records = _records(size, rng)
            number = first + np.arange(size)
            records["seconds"] = START_S + number // 500_000
            records["microseconds"] = number % 500_000 * 2
            records["source"] = rng.integers(0, 1 << 32, size)
            records["destination"] = 0x0B000001
            records["source_port"] = rng.integers(1024, 65536, size)
            records["destination_port"] = rng.integers(1024, 65536, size)
            records["sequence"] = rng.integers(0, 65536, size)
            records["ssrc"] = rng.integers(0, 1 << 32, size)
            yield records

    _write(path, chunks())


OTHER_CONNECTIONS = 5_000


def write_mixture(path: Path, flows: int, packets_each: int, other: int, at_a_time: int = 3_000) -> None:
    """Write `flows` RTP streams of unknown senders, some `at_a_time` at once, among `other` packets of UDP and TCP.

    The senders' habits are nobody's: payload sizes, first sequence numbers and timestamps are drawn for each flow.
    """
    rng = np.random.default_rng(4)
    slot_us = 20_000
    begins = np.sort(rng.integers(0, max(1, flows * packets_each // at_a_time), flows))
    first_sequence = rng.integers(0, 65536, flows)
    first_timestamp = rng.integers(0, 1 << 32, flows)
    phase_us = rng.integers(0, slot_us, flows)
    port = 10_000 + 2 * rng.integers(0, 20_000, flows)
    payload_type = rng.choice([0, 8, 96, 101, 111], flows)
    slots = int(begins[-1]) + packets_each
    other_each = max(1, other // slots)

    def chunks() -> Iterator[np.ndarray]:
        for slot in range(slots):
            flow = np.flatnonzero((begins <= slot) & (begins + packets_each > slot))
            number = slot - begins[flow]
            records = _records(len(flow) + other_each, rng)
            media, rest = records[: len(flow)], records[len(flow) :]
            time_us = np.concatenate((phase_us[flow], rng.integers(0, slot_us, other_each))) + slot * slot_us
            records["seconds"], records["microseconds"] = START_S + time_us // 1_000_000, time_us % 1_000_000
            media["source"], media["destination"] = 0x0A000000 + flow, 0x0B000000 + (flow * 7919 & 0xFFFF)
            media["source_port"] = media["destination_port"] = port[flow]
            media["payload_type"] = payload_type[flow]
            media["sequence"] = (first_sequence[flow] + number) & 0xFFFF
            media["timestamp"] = (first_timestamp[flow] + 160 * number) & 0xFFFFFFFF
            media["ssrc"] = flow * 2_654_435_761 & 0xFFFFFFFF
            connection = rng.integers(0, OTHER_CONNECTIONS, other_each)
            rest["source"], rest["destination"] = 0x0C000000 + connection, 0x0D000000 + connection % 500
            rest["source_port"] = 1024 + connection * 31 % 60_000
            rest["destination_port"] = np.array([53, 443, 123, 5353])[connection % 4]
            rest["protocol"] = np.where(connection % 8 < 4, 6, 17)
            rest["rtp_flags"] = rng.integers(0, 64, other_each)  # version 0
            yield records[np.argsort(time_us, kind="stable")]

    _write(path, chunks())
