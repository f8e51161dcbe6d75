"""The evidence logs of pending flows, kept by their judge: each packet is sent to it once."""

import numpy as np

from callprint.core.flow.layout import DECIDED
from callprint.core.ground.arrays import Array
from callprint.core.relay.flow_assembly import FlowId
from callprint.core.relay.logs import join_logs
from callprint.core.wire.media import MediaBatch, PartKind


class EvidenceLogs:
    """The log of each pending flow of one partition; bounded by what the agents have pending."""

    def __init__(self) -> None:
        self._logs: dict[FlowId, bytes] = {}

    def __len__(self) -> int:
        return len(self._logs)

    def take(self, batch: MediaBatch, flows: list[FlowId]) -> tuple[Array, Array]:
        """Add the records of assembled parts (`PartitionAssembly`); return the log of each part as of that part.

        flows: the flow of each part. Returns evidence (bytes,) uint8 and spans (n, 2) int64: part i is about
        evidence[spans[i, 0]:spans[i, 1]]. The log of a flow is in the evidence once, however many of its parts
        are in the batch. HORIZON and END let go of a flow's log.
        """
        new_records, borders = join_logs(batch.parts["records"], batch.packets, batch.payload)
        new_bytes = new_records.tobytes()
        at = borders.tolist()
        grown: dict[
            FlowId, tuple[list[bytes], list[tuple[int, int]]]
        ] = {}  # pieces; parts, each with the length then
        kinds = batch.parts["kind"].tolist()
        decided = (batch.parts["evidence_state"] == DECIDED).tolist()
        finished: set[FlowId] = set()
        for i, flow in enumerate(flows):
            if kinds[i] == PartKind.STATISTICS or (kinds[i] == PartKind.END and decided[i]):
                continue
            pieces, ends = grown.setdefault(flow, ([], []))
            if not ends:
                pieces.append(self._logs.get(flow, b""))
            pieces.append(new_bytes[at[i] : at[i + 1]])
            before = ends[-1][1] if ends else len(pieces[0])
            ends.append((i, before + at[i + 1] - at[i]))
            if kinds[i] in (PartKind.HORIZON, PartKind.END):
                finished.add(flow)
        return self._put_together(len(flows), grown, finished)

    def _put_together(
        self,
        parts: int,
        grown: dict[FlowId, tuple[list[bytes], list[tuple[int, int]]]],
        finished: set[FlowId],
    ) -> tuple[Array, Array]:
        spans = np.zeros((parts, 2), dtype=np.int64)
        logs: list[bytes] = []
        start = 0
        for flow, (pieces, ends) in grown.items():
            log = b"".join(pieces)
            logs.append(log)
            for i, length in ends:
                spans[i] = start, start + length
            start += len(log)
            if flow in finished:
                self._logs.pop(flow, None)
            else:
                self._logs[flow] = log
        # Made of a bytearray: one made of bytes is read-only, which to compiled functions is another type.
        return np.frombuffer(bytearray().join(logs), dtype=np.uint8), spans
