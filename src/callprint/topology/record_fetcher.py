"""Reads records of the signalling topic again: what a site needs to rebuild its calls after a restart."""

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
"""Records kept in memory: they are asked for in order, one partition after the other, in turn."""


class RecordFetcher:
    """Fetches single records by partition and offset, for one task. It connects when it is first asked."""

    def __init__(self, settings: TopologySettings) -> None:
        self._settings = settings
        self._consumer: Any = None
        self._cached: dict[RecordOffset, bytes] = {}

    def fetch(self, record_offset: RecordOffset) -> SignallingBatch | Progress:
        """Return the record at an offset.

        Raises DecodeError when Kafka has deleted it, or the whole topic since, StoreError when Kafka does not answer.
        """
        if record_offset not in self._cached:
            try:
                self._fill(record_offset)
            except KafkaError as error:
                raise StoreError(
                    f"{record_offset} of the signalling topic cannot be read again: {error}"
                ) from error
        return decode_record(self._cached[record_offset])

    def _fill(self, record_offset: RecordOffset) -> None:
        partition = TopicPartition(self._settings.signalling_topic, record_offset.partition)
        if self._consumer is None:
            self._consumer = KafkaConsumer(
                **self._settings.kafka.client_options(), group_id=None, enable_auto_commit=False
            )
        # Of a partition that is not there the client waits for offsets until its time is up.
        known = self._consumer.partitions_for_topic(partition.topic)
        if known and partition.partition not in known:
            raise DecodeError(
                f"the signalling topic has no partition {partition.partition}: it was made anew"
            )
        if self._consumer.beginning_offsets([partition])[partition] > record_offset.offset:
            raise DecodeError(f"{record_offset} of the signalling topic was deleted: raise its retention")
        if self._consumer.end_offsets([partition])[partition] <= record_offset.offset:
            raise DecodeError(f"{record_offset} is beyond the end of the signalling topic: it was made anew")
        self._consumer.assign([partition])
        self._consumer.seek(partition, record_offset.offset)
        if len(self._cached) > MOST_CACHED:
            self._cached.clear()
        deadline_s = time.monotonic() + READ_TIMEOUT_S
        while record_offset not in self._cached:
            for records in self._consumer.poll(timeout_ms=200).values():
                self._cached |= {
                    RecordOffset(record.partition, record.offset): record.value or b"" for record in records
                }
            if time.monotonic() > deadline_s:
                raise StoreError(
                    f"{record_offset} of the signalling topic did not arrive within {READ_TIMEOUT_S} s"
                )
