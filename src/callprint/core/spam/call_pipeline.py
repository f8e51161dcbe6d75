"""Calls from packets to judged rows, in one process: call assembly and judging, one behind the other.

Feed it, for each batch of packets, the flow reports of that batch first (`add_flows`), then the packets
(`process`); at the end `finish_in_parts`. The rows are the same whatever the size of the batches.
"""

from collections.abc import Iterable, Iterator

from callprint.core.call import CallRecord
from callprint.core.calls.assembly import CallAssembler
from callprint.core.calls.ended_flow import EndedFlow
from callprint.core.calls.settings import CallSettings
from callprint.core.declared.table import NO_NAMES, NameTable
from callprint.core.ground.arrays import Array
from callprint.core.ground.table import Rows
from callprint.core.signalling.identity import IdentityReader
from callprint.core.spam.histories import CallHistory
from callprint.core.spam.interface import SpamDetector
from callprint.core.spam.judging import JUDGED_TOGETHER, CallJudge
from callprint.core.verdict import FlowReport


class CallPipeline:
    """What the embedded path runs. The counters are those of `assembler`."""

    def __init__(
        self,
        settings: CallSettings | None = None,
        identities: IdentityReader | None = None,
        history: CallHistory | None = None,
        detector: SpamDetector | None = None,
        names: NameTable = NO_NAMES,
    ) -> None:
        """Start with nothing known; what users say comes to `judge` (user_votes.py).

        names: of what messages declare about the programs that sent them.
        """
        settings = settings or CallSettings()
        self.assembler = CallAssembler(settings, identities, names)
        self.judge = CallJudge(history, detector, settings.maximum_calls + 1)

    def add_flows(self, flows: Iterable[FlowReport | EndedFlow]) -> Rows[CallRecord]:
        """Take flows that have ended, before the packets of the batch in which their end was noticed."""
        return self.judge.judge_all(self.assembler.add_flows(flows))

    def process(
        self, data: Array, packets: Array, records: Array | None = None, capture: str | None = None
    ) -> Rows[CallRecord]:
        """Take a batch; return the rows that it completes. The arguments are those of CallAssembler.process."""
        return self.judge.judge_all(self.assembler.process(data, packets, records, capture))

    def finish_in_parts(self) -> Iterator[Rows[CallRecord]]:
        """End everything: the capture is over. Gives the rows of all calls that were still open.

        Some thousand events at a time: what was given is held no longer.
        """
        events = self.assembler.finish()
        while events:
            yield self.judge.judge_all(events[:JUDGED_TOGETHER])
            del events[:JUDGED_TOGETHER]
