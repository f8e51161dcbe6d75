"""Reassembles flows from their parts. All tuples of a partition come to one task, in order."""

import logging
from typing import Any, ClassVar

from streamparse import Bolt

from callprint.core.relay.continuity import Continuity, Turn
from callprint.core.relay.flow_assembly import AssemblyCounters, PartitionAssembly
from callprint.core.wire.media import decode_media, encode_media
from callprint.topology.milestones import Milestones
from callprint.topology.storm_pipe import OnStormPipe
from callprint.topology.tuples import ASSEMBLED_FIELDS, EXPIRE, received_bytes

log = logging.getLogger(__name__)


class AssembleFlows(OnStormPipe, Bolt):
    """Emits exactly one tuple for each that it takes, so that the next bolt notices when it misses one."""

    outputs: ClassVar[list[str]] = list(ASSEMBLED_FIELDS)
    auto_ack = False

    def initialize(self, _storm_conf: dict[str, Any], _context: dict[str, Any]) -> None:
        """Begin without flows; a new epoch of each partition brings them."""
        self._continuity: dict[int, Continuity] = {}
        self._assemblies: dict[int, PartitionAssembly] = {}
        self._evicted, self._forged = Milestones(), Milestones()

    def process(self, tup: Any) -> None:
        """Take a batch in and pass on what is to be judged."""
        partition, epoch, sequence, action, data = tup.values
        turn = self._continuity.setdefault(partition, Continuity()).turn(epoch, sequence)
        if turn is Turn.FAIL:
            self.fail(tup)
            return
        if turn is not Turn.STALE:
            if turn is Turn.BEGIN:
                self._assemblies[partition] = PartitionAssembly()
            batch = decode_media(received_bytes(data))
            assembly = self._assemblies[partition]
            assembled = assembly.expire(batch.origin) if action == EXPIRE else assembly.absorb(batch)
            self._watch(partition, assembly.counters)
            if assembled is not batch:
                data = encode_media(assembled)
            self.emit([partition, epoch, sequence, data])
        self.ack(tup)

    def _watch(self, partition: int, counters: AssemblyCounters) -> None:
        """Log when flows are judged early, or not at all."""
        if self._evicted.reached(counters.evicted):
            log.warning(
                "partition %d: %d flows were judged early: too many pending", partition, counters.evicted
            )
        if self._forged.reached(counters.forged):
            log.warning("partition %d: %d parts name an IPv4 and an IPv6 address", partition, counters.forged)
