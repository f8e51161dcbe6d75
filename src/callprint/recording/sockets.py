"""Which sockets send: the kernel's list, asked again and again, because a call's sockets are soon gone."""

import ipaddress
import socket
from collections.abc import Hashable, Iterable
from dataclasses import dataclass

from callprint.core.ground.addresses import Endpoint
from callprint.core.ground.errors import CaptureError
from callprint.core.ground.sock_diag import FAMILIES, UdpSocket, read_answer, request

_NETLINK_SOCK_DIAG = 4  # linux/netlink.h; Python has no name for it
_ANSWER_BYTES = 1 << 16
_PATIENCE_S = 2.0


def udp_sockets() -> list[UdpSocket]:
    """Return the UDP sockets of this network namespace. Raises CaptureError when the kernel does not list them."""
    found: list[UdpSocket] = []
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, _NETLINK_SOCK_DIAG) as kernel:
            kernel.settimeout(_PATIENCE_S)
            for sequence, version in enumerate(FAMILIES, 1):
                kernel.send(request(version, sequence))
                done = False
                while not done:
                    sockets, done = read_answer(kernel.recv(_ANSWER_BYTES))
                    found += sockets
    except OSError as error:
        raise CaptureError(f"the kernel does not list UDP sockets: {error.strerror or error}") from error
    return found


@dataclass(slots=True)
class Owned:
    """A socket with its owner, and when the kernel listed it."""

    socket: UdpSocket
    owner: Hashable  # what holds it; None: gone before it could be asked
    first_ns: int
    last_ns: int


class SocketHistory:
    """Every UDP socket that was listed during a recording. `look` adds what is there now."""

    def __init__(self) -> None:
        self._found: dict[UdpSocket, Owned] = {}
        self._by_port: dict[int, list[Owned]] = {}

    def look(self, sockets: Iterable[UdpSocket], now_ns: int) -> list[Owned]:
        """Take a list in; return those that are new, whose owners are to be filled in."""
        new = []
        for each in sockets:
            owned = self._found.get(each)
            if owned is not None:
                owned.last_ns = now_ns
            elif each.inode:
                owned = self._found[each] = Owned(each, None, now_ns, now_ns)
                self._by_port.setdefault(each.local[1], []).append(owned)
                new.append(owned)
        return new

    def forget(self, before_ns: int) -> None:
        """Forget sockets that were last listed before that time."""
        self._found = {each: owned for each, owned in self._found.items() if owned.last_ns >= before_ns}
        self._by_port = {}
        for each, owned in self._found.items():
            self._by_port.setdefault(each.local[1], []).append(owned)

    def sender(self, source: Endpoint, destination: Endpoint, from_ns: int, to_ns: int) -> Owned | None:
        """Return the socket that sent from `source` to `destination` in a span of time; None: none was listed.

        Of several at one port the one connected to the destination counts, then the one bound to the address; of
        these, the one that was there longest in that time. Where another one with another owner was there at the same
        time (SO_REUSEPORT), nobody is named.
        """
        fits = [(_fit(each.socket, source, destination), each) for each in self._by_port.get(source[1], [])]
        best = max((fit for fit, _ in fits if fit is not None), default=None)
        equal = [each for fit, each in fits if fit is not None and fit == best]
        if not equal:
            return None

        def span(of: Owned) -> tuple[int, int]:
            return max(from_ns, of.first_ns), min(to_ns, of.last_ns)

        chosen = max(equal, key=lambda each: span(each)[1] - span(each)[0])
        begin_ns, end_ns = span(chosen)
        rivals = (span(each) for each in equal if each.owner != chosen.owner)
        shared = any(min(end_ns, other_end) > max(begin_ns, other) for other, other_end in rivals)
        return None if shared else chosen


def _fit(one: UdpSocket, source: Endpoint, destination: Endpoint) -> int | None:
    """Return how well a socket fits a flow, the greater the better; None: it cannot have sent it."""
    (address, _), (far_address, far_port) = one.local, one.remote
    own = ipaddress.ip_address(address)
    version = 6 if ":" in source[0] else 4
    if own.is_unspecified:
        if own.version < version:
            return None
        exact = (
            own.version == version
        )  # else an IPv6 socket that sends IPv4, unless there is one for IPv4 besides
    elif address != source[0]:
        return None
    else:
        exact = True
    connected = far_port != 0
    if connected and (far_address, far_port) != destination:
        return None
    return 4 * connected + 2 * (not own.is_unspecified) + exact
