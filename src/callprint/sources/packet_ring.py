"""A packet socket with a ring that the kernel fills and we read in place (packet(7), TPACKET_V3).

The kernel closes a block when it is full or `RETIRE_MS` after its first packet; from then on the block is ours, and
none of its bytes change, until `release` hands it back. Nothing is copied.
"""

import ctypes
import errno
import fcntl
import mmap
import shutil
import socket
import struct
import sys
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from callprint.core.capture import ring
from callprint.core.ground.errors import CaptureError, PrivilegeError
from callprint.sources.fanout import build_fanout
from callprint.sources.kernel_filter import DROP_BYTES, RETURN, Instruction, build_filter

BLOCK_BYTES = 1 << 20
RETIRE_MS = 50

ETHERNET, RAW_IP = 1, 101  # LINKTYPE_ numbers

# linux/if_packet.h, asm-generic/socket.h, linux/if_arp.h, linux/net_tstamp.h, linux/sockios.h
_SOL_PACKET = 263
_PACKET_ADD_MEMBERSHIP, _PACKET_RX_RING, _PACKET_STATISTICS, _PACKET_VERSION = 1, 5, 6, 10
_PACKET_TIMESTAMP, _PACKET_FANOUT, _PACKET_FANOUT_DATA = 17, 18, 22
_TPACKET_V3 = 2
_MEMBERSHIP_PROMISCUOUS = 1
_FANOUT_CBPF = 6
_SO_ATTACH_FILTER, _SO_DETACH_FILTER = 26, 27
_ARPHRD_ETHERNET, _ARPHRD_LOOPBACK = 1, 772
_TIMESTAMP_RAW_HARDWARE = 1 << 6
_SIOCGIFHWADDR = 0x8927
_ETH_P_ALL = 3
_STATUS_OURS = 1
_FRAME_BYTES = 2048  # only a divisor for TPACKET_V3: packets are tightly packed whatever their size


@dataclass(frozen=True, slots=True)
class RingStatistics:
    """The kernel's counters of one interface since the capture began."""

    interface: str
    passed: int  # packets that passed the filter, including dropped ones
    dropped: int  # of these, packets lost because the ring was full
    freezes: int  # how often the ring was full


class PacketRing:
    """One interface's packet socket and its ring.

    Raises PrivilegeError without CAP_NET_RAW, and CaptureError when there is no such interface or no ring can be
    allocated.
    """

    def __init__(
        self,
        interface: str,
        *,
        signalling_ports: tuple[int, ...],
        ring_bytes: int,
        promiscuous: bool,
        fanout_group: int | None,
        filtered: bool,
        hardware_time: bool,
    ) -> None:
        if not sys.platform.startswith("linux"):
            raise CaptureError("live capture needs Linux; elsewhere, capture with tcpdump and read the file")
        self.interface = interface
        self._blocks = max(2, ring_bytes // BLOCK_BYTES)
        self._current = 0
        self._passed = self._dropped = self._freezes = 0
        device = _device_type(interface)
        framed = device in (_ARPHRD_ETHERNET, _ARPHRD_LOOPBACK)
        # Other devices (tun, PPP, tunnels) have headers of all sorts: the kernel removes them for us.
        self.link_type = ETHERNET if framed else RAW_IP
        self._socket = _open_socket(interface, socket.SOCK_RAW if framed else socket.SOCK_DGRAM)
        try:
            self.mute()  # until everything is set up: no packet gets in unfiltered, or past the fan-out group
            self._map_ring(hardware_time)
            self._socket.bind((interface, _ETH_P_ALL))
            if promiscuous:
                request = struct.pack(
                    "iHH8s", socket.if_nametoindex(interface), _MEMBERSHIP_PROMISCUOUS, 0, b""
                )
                self._socket.setsockopt(_SOL_PACKET, _PACKET_ADD_MEMBERSHIP, request)
            if fanout_group is not None:
                self._join(fanout_number(fanout_group, interface), framed)
            if filtered:
                # The kernel's loopback shows each packet twice: as it leaves and as it arrives.
                loopback = device == _ARPHRD_LOOPBACK
                program = build_filter(signalling_ports, ethernet=framed, drop_outgoing=loopback)
                _attach(self._socket, program)
            else:
                self._socket.setsockopt(socket.SOL_SOCKET, _SO_DETACH_FILTER, 0)
        except OSError as error:
            self._socket.close()
            raise CaptureError(f"cannot capture on {interface}: {error.strerror}") from error

    def _map_ring(self, hardware_time: bool) -> None:
        self._socket.setsockopt(_SOL_PACKET, _PACKET_VERSION, _TPACKET_V3)
        if hardware_time:  # the network card's time if it has a clock, else the kernel's
            self._socket.setsockopt(_SOL_PACKET, _PACKET_TIMESTAMP, _TIMESTAMP_RAW_HARDWARE)
        frames = BLOCK_BYTES // _FRAME_BYTES * self._blocks
        request = struct.pack("7I", BLOCK_BYTES, self._blocks, _FRAME_BYTES, frames, RETIRE_MS, 0, 0)
        self._socket.setsockopt(_SOL_PACKET, _PACKET_RX_RING, request)
        self._map = mmap.mmap(self._socket.fileno(), BLOCK_BYTES * self._blocks)
        self.data = np.frombuffer(self._map, np.uint8)  # (blocks * BLOCK_BYTES,) uint8

    def _join(self, number: int, framed: bool) -> None:
        try:
            self._socket.setsockopt(_SOL_PACKET, _PACKET_FANOUT, number | _FANOUT_CBPF << 16)
        except OSError as error:
            raise CaptureError(
                f"cannot join fan-out group {number} on {self.interface} ({error.strerror}): another program, or an "
                "older callprint, may use it in another way; choose another group"
            ) from error
        _give_program(self._socket, _SOL_PACKET, _PACKET_FANOUT_DATA, build_fanout(ethernet=framed))

    def fileno(self) -> int:
        """Return the descriptor that becomes readable when a block is ours."""
        return self._socket.fileno()

    def block(self) -> tuple[int, int] | None:
        """Return (offset of the first packet header, number of packets) of the current block if it is ours."""
        base = self._current * BLOCK_BYTES
        (status,) = struct.unpack_from("=I", self._map, base + ring.BLOCK_STATUS)
        if not status & _STATUS_OURS:
            return None
        packets, first = struct.unpack_from("=II", self._map, base + ring.BLOCK_PACKETS)
        return base + first, packets

    def release(self) -> None:
        """Hand the current block back to the kernel and move on to the next."""
        struct.pack_into("=I", self._map, self._current * BLOCK_BYTES + ring.BLOCK_STATUS, 0)
        self._current = (self._current + 1) % self._blocks

    def mute(self) -> None:
        """Let no more packets in; those in the ring stay."""
        _attach(self._socket, [Instruction(RETURN, 0, 0, DROP_BYTES)])

    def socket_error(self) -> int:
        """Return and clear the pending error of the socket, 0 for none."""
        return self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)

    def statistics(self) -> RingStatistics:
        """Return the counters so far. The kernel resets its own at each reading, so they are added up here."""
        if self._socket.fileno() >= 0:
            raw = self._socket.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 12)
            passed, dropped, freezes = struct.unpack("3I", raw)
            self._passed += passed
            self._dropped += dropped
            self._freezes += freezes
        return RingStatistics(self.interface, self._passed, self._dropped, self._freezes)

    def close(self) -> None:
        """Stop capturing. The ring's memory stays until the last batch that refers to it is gone."""
        self.statistics()
        self._socket.close()


def _device_type(interface: str) -> int:
    """Return the ARPHRD_ number of an interface."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16s24x", interface.encode()[:15])
        try:
            answer = fcntl.ioctl(control, _SIOCGIFHWADDR, request)
        except OSError as error:
            if error.errno != errno.ENODEV:
                raise CaptureError(f"{interface}: {error.strerror}") from error
            names = ", ".join(name for _, name in socket.if_nameindex())
            raise CaptureError(f"there is no interface {interface}; there are {names}") from error
    (device,) = struct.unpack_from("=H", answer, 16)
    return int(device)


def _open_socket(interface: str, kind: int) -> socket.socket:
    try:
        return socket.socket(socket.AF_PACKET, kind, 0)
    except PermissionError as error:
        python = Path(sys.executable).resolve()
        setcap = shutil.which("setcap") or "setcap"
        raise PrivilegeError(
            f"capturing on {interface} needs the capability CAP_NET_RAW. Run as root (sudo), or give it to this "
            f"Python for all its scripts: sudo {setcap} cap_net_raw+ep {python}"
        ) from error


def fanout_number(group: int, interface: str) -> int:
    """Return the kernel's number for a group, 0..65535; in the kernel a group belongs to one interface.

    Processes that name the same group and interface get the same number, whatever else they capture on.
    """
    return zlib.crc32(f"{group}/{interface}".encode()) & 0xFFFF


def _attach(packet_socket: socket.socket, program: list[Instruction]) -> None:
    _give_program(packet_socket, socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)


def _give_program(packet_socket: socket.socket, level: int, option: int, program: list[Instruction]) -> None:
    """Attach a classic BPF program: struct sock_fprog points to an array of struct sock_filter."""
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in program))
    packet_socket.setsockopt(level, option, struct.pack("@HP", len(program), ctypes.addressof(code)))
