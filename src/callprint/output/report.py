"""The final report of `callprint identify`: flows, applications, the fate of each packet, and the store."""

from collections import defaultdict
from collections.abc import Sequence

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.text import Text

from callprint.core.packets import Outcome
from callprint.core.verdict import UNKNOWN, FlowReport
from callprint.output.console import make_table, printable, quantity
from callprint.output.flow_table import SureAt, flow_table, lines_for_each, why_unknown
from callprint.output.json_lines import Reported
from callprint.output.outcomes import ACCEPTED, EXPLANATIONS

LINES_FOR_THE_REST = 24  # of the terminal: the summary, the counters and the prompt
LEAST_FLOWS = 8
MOST_FLOWS = 1000  # also where there is no terminal: nobody reads a longer table, and it is slow to lay out
SUMMARY_TABLE_FROM = 72  # columns; on a narrower terminal the summary is a list


def print_report(
    console: Console,
    reports: Sequence[FlowReport],
    counters: Sequence[int],
    sure_at: SureAt | None = None,
) -> None:
    """Print the flows that one run found, and what became of each packet.

    `counters` has one number for each Outcome, in its order.
    """
    console.print()
    if not reports:
        console.print(no_media(counters))
    else:
        in_order = sorted(
            reports, key=lambda report: (report.verdict.flow.first_seen_ns, report.verdict.flow)
        )
        print_flows(
            console, in_order, sure_at, hint="all of them: `--json FILE`, or `callprint verdicts --csv`"
        )
        console.print(application_summary(console, reports))
    console.print()
    console.print(counter_table(counters))


def print_flows(
    console: Console,
    reports: Sequence[Reported],
    sure_at: SureAt | None = None,
    *,
    hint: str,
    with_time: bool = False,
) -> None:
    """Print the table of flows, cut to the height of a terminal, with a hint how to see the rest."""
    shown = list(reports[:MOST_FLOWS])
    if console.is_terminal:
        shown = shown[: max(LEAST_FLOWS, (console.height - LINES_FOR_THE_REST) // lines_for_each(console))]
    console.print(flow_table(console, shown, sure_at, with_time=with_time))
    if len(shown) < len(reports):
        more = quantity(len(reports) - len(shown), "more flow")
        console.print(Text(f"… and {more}; {hint}", style="dim"))
    console.print()


def application_summary(console: Console, reports: Sequence[FlowReport]) -> RenderableType:
    """Return one line for each application, the most frequent first, and last the unknown flows by reason."""
    groups: dict[tuple[bool, str, str], list[FlowReport]] = defaultdict(list)
    for report in reports:
        verdict = report.verdict
        unknown = verdict.application == UNKNOWN
        groups[unknown, verdict.application, why_unknown(report) if unknown else ""].append(report)
    rows = [
        _application_row(*key, group, len(reports))
        for key, group in sorted(groups.items(), key=lambda item: (item[0][0], -len(item[1]), item[0]))
    ]
    if console.width < SUMMARY_TABLE_FROM:
        return Group(*(row[0] + Text(f": {row[1]} of {quantity(len(reports), 'flow')}") for row in rows))
    table = make_table()
    table.add_column("application", overflow="fold")
    for name in ("flows", "of all", "packets", "confidence", "lost"):
        table.add_column(name, justify="right", overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table


def _application_row(
    unknown: bool, application: str, why: str, group: Sequence[FlowReport], flows: int
) -> tuple[Text, str, str, str, str, str]:
    label = Text(printable(application), style="" if unknown else "bold")
    if unknown:
        label.append(f" ({why})", style="dim")
    expected = sum(report.summary.expected for report in group)
    lost = sum(report.summary.lost for report in group)
    confidence = sum(report.verdict.confidence for report in group) / len(group)
    return (
        label,
        f"{len(group):,}",
        f"{len(group) / flows:.0%}",
        f"{sum(report.summary.packets for report in group):,}",
        "–" if unknown else f"{confidence:.1%}",
        f"{lost / expected:.1%}" if expected else "–",
    )


def counter_table(counters: Sequence[int]) -> RenderableType:
    """Return what became of each packet: media first, then the rest by number, and the sum."""
    total = sum(counters)
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
    table.add_section()
    table.add_row(f"{total:,}", "", "read; each is in exactly one line above")
    return table


def no_media(counters: Sequence[int]) -> RenderableType:
    """Return what a capture without RTP held instead."""
    total = sum(counters)
    if total == 0:
        return Panel(
            Text("The capture holds no packets, so there is nothing to identify."), title="Nothing found"
        )
    lines = [
        Text(f"None of the {quantity(total, 'packet')} belongs to an RTP flow, so there is no call to name.")
    ]
    most = _present(counters)[0]
    lines.append(Text(f"Most of them ({_share(counters[most], total)}) {_as_predicate(most)}."))
    if counters[Outcome.SIP_UDP] + counters[Outcome.SIP_TCP]:
        lines.append(
            Text(
                "There is signalling: calls were set up, but their media took another way. Capture there as well."
            )
        )
    else:
        lines.append(
            Text("Capture where the calls pass: on the phone's own network, the SBC, or a mirror port of it.")
        )
    return Panel(Group(*lines), title="No calls found", title_align="left")


def store_line(store_url: str) -> Text:
    """Return where the verdicts are, and how to ask for them."""
    return Text(f"Verdicts are in {printable(store_url)}\nAsk for them with `callprint verdicts`.")


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
