"""Records of the signalling topic, read again by their place: what a home of calls needs when it comes back."""

import time
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from callprint.core.ground.errors import DecodeError, StoreError
from callprint.core.relay.site_inputs import RecordOffset
from callprint.core.wire.progress import Progress
from callprint.core.wire.signalling import SignallingBatch, decode_record
from callprint.topology.settings import TopologySettings

READ_TIMEOUT_S = 10.0
MOST_CACHED = 4_096
"""Records that are held: places are asked for in order, partition by partition in turn."""


class SignallingRecords:
    """`read(place)` for one task. The connection is made when it is first needed."""

    def __init__(self, settings: TopologySettings) -> None:
        self._settings = settings
        self._consumer: Any = None
        self._cached: dict[RecordOffset, bytes] = {}

    def read(self, place: RecordOffset) -> SignallingBatch | Progress:
        """Return the record at a place.

        Raises DecodeError when Kafka has deleted it, StoreError when Kafka does not answer.
        """
        if place not in self._cached:
            try:
                self._fill(place)
            except KafkaError as error:
                raise StoreError(f"{place} of the signalling topic cannot be read again: {error}") from error
        return decode_record(self._cached[place])

    def _fill(self, place: RecordOffset) -> None:
        partition = TopicPartition(self._settings.signaling_topic, place.partition)
        if self._consumer is None:
            self._consumer = KafkaConsumer(
                **self._settings.kafka.client_options(), group_id=None, enable_auto_commit=False
            )
        if self._consumer.beginning_offsets([partition])[partition] > place.offset:
            raise DecodeError(f"{place} of the signalling topic was deleted: raise the retention")
        self._consumer.assign([partition])
        self._consumer.seek(partition, place.offset)
        if len(self._cached) > MOST_CACHED:
            self._cached.clear()
        deadline_s = time.monotonic() + READ_TIMEOUT_S
        while place not in self._cached:
            for records in self._consumer.poll(timeout_ms=200).values():
                self._cached |= {
                    RecordOffset(record.partition, record.offset): record.value or b"" for record in records
                }
            if time.monotonic() > deadline_s:
                raise StoreError(f"{place} of the signalling topic did not come within {READ_TIMEOUT_S} s")
