"""The final report of `callprint identify` on calls: the calls, how many were spam, and the fate of SIP messages."""

from collections import Counter

from rich.console import Console
from rich.text import Text

from callprint.core.call import Action, CallRecord, EndedBy, Phase
from callprint.core.calls.assembly import CallAssembler
from callprint.core.calls.events import MessageOutcome
from callprint.core.ground.table import Rows, Same, ValueTable
from callprint.output.call_table import CallList, call_line
from callprint.output.columns import print_line
from callprint.output.console import make_table, quantity

LEAST_CALLS = 8
MOST_CALLS = 1000  # also where there is no terminal: nobody reads a longer table

MEANINGS = {
    MessageOutcome.CALL_BEGUN: "began a call",
    MessageOutcome.IN_CALL: "belong to these calls",
    MessageOutcome.NO_CALL: "belong to calls whose beginning was not seen",
    MessageOutcome.OUTSIDE_CALLS: "are registrations, options and the like",
}


class CallTally:
    """Ended calls: the first `maximum` are kept for the table, the rest only counted, so that memory is bounded."""

    def __init__(self, maximum: int) -> None:
        self._maximum = maximum
        self.shown: list[CallRecord] = []
        self.counts: Counter[str] = Counter()

    def add_all(self, calls: Rows[CallRecord]) -> None:
        """Take rows."""
        for part in calls.parts:
            if isinstance(part, ValueTable) and part.columns["ended_by"] == Same(EndedBy.MEDIA):
                self.counts["media_only"] += len(part)
                continue
            for call in part:
                self.add(call)

    def add(self, call: CallRecord) -> None:
        """Take a row; only the one at a call's end counts."""
        if call.phase is not Phase.END:
            return
        if call.ended_by is EndedBy.MEDIA:
            self.counts["media_only"] += 1
            return
        self.counts["calls"] += 1
        self.counts["spam"] += call.spam is True
        self.counts["judged"] += call.spam is not None
        if len(self.shown) < self._maximum:
            self.shown.append(call)


def print_call_report(
    console: Console, tally: CallTally, calls: CallAssembler, *, summary_only: bool = False
) -> None:
    """Print the calls with signalling, their number and that of the others, and the counters of SIP messages.

    Prints nothing where there was no signalling: the report on flows covers everything.
    """
    if calls.messages == 0 and tally.counts["calls"] == 0:
        return
    console.print()
    if tally.shown and not summary_only:
        in_order = sorted(tally.shown, key=lambda call: (call.started_ns, call.call_id, call.from_tag))[
            :MOST_CALLS
        ]
        if console.is_terminal:
            in_order = in_order[: max(LEAST_CALLS, console.height // 2)]
        console.print(CallList(in_order))
        if len(in_order) < tally.counts["calls"]:
            more = quantity(tally.counts["calls"] - len(in_order), "more call")
            console.print(Text(f"… and {more}; all of them: `callprint calls --csv`", style="dim"))
        console.print()
    console.print(_summary(tally))
    console.print(_messages(calls))


def say_call(console: Console, call: CallRecord) -> None:
    """Print a call of a live run: when it is over, and at its set-up if the action is more than to allow it."""
    if call.ended_by is EndedBy.MEDIA or (call.phase is Phase.SETUP and call.action is Action.ALLOW):
        return
    print_line(console, call_line(call))


def _summary(tally: CallTally) -> Text:
    text = Text(quantity(tally.counts["calls"], "call"), style="bold")
    if tally.counts["judged"]:
        text.append(f", {tally.counts['spam']:,} of them spam", style="")
    if tally.counts["media_only"]:
        text.append(f"; besides {tally.counts['media_only']:,} seen by their media alone", style="")
    return text.append("\n")


def _messages(calls: CallAssembler) -> object:
    table = make_table()
    table.add_column("SIP messages", justify="right")
    table.add_column("what became of them", overflow="fold")
    for outcome, meaning in MEANINGS.items():
        if calls.outcomes[outcome]:
            table.add_row(f"{calls.outcomes[outcome]:,}", meaning)
    for defect, count in calls.defects.most_common():
        table.add_row(f"{count:,}", f"do not parse: {defect.replace('_', ' ')} (docs/use/spit.md)")
    table.add_section()
    table.add_row(f"{calls.messages:,}", "read; each is in exactly one line above")
    if calls.body_defects:
        table.add_section()
    for defect, count in calls.body_defects.most_common():
        table.add_row(
            f"{count:,}", f"damaged in part, the rest counts: {defect.replace('_', ' ')} (docs/use/spit.md)"
        )
    return table
