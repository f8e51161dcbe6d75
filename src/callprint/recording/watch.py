"""The sockets of this machine while a recording runs, looked at again and again beside it."""

import threading
import time
from types import TracebackType

from callprint.core.ground.addresses import Endpoint
from callprint.core.ground.errors import CaptureError, DecodeError
from callprint.recording.programs import owners_of, program_of
from callprint.recording.sockets import Owned, SocketHistory, udp_sockets

LOOK_EVERY_S = 0.2  # flows of ten packets last as long
FORGET_AFTER_NS = (
    600_000_000_000  # sockets that are gone: their flows have long been reported; it bounds memory
)


class SocketWatch:
    """Looks from a thread of its own, so that nothing that a recording waits for delays a look."""

    def __init__(self) -> None:
        self._history = SocketHistory()
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="socket watch", daemon=True)
        self._forgot_ns = time.time_ns()

    def __enter__(self) -> "SocketWatch":
        """Begin. Raises CaptureError when the kernel does not list sockets."""
        self.look()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._thread.join()

    def look(self) -> None:
        """Ask the kernel which sockets there are, and /proc who holds the new ones."""
        sockets = udp_sockets()
        now_ns = time.time_ns()
        with self._lock:
            new: dict[int, list[Owned]] = {}
            for owned in self._history.look(sockets, now_ns):
                new.setdefault(owned.socket.inode, []).append(owned)
            for inode, process in owners_of(set(new)).items() if new else ():
                for owned in new[inode]:
                    owned.owner = program_of(process)
            if now_ns - self._forgot_ns > FORGET_AFTER_NS:
                self._history.forget(now_ns - FORGET_AFTER_NS)
                self._forgot_ns = now_ns

    def sender(self, source: Endpoint, destination: Endpoint, from_ns: int, to_ns: int) -> Owned | None:
        """Return the socket that sent a flow, as SocketHistory does; its owner is a Program."""
        with self._lock:
            return self._history.sender(source, destination, from_ns, to_ns)

    def _run(self) -> None:
        while not self._stopped.wait(LOOK_EVERY_S):
            try:
                self.look()
            except (CaptureError, DecodeError):
                continue  # the kernel had no memory for an answer: the next look will do
