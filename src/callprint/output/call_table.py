"""The table of calls for people: one line for each call where that fits, else a block of lines."""

from collections.abc import Iterable, Sequence
from itertools import groupby

from rich.console import Console, Group, RenderableType
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from callprint.core.call import Action, CallRecord, CallState, EndedBy, Phase
from callprint.output.console import UNBOUNDED, make_table, printable, utc

ACTION_STYLES = {Action.WATCH: "yellow", Action.CHALLENGE: "bold yellow", Action.BLOCK: "bold red"}
HEADINGS = ("began (UTC)", "caller", "callee", "what happened", "applications", "spam", "Call-ID", "why")


def print_calls(console: Console, calls: Sequence[CallRecord]) -> None:
    """Print the table of these calls, laid out for the width of `console`, and an empty line."""
    console.print(call_table(console, calls))
    console.print()


def call_table(console: Console, calls: Iterable[CallRecord]) -> RenderableType:
    """Return the table of these calls. Nothing is ever cut off; long text is folded."""
    cells = [_cells(call) for call in calls]
    table = _wide(cells)
    unbounded = console.options.update(max_width=UNBOUNDED)
    if Measurement.get(console, unbounded, table).maximum <= console.width:
        return table
    return Group(*(_block(cell) for cell in cells))


def call_list(calls: Iterable[CallRecord]) -> RenderableType:
    """Return a line for each call under the day it began on, with a hanging indent where it is folded.

    Under a call whose action is more than to allow it, further lines give the action, the reason and the Call-ID.
    """
    parts: list[RenderableType] = []
    for day, of_day in groupby(
        ((_cells(call), call) for call in calls), key=lambda pair: pair[0][0].plain[:10]
    ):
        lines = Table.grid(padding=(0, 2, 0, 0))
        lines.add_column(no_wrap=True)
        lines.add_column(overflow="fold")
        for (began, caller, callee, happened, applications, spam, call_id, why), call in of_day:
            what = caller + Text(" → ") + callee + Text(": ") + happened + Text(", ") + applications
            lines.add_row(began.plain[10:].lstrip(), what)
            if call.spam or call.action is not Action.ALLOW:
                lines.add_row("", spam + Text(": ") + why)
                lines.add_row("", Text("Call-ID ", style="dim") + call_id)
        parts += [Text(f"calls that began on {day} (UTC)", style="bold"), lines]
    return Group(*parts)


def call_line(call: CallRecord) -> Text:
    """Return one line on one call, as a live run shows it."""
    _, caller, callee, happened, _, spam, _, why = _cells(call)
    moment = call.judged_at_ns // 1_000_000_000 % 86_400
    clock = f"{moment // 3600:02d}:{moment // 60 % 60:02d}:{moment % 60:02d}"
    parties = caller + Text(" → ") + callee
    return Text("  ").join((Text(clock), parties, happened, spam, why))


def _cells(call: CallRecord) -> tuple[Text, ...]:
    return (
        Text(utc(call.started_ns)),
        Text(printable(call.caller) or "–"),
        Text(printable(call.callee) or "–"),
        Text(_happened(call)),
        Text(f"{_named(call.caller_application)} → {_named(call.callee_application)}"),
        _spam(call),
        Text(printable(call.call_id), style="dim"),
        Text(printable(call.reason)),
    )


def _wide(cells: Iterable[tuple[Text, ...]]) -> Table:
    table = make_table()
    for heading in HEADINGS:
        table.add_column(heading, overflow="fold")
    for cell in cells:
        table.add_row(*cell)
    return table


def _block(cell: tuple[Text, ...]) -> Text:
    began, caller, callee, happened, applications, spam, call_id, why = cell
    lines = (
        began + Text("  ") + spam,
        Text("  ") + caller + Text(" → ") + callee,
        Text("  ") + happened + Text(", ") + applications,
        Text("  ") + why,
        Text("  ") + call_id,
    )
    return Text("\n", overflow="fold").join(lines)


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


def _spam(call: CallRecord) -> Text:
    if call.spam_score is None and call.action is Action.ALLOW:
        return Text("–" if call.spam is None else str(call.action), style="dim")
    score = "" if call.spam_score is None else f" {call.spam_score:.0%}"
    return Text(f"{call.action}{score}", style=ACTION_STYLES.get(call.action, ""))


def _named(application: str | None) -> str:
    return "–" if application is None else printable(application)


def _seconds(from_ns: int, to_ns: int | None) -> str:
    seconds = max(0, (to_ns if to_ns is not None else from_ns) - from_ns) / 1e9
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d} min"
