"""`callprint quality`: how well flows were heard, by captures or by the store, the worst first."""

import argparse
import heapq

from rich.text import Text

from callprint.cli import EXIT_DAMAGED, EXIT_INTERRUPTED
from callprint.cli.answers import add_json_option, add_store_option, check_without_store, write_data
from callprint.cli.parsers import Subparsers, add_command, add_time_options, address, positive
from callprint.cli.reading import read_captures
from callprint.cli.targets import check_not_store
from callprint.core.verdict import FlowReport
from callprint.output.console import make_console, make_messages, printable, quantity
from callprint.output.json_lines import Reported
from callprint.output.quality_report import print_quality, worst_first, write_quality
from callprint.sources import open_captures
from callprint.stores import VerdictQuery, open_store
from callprint.usual_run import usual_run

FLOWS_FOR_PEOPLE = 50
MOST_FLOWS = 100_000
"""Flows of captures that are kept for sorting, the worst of them, so that memory stays bounded."""

DESCRIPTION = """\
Show how well the voice of each flow was heard: loss, packets too late for a jitter buffer, jitter, and a MOS by the
E-model of ITU-T G.107, with what it assumes. Give captures, or ask the store; the worst flows come first.
"""

EPILOG = """\
examples:
  callprint quality call.pcap                  a line for each flow, with its MOS over time
  callprint quality call.pcap --json           one JSON object for each flow, with all its windows
  callprint quality --since 2026-11-22         the worst flows of the store since then

docs/use/quality.md says what each number means, and what a MOS from packets cannot know.
Exit codes: 0 done, 2 wrong usage, 3 a capture is damaged, 4 nothing could be read or the store does not answer.
"""


def add_parser(subparsers: Subparsers) -> argparse.ArgumentParser:
    """Add the command to the parser of `callprint`."""
    parser = add_command(subparsers, "quality", DESCRIPTION, EPILOG)
    parser.add_argument(
        "captures", nargs="*", metavar="CAPTURE", help="file, folder, or - for standard input"
    )
    add_store_option(parser)
    parser.add_argument(
        "--address", metavar="IP", type=address, help="of the store: flows from or to this host"
    )
    parser.add_argument("--application", metavar="NAME", help="of the store: exact name, or `unknown`")
    add_time_options(parser, "flows of the store decided")
    parser.add_argument(
        "--limit",
        metavar="N",
        type=positive,
        help=f"at most this many, the worst (default: {FLOWS_FOR_PEOPLE} in the table, all as JSON)",
    )
    add_json_option(parser, "JSON Lines")
    parser.set_defaults(run=run)
    return parser


def run(args: argparse.Namespace) -> int:
    """Show the quality of flows and return the exit code. Raises CallprintError when nothing can be read."""
    limit = args.limit or (MOST_FLOWS if args.json else FLOWS_FOR_PEOPLE)
    if args.captures:
        check_without_store(args, ("store", "address", "application", "since", "until"))
        return _of_captures(args, limit)
    query = VerdictQuery(
        address=args.address, application=args.application, since_ns=args.since, until_ns=args.until
    )
    with open_store(args.store, create=False) as store:
        if args.json:
            check_not_store(args.json, store.url)
        flows = (row for row in store.verdicts(query) if row.summary is not None)
        _show(args, heapq.nsmallest(limit, flows, key=worst_first), f"in {printable(store.url)}")
    return 0


def _of_captures(args: argparse.Namespace, limit: int) -> int:
    source = open_captures(args.captures)
    kept: list[FlowReport] = []

    def keep(report: FlowReport) -> None:
        kept.append(report)
        if len(kept) >= 2 * MOST_FLOWS:
            kept[:] = heapq.nsmallest(MOST_FLOWS, kept, key=worst_first)

    capture_run, _ = usual_run()
    capture_run.on_report = keep
    console = make_console(data_on_stdout=bool(args.json))
    interrupted = read_captures(source, capture_run, console)
    capture_run.finish()
    _show(args, heapq.nsmallest(limit, kept, key=worst_first), f"of {quantity(capture_run.flows, 'flow')}")
    for warning in source.warnings:
        make_messages().print(Text(f"callprint: warning: {printable(str(warning))}", style="yellow"))
    if interrupted:
        return EXIT_INTERRUPTED
    return EXIT_DAMAGED if source.warnings else 0


def _show(args: argparse.Namespace, flows: list[Reported] | list[FlowReport], of_what: str) -> None:
    if args.json:
        write_data(flows, write_quality, args.json)
        return
    console = make_console(data_on_stdout=False)
    if not flows:
        console.print(Text(f"No flow {of_what} matches." if not args.captures else "No RTP flow was found."))
        return
    print_quality(console, flows)
    console.print(Text(f"{quantity(len(flows), 'flow')} {of_what}, the worst MOS first", style="dim"))
