"""The final report of `callprint identify`: flows, applications, the fate of each packet, and the store."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.text import Text

from callprint.core.calls.ended_flow import EndedFlow, cells_of
from callprint.core.ground.table import Rows
from callprint.core.packets import Outcome
from callprint.core.verdict import UNKNOWN, Verdict
from callprint.output.console import make_table, printable, quantity
from callprint.output.flow_table import SureAt, flow_table, lines_for_each, words_why
from callprint.output.json_lines import Reported
from callprint.output.outcomes import ACCEPTED, EXPLANATIONS

LINES_FOR_THE_REST = 24  # of the terminal: the summary, the counters and the prompt
LEAST_FLOWS = 8
MOST_FLOWS = 1000  # also where there is no terminal: nobody reads a longer table, and it is slow to lay out
LeftOutWords = Sequence[tuple[int, str]]
"""Packets that were read and not looked at, by the reason."""

SUMMARY_TABLE_FROM = 72  # columns; on a narrower terminal the summary is a list


@dataclass(slots=True)
class _Counts:
    """The flows of one line of the summary, added up."""

    flows: int = 0
    packets: int = 0
    expected: int = 0
    lost: int = 0
    confidence: float = 0.0


_OF_VERDICT, _OF_WHY = ("application", "confidence"), ("reason", "k", "best_application", "based_on")
_OF_SUMMARY, _PACKETS = ("expected", "lost"), ("packets", "long_packets")


class FlowTally:
    """Ended flows: the first `maximum` are kept for the table, all are counted, so that memory is bounded."""

    def __init__(self, maximum: int) -> None:
        self._maximum = maximum
        self.shown: list[EndedFlow] = []
        self.flows = 0
        self.sure_at = SureAt()
        self.by_application: dict[tuple[bool, str, str], _Counts] = {}
        """(whether it is unknown, its name, why it is unknown) -> what its flows add up to."""

    def add_verdicts(self, verdicts: Rows[Verdict]) -> None:
        """Take the next verdicts of flows."""
        if self.flows < self._maximum:  # the table shows no flow from here on
            self.sure_at.add_all(verdicts)

    def add_flows(self, flows: Sequence[EndedFlow]) -> None:
        """Take flows that have ended."""
        self.flows += len(flows)
        self.shown += flows[: self._maximum - len(self.shown)]
        for about in cells_of(flows, (*_OF_VERDICT, *_OF_WHY), (*_OF_SUMMARY, *_PACKETS)):
            application, confidence, *why, expected, lost, packets, long_packets = about
            unknown = application == UNKNOWN
            key = unknown, application, words_why(*why, packets, long_packets) if unknown else ""
            counts = self.by_application.get(key)
            if counts is None:
                counts = self.by_application[key] = _Counts()
            counts.flows += 1
            counts.packets += packets
            counts.expected += expected
            counts.lost += lost
            counts.confidence += confidence


def print_report(
    console: Console,
    flows: FlowTally,
    counters: Sequence[int],
    *,
    calls: int = 0,
    left_out: LeftOutWords = (),
    summary_only: bool = False,
) -> None:
    """Print the flows that one run found, and what became of each packet.

    `counters` has one number for each Outcome, in its order; `calls`: how many calls will be reported.
    """
    console.print()
    if not flows.flows:
        console.print(no_media(counters, calls, left_out))
    else:
        if not summary_only:
            in_order = sorted(flows.shown, key=lambda flow: (flow.key.first_seen_ns, flow.key))
            hint = "all of them: `--json FILE`, or `callprint verdicts --csv`"
            print_flows(console, in_order, flows.sure_at, hint=hint, of=flows.flows)
        console.print(application_summary(console, flows))
    console.print()
    console.print(counter_table(counters, left_out))


def print_flows(
    console: Console,
    reports: Sequence[Reported],
    sure_at: SureAt | None = None,
    *,
    hint: str,
    with_time: bool = False,
    of: int | None = None,
) -> None:
    """Print the table of flows, cut to the height of a terminal, with a hint how to see the rest.

    `of`: how many there are in all, if there are more than these.
    """
    shown = list(reports[:MOST_FLOWS])
    if console.is_terminal:
        shown = shown[: max(LEAST_FLOWS, (console.height - LINES_FOR_THE_REST) // lines_for_each(console))]
    console.print(flow_table(console, shown, sure_at, with_time=with_time))
    rest = (of or len(reports)) - len(shown)
    if rest:
        console.print(Text(f"… and {quantity(rest, 'more flow')}; {hint}", style="dim"))
    console.print()


def application_summary(console: Console, flows: FlowTally) -> RenderableType:
    """Return one line for each application, the most frequent first, and last the unknown flows by reason."""
    rows = [
        _application_row(*key, counts, flows.flows)
        for key, counts in sorted(
            flows.by_application.items(), key=lambda item: (item[0][0], -item[1].flows, item[0])
        )
    ]
    if console.width < SUMMARY_TABLE_FROM:
        return Group(*(row[0] + Text(f": {row[1]} of {quantity(flows.flows, 'flow')}") for row in rows))
    table = make_table()
    table.add_column("application", overflow="fold")
    for name in ("flows", "of all", "packets", "confidence", "lost"):
        table.add_column(name, justify="right", overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table


def _application_row(
    unknown: bool, application: str, why: str, counts: _Counts, flows: int
) -> tuple[Text, str, str, str, str, str]:
    label = Text(printable(application), style="" if unknown else "bold")
    if unknown:
        label.append(f" ({why})", style="dim")
    return (
        label,
        f"{counts.flows:,}",
        f"{counts.flows / flows:.0%}",
        f"{counts.packets:,}",
        "–" if unknown else f"{counts.confidence / counts.flows:.1%}",
        f"{counts.lost / counts.expected:.1%}" if counts.expected else "–",
    )


def counter_table(counters: Sequence[int], left_out: LeftOutWords = ()) -> RenderableType:
    """Return what became of each packet: media first, then the rest by number, and the sum."""
    total = sum(counters) + sum(count for count, _ in left_out)
    table = make_table()
    table.add_column("packets", justify="right", overflow="fold")
    table.add_column("of all", justify="right", overflow="fold")
    table.add_column("what became of them", overflow="fold")
    for outcome in _present(counters):
        explanation = EXPLANATIONS[outcome]
        words = Text(explanation.meaning)
        if explanation.advice:
            words += Text(f" ({explanation.advice})", style="dim")
        table.add_row(f"{counters[outcome]:,}", _share(counters[outcome], total), words)
    for count, meaning in left_out:
        table.add_row(f"{count:,}", _share(count, total), meaning)
    table.add_section()
    table.add_row(f"{total:,}", "", "read; each is in exactly one line above")
    return table


def no_media(counters: Sequence[int], calls: int = 0, left_out: LeftOutWords = ()) -> RenderableType:
    """Return what a capture without RTP held instead."""
    total = sum(counters)
    if total == 0:
        nothing = "Every packet was left out" if left_out else "The capture holds no packets"
        return Panel(Text(f"{nothing}, so there is nothing to identify."), title="Nothing found")
    none = "The only packet does not belong" if total == 1 else f"None of the {total:,} packets belongs"
    what = "application" if calls else "call"
    lines = [Text(f"{none} to an RTP flow, so there is no {what} to name.")]
    if total > 1:
        most = _present(counters)[0]
        lines.append(Text(f"Most of them ({_share(counters[most], total)}) {_as_predicate(most)}."))
    if calls:
        lines.append(
            Text(
                f"The signalling of {quantity(calls, 'call')} is here (below), but their media took another way. "
                "Capture there as well."
            )
        )
    elif counters[Outcome.H225]:
        lines.append(
            Text("There is signalling of H.323, but its media took another way. Capture there as well.")
        )
    elif counters[Outcome.SIP_UDP] + counters[Outcome.SIP_TCP]:
        lines.append(Text("There is signalling, but no call in it."))
    else:
        lines.append(
            Text("Capture where the calls pass: on the phone's own network, the SBC, or a mirror port of it.")
        )
    return Panel(Group(*lines), title="No media found", title_align="left")


def store_line(store_url: str, named: str | None = None) -> Text:
    """Return where the verdicts are, and how to ask for them; `named`: what --store says, None where nothing does."""
    option = f" --store {shlex.quote(named)}" if named else ""
    return Text(
        f"Verdicts are in {printable(store_url)}\nAsk for them with `callprint verdicts{printable(option)}`."
    )


def _present(counters: Sequence[int]) -> list[Outcome]:
    found = [outcome for outcome in Outcome if counters[outcome]]
    return sorted(found, key=lambda outcome: (outcome not in ACCEPTED, -counters[outcome]))


def _share(part: int, total: int) -> str:
    share = part / total
    return "< 0.1%" if share < 0.001 else f"{share:.1%}"


def _as_predicate(outcome: Outcome) -> str:
    """Return what most packets are, as the end of a sentence; the table's words are a noun or begin with a verb."""
    meaning = {
        Outcome.NOT_IP: "not even IP",
        Outcome.TRUNCATED: "cut off by the capture; capture whole packets (`tcpdump -s 0`)",
    }.get(outcome, EXPLANATIONS[outcome].meaning)
    return meaning if meaning.startswith(("look ", "were ", "are ")) else f"are {meaning}"
