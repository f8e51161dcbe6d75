"""The table of flows, laid out for the width of the terminal.

Three layouts: one line for each flow where that fits, two lines of paired values (80 columns usually suffice), and a
block of lines on a narrower terminal. Nothing is ever cut off; long text is folded.
"""

from collections.abc import Iterator, Mapping, Sequence

from rich.console import Console, Group, RenderableType
from rich.text import Text

from callprint.core.ground.table import Rows
from callprint.core.verdict import (
    BASED_ON_HEADERS,
    REASON_CONTRADICTED,
    REASON_LOW_CONFIDENCE,
    REASON_NOVEL,
    REASON_TOO_SHORT,
    UNKNOWN,
    FlowKey,
    Verdict,
)
from callprint.output.columns import Column, Line, Lines, column_table, folded, joined, plain
from callprint.output.console import endpoint, printable, utc
from callprint.output.json_lines import Reported

ENDPOINT_WIDTH = 24  # columns of an endpoint in the two-line layout: `→ 255.255.255.255:65535`
REASONS = {
    REASON_TOO_SHORT: "too few packets",
    REASON_LOW_CONFIDENCE: "not sure enough",
    REASON_NOVEL: "unlike any known",
    REASON_CONTRADICTED: "packets name another",
}
ONLY_LONG = "only packets too long to judge"
NEEDS_WHOLE = "the model needs whole packets"
NOT_JUDGED = "no model looked"
NOT_JUDGED_FROM_K = 10  # fewer packets may be too few for a model; with so many, there was no model
MIDFLOW = "*"
MIDFLOW_NOTE = "* was already running when it was first seen"
HEADERS = "†"
HEADERS_NOTE = "† judged by the headers of its packets: they are too long for more, or cut by the capture"

Texts = Mapping[str, Line]
"""The texts of one flow, by name."""


class SureAt:
    """The k at which each flow's verdict became what it is now; fed with verdicts in the order they were made."""

    def __init__(self) -> None:
        self._since: dict[FlowKey, tuple[str, int]] = {}

    def add(self, verdict: Verdict) -> None:
        """Take the next verdict of a flow."""
        self._add(verdict.flow, verdict.application, verdict.k)

    def add_all(self, verdicts: Rows[Verdict]) -> None:
        """Take the next verdicts of flows."""
        for flow, application, k in zip(*map(verdicts.cells, ("flow", "application", "k")), strict=True):
            self._add(flow, application, k)

    def _add(self, flow: FlowKey, application: str, k: int) -> None:
        since = self._since.get(flow)
        if since is None or since[0] != application:
            self._since[flow] = (application, k)

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
    texts = [_texts(report, sure_at) for report in reports]
    shown = _wide(texts, console.width, with_time) or _stacked(texts, console.width, with_time)
    shown = shown or Lines(_blocks(texts, console.width, with_time))
    verdicts = [report.verdict for report in reports]
    notes = [MIDFLOW_NOTE] * any(verdict.started_midflow for verdict in verdicts)
    notes += [HEADERS_NOTE] * any(verdict.based_on == BASED_ON_HEADERS for verdict in verdicts)
    if notes:
        return Group(shown, Text(), *(Text(note, style="dim") for note in notes))
    return shown


def lines_for_each(console: Console) -> int:
    """The most lines that a flow takes on this console while nothing is folded."""
    return 3 if console.width >= 80 else 7


def _texts(report: Reported, sure_at: SureAt | None) -> Texts:
    verdict, summary = report.verdict, report.summary
    known = verdict.application != UNKNOWN
    k = verdict.k if sure_at is None else sure_at.get(verdict.flow)
    texts = {
        "from": plain(endpoint(printable(verdict.flow.src_ip), verdict.flow.src_port)),
        "to": plain(endpoint(printable(verdict.flow.dst_ip), verdict.flow.dst_port)),
        "application": plain(printable(verdict.application), "bold" if known else ""),
        "guess": plain(_guess(report), "dim"),
        "declared": plain(declared_words(verdict), "dim"),
        "confidence": plain(
            f"{verdict.confidence:.1%}" if verdict.best_application else "–", "" if known else "dim"
        ),
        "k": plain(("–" if k is None else str(k)) + _marks(verdict)),
        "ssrc": plain(f"0x{verdict.flow.ssrc:08x}"),
        "began": plain(utc(verdict.flow.first_seen_ns)),
    }
    if summary is None:
        return {
            **texts,
            "packets": plain(f"{verdict.k:,}"),
            "codec": plain("goes on", "dim"),
            "lost": plain(""),
            "jitter": plain(""),
        }
    return {
        **texts,
        "packets": plain(f"{summary.packets:,}"),
        "codec": plain(f"{printable(summary.announced_codec or summary.codec)} ({summary.payload_type})"),
        "lost": plain(f"{summary.lost / summary.expected:.1%}" if summary.expected else "–"),
        # Without the clock rate of the time stamps there is no jitter to compute.
        "jitter": plain(f"{summary.jitter_ms:.1f} ms" if summary.clock_rate_hz else "–"),
    }


def why_unknown(report: Reported) -> str:
    """Return in words why the application of a flow is unknown."""
    verdict, summary = report.verdict, report.summary
    packets = (0, 0) if summary is None else (summary.packets, summary.long_packets)
    return words_why(verdict.reason, verdict.k, verdict.best_application, verdict.based_on, *packets)


def words_why(
    reason: str | None, k: int, best: str | None, based_on: str | None, packets: int, long_packets: int
) -> str:
    """Do what `why_unknown` does, by what it depends on; packets: 0 of a flow that goes on."""
    if reason == REASON_TOO_SHORT:  # one reason for programs, four for people
        if k == 0 and long_packets > packets:
            return ONLY_LONG  # as older versions said of video
        if k >= NOT_JUDGED_FROM_K:
            return NEEDS_WHOLE if best is not None and based_on == BASED_ON_HEADERS else NOT_JUDGED
    return REASONS.get(reason or "", printable(reason or ""))


def _marks(verdict: Verdict) -> str:
    midflow = MIDFLOW if verdict.started_midflow else ""
    return midflow + HEADERS if verdict.based_on == BASED_ON_HEADERS else midflow


def _guess(report: Reported) -> str:
    verdict = report.verdict
    if verdict.application != UNKNOWN:
        return ""
    if verdict.engine not in (None, UNKNOWN) and verdict.reason != REASON_CONTRADICTED:
        return f"of {printable(verdict.engine)}"  # surely: it says more than a guess
    guess = f"{printable(verdict.best_application)}?" if verdict.best_application else ""
    why = why_unknown(report)
    return (
        guess if verdict.reason == REASON_LOW_CONFIDENCE and guess else " ".join(filter(None, (why, guess)))
    )


def way_of(flow: FlowKey) -> str:
    """Return from where to where a flow goes."""
    source, destination = (flow.src_ip, flow.src_port), (flow.dst_ip, flow.dst_port)
    return printable(f"{endpoint(*source)} → {endpoint(*destination)}")


def name_or_guess(verdict: Verdict) -> str:
    """Return the application of a flow; of an unknown one with the best guess, where there is any."""
    guess = verdict.best_application if verdict.application == UNKNOWN else None
    return printable(verdict.application) + (f" ({printable(guess)}?)" if guess else "")


def declared_words(verdict: Verdict) -> str:
    """Return what the packets of a flow say, "" where they say nothing."""
    if verdict.declared_application is None:
        return ""
    version = f" {printable(verdict.declared_version)}" if verdict.declared_version else ""
    return f"says {printable(verdict.declared_application)}{version} ({printable(verdict.declared_by or '')})"


def _named(texts: Texts) -> Line:
    further = (texts["guess"], texts["declared"])
    return joined(texts["application"], *(joined(plain(" "), each) for each in further if each[0][0]))


def _wide(flows: Sequence[Texts], width: int, with_time: bool) -> Lines | None:
    """Return a line for each flow, None where that does not fit."""
    columns = (
        *([Column("began (UTC)")] if with_time else []),
        Column("from"),
        Column("to"),
        Column("application"),
        Column("confidence", right=True),
        Column("sure at k", right=True),
        Column("packets", right=True),
        Column("codec (type)"),
        Column("SSRC"),
        Column("lost", right=True),
        Column("jitter", right=True),
    )
    before = ("began", "from", "to") if with_time else ("from", "to")
    after = ("confidence", "k", "packets", "codec", "ssrc", "lost", "jitter")
    rows = [
        (*((texts[name],) for name in before), (_named(texts),), *((texts[name],) for name in after))
        for texts in flows
    ]
    return column_table(columns, rows, width)


def _stacked(flows: Sequence[Texts], width: int, with_time: bool) -> Lines | None:
    """Return two or three lines for each flow, None where the longest words do not fit."""
    columns = (
        Column("from\n→ to" + ("\nbegan (UTC)" if with_time else ""), narrowest=ENDPOINT_WIDTH),
        Column("application\nor best guess"),
        Column("confidence, k\nSSRC"),
        Column("packets\ncodec (type)"),
        Column("lost\njitter", right=True),
    )
    arrow, comma = plain("→ "), plain(", ")
    rows = [
        (
            (
                texts["from"],
                joined(arrow, texts["to"]),
                *((texts["began"],) if with_time else ()),
            ),
            (
                texts["application"],
                texts["guess"],
                *((declared,) if (declared := texts["declared"])[0][0] else ()),
            ),
            (joined(texts["confidence"], comma, texts["k"]), texts["ssrc"]),
            (texts["packets"], texts["codec"]),
            (texts["lost"], texts["jitter"]),
        )
        for texts in flows
    ]
    return column_table(columns, rows, width, narrow=True)


def _blocks(flows: Sequence[Texts], width: int, with_time: bool) -> Iterator[Line]:
    """Yield a block of lines for each flow, and an empty one between two."""
    for number, texts in enumerate(flows):
        if number:
            yield ()
        for line in (
            texts["from"],
            joined(plain("→ "), texts["to"]),
            *((joined(plain("began "), texts["began"]),) if with_time else ()),
            joined(_named(texts), plain(" "), texts["confidence"], plain(" at k "), texts["k"]),
            joined(texts["packets"], plain(" packets, "), texts["codec"]),
            joined(plain("lost "), texts["lost"], plain(", jitter "), texts["jitter"]),
            texts["ssrc"],
        ):
            yield from folded(line, width)
