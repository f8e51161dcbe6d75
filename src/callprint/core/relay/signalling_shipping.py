"""From SIP messages to signalling batches, one stream of batches for each partition, and the progress among them."""

from collections.abc import Sequence

from callprint.core.signalling.reader import RawMessage
from callprint.core.wire.frame import Origin
from callprint.core.wire.progress import Progress
from callprint.core.wire.signalling import SignallingBatch, partition_of


class SignallingShipper:
    """Sorts messages by partition and cuts them into batches."""

    MAXIMUM_BYTES = 128 << 10
    MAXIMUM_MESSAGES = 256

    def __init__(self, source: int, partitions: int) -> None:
        """`source` identifies this run among all runs of all agents."""
        self._source = source
        self._waiting: list[list[tuple[RawMessage, int]]] = [[] for _ in range(partitions)]
        self._bytes = [0] * partitions
        self._sequences = [0] * partitions
        self._clock_ns = -(1 << 63)
        self._messages = 0
        self._progress_records = 0

    def take(self, messages: Sequence[RawMessage]) -> list[tuple[int, SignallingBatch]]:
        """Take messages in; return the batches that became full, each with its partition."""
        full = []
        for message in messages:
            number = partition_of(message, len(self._waiting))
            self._waiting[number].append((message, self._messages))
            self._messages += 1
            self._bytes[number] += len(message.payload)
            self._clock_ns = max(self._clock_ns, message.time_ns)
            if (
                self._bytes[number] >= self.MAXIMUM_BYTES
                or len(self._waiting[number]) == self.MAXIMUM_MESSAGES
            ):
                full.append((number, self._cut(number)))
        return full

    def flush(self) -> list[tuple[int, SignallingBatch]]:
        """Return a batch for every partition in which something waits."""
        return [(number, self._cut(number)) for number, some in enumerate(self._waiting) if some]

    def progress(
        self, media_sent: Sequence[int], clock_ns: int, *, ended: bool, begins_anew: bool = False
    ) -> tuple[int, Progress]:
        """Return the progress to send after `flush`, with its partition: all up to `clock_ns` has been sent.

        media_sent: for each partition of the media topic, how many batches were given out.
        """
        number = self._source % len(self._sequences)
        origin = Origin(self._source, self._sequences[number], clock_ns)
        sent = tuple(media_sent), tuple(self._sequences)
        progress = Progress(origin, self._progress_records, *sent, ended, begins_anew)
        self._sequences[number] += 1
        self._progress_records += 1
        return number, progress

    def _cut(self, number: int) -> SignallingBatch:
        messages, numbers = zip(*self._waiting[number], strict=True)
        batch = SignallingBatch(
            Origin(self._source, self._sequences[number], self._clock_ns), messages, numbers
        )
        self._sequences[number] += 1
        self._waiting[number] = []
        self._bytes[number] = 0
        return batch
