"""The table of flows, laid out for the width of the terminal.

Three layouts: one line for each flow where that fits, two lines of paired values (80 columns usually suffice), and a
block of lines on a narrower terminal. Nothing is ever cut off; long text is folded.
"""

from collections.abc import Iterable, Mapping, Sequence

from rich.console import Console, Group, RenderableType
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from callprint.core.verdict import (
    REASON_LOW_CONFIDENCE,
    REASON_NOVEL,
    REASON_TOO_SHORT,
    UNKNOWN,
    FlowKey,
    Verdict,
)
from callprint.output.console import UNBOUNDED, endpoint, make_table, printable, utc
from callprint.output.json_lines import Reported

ENDPOINT_WIDTH = 24  # columns of an endpoint in the two-line layout: `→ 255.255.255.255:65535`
REASONS = {
    REASON_TOO_SHORT: "too few packets",
    REASON_LOW_CONFIDENCE: "not sure enough",
    REASON_NOVEL: "unlike any known",
}
ONLY_LONG = "only packets too long to judge"
NOT_JUDGED = "no model looked"
NOT_JUDGED_FROM_K = 10  # fewer packets may be too few for a model; with so many, there was no model
MIDFLOW = "*"
MIDFLOW_NOTE = "* was already running when it was first seen"

Cells = Mapping[str, Text]
"""The texts of one flow, by name."""


class SureAt:
    """The k at which each flow's verdict became what it is now; fed with verdicts in the order they were made."""

    def __init__(self) -> None:
        self._since: dict[FlowKey, tuple[str, int]] = {}

    def add(self, verdict: Verdict) -> None:
        """Take the next verdict of a flow."""
        since = self._since.get(verdict.flow)
        if since is None or since[0] != verdict.application:
            self._since[verdict.flow] = (verdict.application, verdict.k)

    def get(self, flow: FlowKey) -> int | None:
        """The smallest k from which on all verdicts named the same application; None when it is unknown."""
        application, k = self._since.get(flow, (UNKNOWN, 0))
        return None if application == UNKNOWN else k


def flow_table(
    console: Console, reports: Sequence[Reported], sure_at: SureAt | None = None, *, with_time: bool = False
) -> RenderableType:
    """Return the table of these flows for the width of `console`; `with_time` adds when each flow began (UTC).

    Without `sure_at` the k of a flow is that of its verdict.
    """
    cells = [_cells(report, sure_at) for report in reports]
    table: RenderableType = _wide(cells, with_time=with_time)
    unbounded = console.options.update(max_width=UNBOUNDED)
    if Measurement.get(console, unbounded, table).maximum > console.width:
        table = _stacked(cells, with_time=with_time)
        # A table's minimum width is that of its longest words; a narrower one would break words.
        if Measurement.get(console, unbounded, table).minimum > console.width:
            table = _blocks(cells, with_time=with_time)
    if any(report.verdict.started_midflow for report in reports):
        return Group(table, Text(), Text(MIDFLOW_NOTE, style="dim"))
    return table


def lines_for_each(console: Console) -> int:
    """The most lines that a flow takes on this console while nothing is folded."""
    return 3 if console.width >= 80 else 7


def _cells(report: Reported, sure_at: SureAt | None) -> Cells:
    verdict, summary = report.verdict, report.summary
    known = verdict.application != UNKNOWN
    guess_style = "" if known else "dim"
    k = verdict.k if sure_at is None else sure_at.get(verdict.flow)
    cells = {
        "from": Text(endpoint(printable(verdict.flow.src_ip), verdict.flow.src_port)),
        "to": Text(endpoint(printable(verdict.flow.dst_ip), verdict.flow.dst_port)),
        "application": Text(printable(verdict.application), style="bold" if known else ""),
        "guess": Text(_guess(report), style="dim"),
        "confidence": Text(
            f"{verdict.confidence:.1%}" if verdict.best_application else "–", style=guess_style
        ),
        "k": Text(("–" if k is None else str(k)) + (MIDFLOW if verdict.started_midflow else "")),
        "ssrc": Text(f"0x{verdict.flow.ssrc:08x}"),
        "began": Text(utc(verdict.flow.first_seen_ns)),
    }
    if summary is None:
        running = Text("goes on", style="dim")
        return {
            **cells,
            "packets": Text(f"{verdict.k:,}"),
            "codec": running,
            "lost": Text(""),
            "jitter": Text(""),
        }
    return {
        **cells,
        "packets": Text(f"{summary.packets:,}"),
        "codec": Text(f"{printable(summary.announced_codec or summary.codec)} ({summary.payload_type})"),
        "lost": Text(f"{summary.lost / summary.expected:.1%}" if summary.expected else "–"),
        # Without the clock rate of the time stamps there is no jitter to compute.
        "jitter": Text(f"{summary.jitter_ms:.1f} ms" if summary.clock_rate_hz else "–"),
    }


def why_unknown(report: Reported) -> str:
    """Return in words why the application of a flow is unknown."""
    reason, summary = report.verdict.reason or "", report.summary
    if reason == REASON_TOO_SHORT:  # one reason for programs, three for people
        if summary is not None and summary.long_packets > summary.packets:
            return ONLY_LONG  # such as video
        if report.verdict.k >= NOT_JUDGED_FROM_K:
            return NOT_JUDGED
    return REASONS.get(reason, printable(reason))


def _guess(report: Reported) -> str:
    verdict = report.verdict
    if verdict.application != UNKNOWN:
        return ""
    guess = f"{printable(verdict.best_application)}?" if verdict.best_application else ""
    why = why_unknown(report)
    return (
        guess if verdict.reason == REASON_LOW_CONFIDENCE and guess else " ".join(filter(None, (why, guess)))
    )


def _wide(cells: Iterable[Cells], *, with_time: bool) -> Table:
    table = make_table()
    for name, justify in (
        *((("began (UTC)", "left"),) if with_time else ()),
        ("from", "left"),
        ("to", "left"),
        ("application", "left"),
        ("confidence", "right"),
        ("sure at k", "right"),
        ("packets", "right"),
        ("codec (type)", "left"),
        ("SSRC", "left"),
        ("lost", "right"),
        ("jitter", "right"),
    ):
        table.add_column(name, justify=justify, overflow="fold")
    for cell in cells:
        named = Text(" ").join(text for text in (cell["application"], cell["guess"]) if text)
        rest = (cell[key] for key in ("confidence", "k", "packets", "codec", "ssrc", "lost", "jitter"))
        began = (cell["began"],) if with_time else ()
        table.add_row(*began, cell["from"], cell["to"], named, *rest)
    return table


def _stacked(cells: Iterable[Cells], *, with_time: bool) -> Table:
    table = make_table()
    table.add_column("from\n→ to" + ("\nbegan (UTC)" if with_time else ""), overflow="fold")
    table.add_column("application\nor best guess", overflow="fold", min_width=13)
    table.add_column("confidence, k\nSSRC", overflow="fold", min_width=13)
    table.add_column("packets\ncodec (type)", overflow="fold", min_width=12)
    table.add_column("lost\njitter", justify="right", overflow="fold", min_width=7)
    for cell in cells:
        flow = [
            _broken(cell["from"]),
            _broken(Text("→ ") + cell["to"]),
            *([cell["began"]] if with_time else []),
        ]
        table.add_row(
            Text("\n").join(flow),
            Text("\n").join((cell["application"], cell["guess"])),
            Text("\n").join((cell["confidence"] + Text(", ") + cell["k"], cell["ssrc"])),
            Text("\n").join((cell["packets"], cell["codec"])),
            Text("\n").join((cell["lost"], cell["jitter"])),
        )
    return table


def _broken(endpoint_text: Text) -> Text:
    """Break a long IPv6 endpoint after a colon instead of anywhere."""
    rest, pieces = endpoint_text.plain, []
    while len(rest) > ENDPOINT_WIDTH:
        at = rest.rfind(":", 0, ENDPOINT_WIDTH) + 1 or ENDPOINT_WIDTH
        pieces.append(rest[:at])
        rest = rest[at:]
    return Text("\n".join([*pieces, rest]))


def _blocks(cells: Iterable[Cells], *, with_time: bool) -> Text:
    blocks = []
    for cell in cells:
        named = Text(" ").join(text for text in (cell["application"], cell["guess"]) if text)
        lines = (
            cell["from"],
            Text("→ ") + cell["to"],
            *([Text("began ") + cell["began"]] if with_time else []),
            named + Text(" ") + cell["confidence"] + Text(" at k ") + cell["k"],
            cell["packets"] + Text(" packets, ") + cell["codec"],
            Text("lost ") + cell["lost"] + Text(", jitter ") + cell["jitter"],
            cell["ssrc"],
        )
        blocks.append(Text("\n").join(lines))
    return Text("\n\n", overflow="fold").join(blocks)
