"""Live capture from network interfaces, in the same batches as from capture files."""

import os
import select
import socket
import time
from collections.abc import Generator, Iterator, Sequence
from types import TracebackType

import numpy as np

from callprint.core.capture import BATCH_RECORDS
from callprint.core.capture.ring import walk_block
from callprint.core.dissect import SIGNALLING_PORTS
from callprint.core.ground.errors import CaptureError
from callprint.core.packets import RECORD
from callprint.sources.batch import Batch
from callprint.sources.packet_ring import RETIRE_MS, PacketRing, RingStatistics

RING_BYTES = 64 << 20
"""The ring of one interface: 0.4 s of a full 1 Gbit/s, for when the process does not get to run."""

IDLE_MS = 1000
"""Without packets there is an empty batch this often, so that the consumer can look at its clock and stop."""

DROPS_EVERY_S = 1.0
"""How often the kernel is asked what it dropped: whoever reads batches asks after each."""


class LiveSource:
    """Iterates over the batches of one or more interfaces until `stop`.

    Each batch is one closed block of one interface, or a part of it. Packets of one interface are in order, those of
    different interfaces only to within the 50 ms after which the kernel closes a block. `data` is the ring itself: it
    is overwritten once the next batch is asked for.
    """

    def __init__(self, rings: list[PacketRing]) -> None:
        self.bytes_total = None  # a live source has no end
        self.bytes_done = 0
        self.packets = 0
        self.capture: str | None = None  # the interface that the last batch came from
        self.clock = 0  # that of the host, for all interfaces
        self.buffer = self.rows = None  # nobody may write to the ring
        self.not_captures = 0
        self.warnings: list[CaptureError] = []
        self._rings = rings
        self._stopped = False
        self._dropped = 0
        self._ask_again_s = 0.0
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def __iter__(self) -> Iterator[Batch]:
        """Yield batches; after `stop`, the packets that are still in the rings.

        Raises CaptureError when an interface no longer exists.
        """
        poller = select.poll()
        poller.register(self._wake, select.POLLIN)
        by_descriptor = {ring.fileno(): ring for ring in self._rings}
        for descriptor in by_descriptor:
            poller.register(descriptor, select.POLLIN | select.POLLERR)
        nothing = Batch(self._rings[0].data, np.empty(0, RECORD))
        while not self._stopped:
            for descriptor, event in poller.poll(IDLE_MS) or [(-1, 0)]:
                if descriptor < 0:
                    yield nothing
                elif event & select.POLLERR and descriptor in by_descriptor:
                    _check(by_descriptor[descriptor])
            # One block of each in turn: a busy interface must not make the others wait.
            busy = True
            while busy and not self._stopped:
                busy = False
                for ring in self._rings:
                    busy |= yield from self._next_block(ring)
        for ring in self._rings:
            ring.mute()
        # The kernel closes a block that is not full after RETIRE_MS.
        time.sleep(2 * RETIRE_MS / 1000)
        for ring in self._rings:
            while (yield from self._next_block(ring)):
                pass

    def _next_block(self, ring: PacketRing) -> Generator[Batch, None, bool]:
        """Yield the current block if it is closed, then release it; return whether there was one."""
        block = ring.block()
        if block is None:
            return False
        at, left = block
        while left:
            records = np.empty(BATCH_RECORDS, RECORD)
            count, at = walk_block(ring.data, at, left, ring.link_type, records)
            left -= count
            self.packets += count
            self.bytes_done += int(records["captured"][:count].sum(dtype=np.int64))
            self.capture = ring.interface
            yield Batch(ring.data, records[:count])
        ring.release()
        return True

    def stop(self) -> None:
        """End the iteration, from any thread or signal handler; what was captured so far is still yielded.

        A KeyboardInterrupt inside the iteration would lose what is in the rings, so let SIGINT call this.
        """
        self._stopped = True
        os.eventfd_write(self._wake, 1)

    @property
    def dropped(self) -> int:
        """Packets that the kernel had to drop so far; while the capture goes on, as of the last second."""
        now_s = time.monotonic()
        if self._stopped or now_s >= self._ask_again_s:
            self._ask_again_s = now_s + DROPS_EVERY_S
            self._dropped = sum(ring.dropped for ring in self.statistics())
        return self._dropped

    def statistics(self) -> list[RingStatistics]:
        """Return the kernel's counters of each interface: what passed its filter and what it had to drop."""
        return [ring.statistics() for ring in self._rings]

    def close(self) -> None:
        """Close the sockets. Batches that were yielded stay readable."""
        for ring in self._rings:
            ring.close()
        os.close(self._wake)

    def __enter__(self) -> "LiveSource":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_interfaces(
    names: Sequence[str],
    *,
    signalling_ports: tuple[int, ...] = SIGNALLING_PORTS,
    ring_bytes: int = RING_BYTES,
    promiscuous: bool = True,
    fanout_group: int | None = None,
    filtered: bool = True,
    hardware_time: bool = False,
) -> LiveSource:
    """Capture on all of `names` at once.

    `signalling_ports` are the TCP ports of SIP that pass the kernel filter, beside H.323's; give `dissect` the same.
    With a `fanout_group` (any number) several processes that capture on an interface share its packets by media
    session, so that one of them sees a flow, its RTCP and its reverse. `filtered=False` passes every packet.
    `hardware_time` takes the time stamps of the network card if it makes any (its clock must be synchronised by PTP),
    else the kernel's.

    Raises PrivilegeError without CAP_NET_RAW, and CaptureError when capturing on an interface is not possible.
    """
    if not names:
        raise CaptureError("no interface to capture on")
    rings: list[PacketRing] = []
    try:
        for name in names:
            ring = PacketRing(
                name,
                signalling_ports=signalling_ports,
                ring_bytes=ring_bytes,
                promiscuous=promiscuous,
                fanout_group=fanout_group,
                filtered=filtered,
                hardware_time=hardware_time,
            )
            rings.append(ring)
    except BaseException:
        for ring in rings:
            ring.close()
        raise
    return LiveSource(rings)


def _check(ring: PacketRing) -> None:
    """Ignore an interface that was only taken down for a while; raise CaptureError when it is gone."""
    number = ring.socket_error()
    if number and ring.interface not in [name for _, name in socket.if_nameindex()]:
        raise CaptureError(f"the interface {ring.interface} no longer exists ({os.strerror(number)})")
