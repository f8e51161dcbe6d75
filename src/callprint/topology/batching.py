"""What bolts have in common that work off the tuples of some milliseconds together."""

from typing import Any, ClassVar

from streamparse import TicklessBatchingBolt

from callprint.topology.pacing import Pulse
from callprint.topology.storm_pipe import OnStormPipe


class BatchingBolt(OnStormPipe, TicklessBatchingBolt):
    """Works off all tuples that came in `secs_between_batches` as one batch, in their order; answers them itself.

    Storm's questions for a sign of life wait while a batch is worked off, so a thread gives signs unasked.
    """

    auto_ack = False
    auto_fail = False
    outputs: ClassVar[list[Any]] = []

    def __init__(self, *streams: Any, **others: Any) -> None:
        """Begin; the thread that works off batches does so before `initialize` is called."""
        self.pulse = Pulse(self.breathe)
        super().__init__(*streams, **others)

    def breathe(self) -> None:
        """Give Storm a sign of life in the middle of a long piece of work."""
        self.send_message({"command": "sync"})

    def group_key(self, _tup: Any) -> None:
        """Put all tuples into one batch, in the order in which they came."""
        return

    def process_batches(self) -> None:
        """Work off what came."""
        if self._batches:
            with self.pulse:
                super().process_batches()
