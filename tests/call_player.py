"""The calls of a run without packets: whole SIP messages and times go in, judged rows come out."""

from callprint.core.call import CallRecord
from callprint.core.ground.table import Rows
from callprint.core.signalling.reader import RawMessage
from callprint.core.spam.call_pipeline import CallPipeline


class CallPlayer(CallPipeline):
    """What the embedded path runs, and what tests do with it besides."""

    def message(self, message: RawMessage) -> Rows[CallRecord]:
        """Take one whole SIP message; return the rows that it completes."""
        return self.judge.judge_all(self.assembler.message(message))

    def advance(self, now_ns: int) -> Rows[CallRecord]:
        """Let packet time pass up to `now_ns` without a packet; return the rows that it completes."""
        return self.judge.judge_all(self.assembler.advance(now_ns))

    def finish(self) -> list[CallRecord]:
        """End everything; return the rows of all calls that were still open."""
        return [row for part in self.finish_in_parts() for row in part]
