"""Live capture in a separate network namespace: `unshare -n python tests/live_scenarios.py SCENARIO`.

Each scenario prints what it saw as JSON; tests/sources/test_live.py checks it.
"""

import fcntl
import json
import os
import random
import socket
import struct
import subprocess
import sys
import threading
import time

from bpf_machine import run as run_filter
from frames import (
    DESTINATION,
    DESTINATION6,
    SOURCE,
    SOURCE6,
    ethernet,
    ipv4,
    ipv6,
    records,
    rtcp,
    rtp,
    tcp,
    udp,
    vlan,
)
from link_samples import TUNNELS

from callprint.core import capture, dissect
from callprint.core.packets import PacketKind
from callprint.sources import LiveSource, open_interfaces
from callprint.sources.fanout import build_fanout
from callprint.sources.kernel_filter import PROTOCOL, build_filter

MEDIA = ethernet(ipv4(udp(rtp())))
PORTS = (5060,)


def command(line: str) -> None:
    subprocess.run(line.split(), check=True)


def veth_pair() -> None:
    # Without IPv6 the kernel sends no packets of its own over the pair.
    command("sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1")
    command("ip link add near type veth peer name far")
    command("ip link set near up")
    command("ip link set far up")


def send(frames: list[bytes], interface: str = "near") -> None:
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sender:
        sender.bind((interface, 0))
        for number, frame in enumerate(frames):
            sender.send(frame)
            if number % 500 == 499:
                time.sleep(0.002)  # so that the sender does not starve the reader


def send_media(address: str, count: int = 50) -> None:
    """Send RTP packets by an ordinary socket."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as talker:
        for _ in range(count):
            talker.sendto(rtp(), (address, 40002))


def collect(source: LiveSource, seen: list[bytes]) -> None:
    for batch in source:
        seen.extend(batch.data[row["offset"] :][: row["captured"]].tobytes() for row in batch.records)


def capture_while(action, *sources: LiveSource) -> list[list[bytes]]:
    """Run `action` while all sources are capturing; return the frames that each saw."""
    seen: list[list[bytes]] = [[] for _ in sources]
    readers = [threading.Thread(target=collect, args=pair) for pair in zip(sources, seen, strict=True)]
    for reader in readers:
        reader.start()
    action()
    time.sleep(0.2)  # a busy kernel delivers a little later
    for source, reader in zip(sources, readers, strict=True):
        source.stop()
        reader.join()
    return seen


def every_packet() -> dict:
    """Many packets of one stream, sent by another process and identified by their sequence numbers."""
    veth_pair()
    source = open_interfaces(["far"])
    seen, times, kinds = [], [], set()
    sender = subprocess.Popen([sys.executable, __file__, "send_stream"])
    threading.Thread(target=lambda: (sender.wait(), time.sleep(0.2), source.stop())).start()
    for batch in source:
        packets = dissect.dissect(batch.data, batch.records)
        kinds |= set(packets["kind"].tolist())
        seen += [int.from_bytes(batch.data[at + 2 : at + 4].tobytes(), "big") for at in packets["offset"]]
        times += packets["time_ns"].tolist()
    (statistics,) = source.statistics()
    source.close()
    return {
        "in_order": seen == [number & 0xFFFF for number in range(60_000)],
        "packets": source.packets,
        "kinds": sorted(kinds),
        "passed": statistics.passed,
        "dropped": statistics.dropped,
        "time_goes_on": times == sorted(times),
        "clock_error_s": abs(times[-1] / 1e9 - time.time()),
    }


def send_stream() -> dict:
    send([ethernet(ipv4(udp(rtp(sequence=number & 0xFFFF)))) for number in range(60_000)])
    return {}


def overload() -> dict:
    """A small ring and a reader that does not read: the kernel's drops are counted, and everything adds up."""
    veth_pair()
    source = open_interfaces(["far"], ring_bytes=2 << 20)
    send([MEDIA] * 30_000)
    time.sleep(0.2)
    source.stop()
    for _ in source:
        pass
    (statistics,) = source.statistics()
    source.close()
    return {"read": source.packets, "passed": statistics.passed, "dropped": statistics.dropped}


def kernel_filter() -> dict:
    """The same traffic with and without the filter, compared with the dissector and bpf_machine.py."""
    veth_pair()
    generator = random.Random(1)
    samples = [
        MEDIA,
        ethernet(vlan(ipv4(udp(rtp()))), 0x8100),
        ethernet(ipv4(tcp(b"x", 80), 6)),
        ethernet(ipv4(tcp(b"x"), 6)),
        ethernet(ipv4(udp(rtp()), fragment=0x2000)),
        ethernet(ipv6(udp(rtp())), 0x86DD),
        ethernet(ipv6(tcp(b"x", 80), 6), 0x86DD),
        ethernet(ipv4(bytes(30), 1)),
        ethernet(bytes(28), 0x0806),
        *(frame for frame, _ in TUNNELS.values()),
    ]
    frames = list(samples)
    for _ in range(3000):
        frame = bytearray(generator.choice(samples))
        frame[generator.randrange(12, len(frame))] = generator.choice(
            [0, 4, 6, 17, 44, generator.randrange(256)]
        )
        frames.append(bytes(frame))
    everything, filtered = open_interfaces(["far"], filtered=False), open_interfaces(["far"])
    unfiltered_frames, filtered_frames = capture_while(lambda: send(frames), everything, filtered)
    program = build_filter(PORTS)
    packets = dissect.dissect(*records(unfiltered_frames))
    used = [
        frame
        for frame, packet in zip(unfiltered_frames, packets, strict=True)
        if packet["transport"] == 17 or packet["kind"] in (PacketKind.SIP_TCP, PacketKind.H225)
    ]
    passed = set(filtered_frames)
    return {
        "sent": len(frames),
        "unfiltered": len(unfiltered_frames),
        "filtered": len(filtered_frames),
        "used": len(used),
        "used_but_dropped": sum(frame not in passed for frame in used),
        "as_our_machine_says": filtered_frames
        == [f for f in unfiltered_frames if run_filter(program, f, {})],
        "tag_taken_off": samples[1] not in unfiltered_frames and passed >= {MEDIA},
    }


def several_interfaces() -> dict:
    veth_pair()
    source = open_interfaces(["near", "far"])
    (seen,) = capture_while(lambda: send([MEDIA] * 100), source)  # both ends of the pair see each packet
    return {"seen": len(seen), "by_interface": [one.passed for one in source.statistics()]}


def fanout() -> dict:
    """Two sources of one group: a session's RTP, RTCP and reverse go to one of them, and nothing is lost."""
    veth_pair()
    sessions = [session(number) for number in range(64)]
    frames = [frame for each in sessions for frame in each]
    pair = [open_interfaces(["far"], fanout_group=77) for _ in range(2)]
    seen = capture_while(lambda: send(frames * 5), *pair)
    first, second = (set(frames) for frames in seen)
    program = build_fanout()
    member_of = {frame: run_filter(program, frame, {PROTOCOL: protocol_of(frame)}) % 2 for frame in frames}
    return {
        "first": len(seen[0]),
        "second": len(seen[1]),
        "torn_sessions": sum(not (set(each) <= first or set(each) <= second) for each in sessions),
        "as_our_machine_says": [first, second]
        == [{frame for frame in frames if member_of[frame] == member} for member in (0, 1)],
    }


def session(number: int) -> list[bytes]:
    """One media session: RTP, RTCP and both reversed, over IPv4, IPv6 or PPPoE."""
    ways = [(20_000 + 2 * number + odd, 30_000 + odd) for odd in (0, 1)]
    payloads = (rtp(), rtcp())
    if number % 3 == 0:
        there = [ethernet(ipv6(udp(body, *way)), 0x86DD) for way, body in zip(ways, payloads, strict=True)]
        back = [
            ethernet(ipv6(udp(body, way[1], way[0]), source=DESTINATION6, destination=SOURCE6), 0x86DD)
            for way, body in zip(ways, payloads, strict=True)
        ]
        return there + back
    there = [ipv4(udp(body, *way)) for way, body in zip(ways, payloads, strict=True)]
    back = [
        ipv4(udp(body, way[1], way[0]), source=DESTINATION, destination=SOURCE)
        for way, body in zip(ways, payloads, strict=True)
    ]
    packets = there + back
    if number % 3 == 1:
        return [ethernet(packet) for packet in packets]
    # PPPoE, which the kernel leaves alone.
    return [ethernet(b"\x11\0\0\1" + struct.pack("!H", len(p) + 2) + b"\0\x21" + p, 0x8864) for p in packets]


def protocol_of(frame: bytes) -> int:
    return int.from_bytes(frame[12:14], "big")


def fanout_on_two_interfaces() -> dict:
    """Two processes with the same group on the same two interfaces, named in a different order."""
    veth_pair()
    flows = [ethernet(ipv4(udp(rtp(), 20_000 + 2 * flow, 30_000))) for flow in range(32)]
    pair = [open_interfaces(names, fanout_group=7) for names in (["near", "far"], ["far", "near"])]
    first, second = capture_while(lambda: send(flows), *pair)
    return {"seen": len(first) + len(second), "both": min(len(first), len(second)) > 0}


def loopback() -> dict:
    command("ip link set lo up")
    source = open_interfaces(["lo"])
    (seen,) = capture_while(lambda: send_media("127.0.0.1"), source)
    kinds = dissect.dissect(*records(seen))["kind"]
    return {"media": int((kinds == PacketKind.RTP).sum())}


def tunnel_device() -> dict:
    """A device without Ethernet: the kernel delivers the packet from its IP header on."""
    tun = os.open("/dev/net/tun", os.O_RDWR)
    # TUNSETIFF, no packet information
    fcntl.ioctl(tun, 0x400454CA, struct.pack("16sH22x", b"tunnel", 0x1001))
    command("ip addr add 10.9.0.1/24 dev tunnel")
    command("ip link set tunnel up")
    source = open_interfaces(["tunnel"])
    rows = []

    def read() -> None:
        for batch in source:
            rows.extend(dissect.dissect(batch.data, batch.records)["kind"].tolist())

    reader = threading.Thread(target=read)
    reader.start()
    send_media("10.9.0.2")
    time.sleep(0.2)
    source.stop()
    reader.join()
    return {"media": rows.count(PacketKind.RTP)}


def interface_goes_away() -> dict:
    veth_pair()
    source = open_interfaces(["far"])
    error = []

    def read() -> None:
        try:
            for _ in source:
                pass
        except Exception as raised:
            error.append(f"{type(raised).__name__}: {raised}")

    reader = threading.Thread(target=read)
    reader.start()
    command("ip link set far down")
    command("ip link set far up")
    time.sleep(0.2)
    survived = reader.is_alive()
    command("ip link del far")
    reader.join(5)
    return {"survived_down": survived, "error": error}


def idle() -> dict:
    veth_pair()
    source = open_interfaces(["far"])
    batch = next(iter(source))
    return {"records": len(batch.records)}


if __name__ == "__main__":
    capture.warm_up()
    dissect.warm_up()
    print(json.dumps(globals()[sys.argv[1]]()))
