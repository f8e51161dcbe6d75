"""The table of calls for people: one line for each call where that fits, else a block of lines."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from rich.console import Console, ConsoleOptions, RenderResult

from callprint.core.call import Action, CallRecord, CallState, EndedBy, Phase
from callprint.core.verdict import FlowKey
from callprint.output.columns import Column, Line, Lines, column_table, folded, joined, plain
from callprint.output.console import printable, utc

ACTION_STYLES = {Action.WATCH: "yellow", Action.CHALLENGE: "bold yellow", Action.BLOCK: "bold red"}
COLUMNS = tuple(
    map(
        Column,
        ("began (UTC)", "caller", "callee", "what happened", "applications", "spam", "Call-ID", "why"),
    )
)
CLOCK_WIDTH = 10  # columns of a call's time in a list, with the gap after it


def print_calls(console: Console, calls: Sequence[CallRecord]) -> None:
    """Print the table of these calls, laid out for the width of `console`, and an empty line."""
    console.print(call_table(console, calls))
    console.print()


def call_table(console: Console, calls: Iterable[CallRecord]) -> Lines:
    """Return the table of these calls. Nothing is ever cut off; long text is folded."""
    texts = [_texts(call) for call in calls]
    rows = [tuple((line,) for line in row) for row in texts]
    return column_table(COLUMNS, rows, console.width) or Lines(_blocks(texts, console.width))


class CallList:
    """A line for each call under the day it began on, with a hanging indent where it is folded.

    Under a call whose action is more than to allow it, further lines give the action, the reason and the Call-ID.
    """

    def __init__(self, calls: Iterable[CallRecord]) -> None:
        self._calls = calls

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the lines, folded for the width of the console."""
        yield Lines(self._lines(options.max_width - CLOCK_WIDTH))

    def _lines(self, width: int) -> Iterator[Line]:
        indent = plain(" " * CLOCK_WIDTH)
        rows = ((_texts(call), call) for call in self._calls)
        for day, of_day in groupby(rows, key=lambda row: row[0][0][0][0][:10]):
            yield plain(f"calls that began on {day} (UTC)", "bold")
            for (began, caller, callee, happened, applications, spam, call_id, why), call in of_day:
                clock = began[0][0][10:].lstrip().ljust(CLOCK_WIDTH)
                arrow, colon, comma = plain(" → "), plain(": "), plain(", ")
                lines = [joined(caller, arrow, callee, colon, happened, comma, applications)]
                if call.spam or call.action is not Action.ALLOW:
                    lines += [joined(spam, colon, why), joined(plain("Call-ID ", "dim"), call_id)]
                pieces = [piece for line in lines for piece in folded(line, width)]
                yield joined(plain(clock), pieces[0])
                yield from (joined(indent, piece) for piece in pieces[1:])


def call_line(call: CallRecord) -> Line:
    """Return one line on one call, as a live run shows it."""
    _, caller, callee, happened, _, spam, _, why = _texts(call)
    moment = call.judged_at_ns // 1_000_000_000 % 86_400
    clock = f"{moment // 3600:02d}:{moment // 60 % 60:02d}:{moment % 60:02d}"
    gap = plain("  ")
    parts = (plain(clock), joined(caller, plain(" → "), callee), happened, spam, why)
    return joined(*(joined(gap, part) for part in parts))[1:]


def _texts(call: CallRecord) -> tuple[Line, ...]:
    return (
        plain(utc(call.started_ns)),
        plain(printable(_party(call.caller, call.caller_flows, call.callee_flows))),
        plain(printable(_party(call.callee, call.callee_flows, call.caller_flows))),
        plain(_happened(call)),
        plain(
            f"{_named(call.caller_application, call.caller_declared_application)} → "
            f"{_named(call.callee_application, call.callee_declared_application)}"
        ),
        _spam(call),
        plain(printable(call.call_id), "dim"),
        plain(printable(call.reason)),
    )


def _party(name: str, sent: Sequence[FlowKey], received: Sequence[FlowKey]) -> str:
    """Return what a party is called; without a name the address of its media."""
    if name:
        return name
    if sent:
        return sent[0].src_ip
    return received[0].dst_ip if received else "–"


def _blocks(calls: Iterable[tuple[Line, ...]], width: int) -> Iterator[Line]:
    """Yield a block of lines for each call."""
    indent, arrow, comma = plain("  "), plain(" → "), plain(", ")
    for began, caller, callee, happened, applications, spam, call_id, why in calls:
        for line in (
            joined(began, indent, spam),
            joined(indent, caller, arrow, callee),
            joined(indent, happened, comma, applications),
            joined(indent, why),
            joined(indent, call_id),
        ):
            yield from folded(line, width)


def _happened(call: CallRecord) -> str:
    if call.phase is Phase.SETUP:
        return "being set up"
    if call.ended_by is EndedBy.MEDIA:
        return f"media only, {_seconds(call.started_ns, call.ended_ns)}"
    by = f" by the {call.ended_by}" if call.ended_by in (EndedBy.CALLER, EndedBy.CALLEE) else ""
    if call.answered_ns is not None:
        talk = _seconds(call.answered_ns, call.ended_ns)
        return f"talked {talk}, {'ended' if by else 'end not seen'}{by}"
    if call.state is CallState.FAILED:
        return f"refused with {call.final_status}"
    if call.state is CallState.COMPLETED:
        return f"ended{by}, answer not seen"
    return f"{call.state}{by}"


def _spam(call: CallRecord) -> Line:
    if call.spam_score is None and call.action is Action.ALLOW:
        return plain("–" if call.spam is None else str(call.action), "dim")
    score = "" if call.spam_score is None else f" {call.spam_score:.0%}"
    return plain(f"{call.action}{score}", ACTION_STYLES.get(call.action, ""))


def _named(application: str | None, declared: str | None) -> str:
    """Return what a party's media look like, and what the party says it is where that is another name."""
    name = "–" if application is None else printable(application)
    return name if declared in (None, application) else f"{name} (says {printable(declared)})"


def _seconds(from_ns: int, to_ns: int | None) -> str:
    seconds = max(0, (to_ns if to_ns is not None else from_ns) - from_ns) / 1e9
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d} min"
