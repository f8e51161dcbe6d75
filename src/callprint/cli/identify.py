"""`callprint identify`: captures or interfaces in, named applications out."""

import argparse
import contextlib
import sys
import time
from collections.abc import Callable, Iterable
from typing import TextIO, TypeVar

from rich.console import Console
from rich.text import Text

from callprint.cli import EXIT_DAMAGED, EXIT_INTERRUPTED, EXIT_USAGE
from callprint.cli.answers import add_json_option
from callprint.cli.capture_options import add_capture_options
from callprint.cli.evidence import add_evidence_options, evidence_limits
from callprint.cli.keeping import add_keep_options, call_keeper, keeping, not_kept_warnings, say_kept
from callprint.cli.numbers import add_number_options, identity_reader
from callprint.cli.parsers import Subparsers, add_command, positive
from callprint.cli.reading import read_captures, read_interfaces, say_kernel_counters, say_verdict
from callprint.cli.selection import add_selection_options, left_out_words, selected
from callprint.cli.targets import STANDARD_OUTPUT, check_not_store, is_one_of, not_written, open_target
from callprint.cli.votes import add_votes_option
from callprint.core.call import CallRecord
from callprint.core.calls.ended_flow import EndedFlow
from callprint.core.capture.packet_order import OrderSettings, PacketOrder
from callprint.core.dissect import SIGNALLING_PORTS
from callprint.core.ground.errors import CaptureError
from callprint.core.ground.table import Rows
from callprint.core.spam.call_pipeline import CallPipeline
from callprint.core.spam.detector_names import DETECTORS, OWN
from callprint.core.spam.detectors import make_detector
from callprint.core.verdict import Verdict
from callprint.core.verdicts.pipeline import IdentificationPipeline
from callprint.declared_names import shipped_names
from callprint.identification import CaptureRun
from callprint.judging_ahead import JudgingAhead, more_than_one_core
from callprint.load_identifier import engine_settings, load_identifier
from callprint.model_names import put_into_use
from callprint.output.call_json import write_calls_json_lines
from callprint.output.call_report import CallTally, print_call_report, say_call
from callprint.output.console import make_console, make_messages, printable, quantity
from callprint.output.json_lines import write_json_lines
from callprint.output.packet_times import drop_warnings, time_warnings
from callprint.output.report import FlowTally, print_report, store_line
from callprint.sources import CaptureSource, LiveSource, PacketSource, open_captures, open_interfaces
from callprint.sources.captures import STANDARD_INPUT
from callprint.sources.duplicates import given_twice
from callprint.sources.paced import Paced
from callprint.stores import open_store
from callprint.votes import VoteListener

REPORTS_FOR_PEOPLE = 20_000
"""Flows and calls kept for the tables, so that memory stays bounded however long the capture is."""

FOLLOW_EVERY_S = 10

FILES_NAMED = 50
"""Damaged or unreadable files that are named one by one; the others are counted."""

Row = TypeVar("Row", EndedFlow, CallRecord)

DESCRIPTION = """\
Find the RTP flows in captures, name the VoIP application that sent each, assemble calls from SIP and media, show
them, and keep verdicts and calls in a store. Captures are pcap or pcapng files (plain, gzip or zstd), folders of
them, or - for standard input. From an interface or a pipe, flows and calls are shown as soon as they are decided.
"""

EPILOG = """\
examples:
  callprint identify call.pcap                    a table of flows, applications and counters
  callprint identify captures/ --json flows.jsonl one JSON object for each flow and call (docs/use/json.md)
  callprint identify captures/ --summary          how many flows of each application, and how many calls
  callprint identify call.pcap --filter 'udp and host 10.0.0.1' --from 60 --to 120
                                                  only these packets, in the second minute
  callprint identify --interface eth0             live, as root or with CAP_NET_RAW, until Ctrl-C
  ssh gateway tcpdump -i eth0 -w - udp | callprint identify -
  callprint identify call.pcap --json - --no-store | jq 'select(.application == "unknown")'

A verdict is about the sender of a flow. "unknown" is an answer: the model was not sure, the flow was too short,
or the application is one that the model has never seen; the best guess is shown beside it.
Exit codes: 0 done, 2 wrong usage, 3 a capture is damaged or a file cannot be read (the verdicts so far are given),
4 nothing could be read or the output cannot be written, 130 interrupted (what was done is kept).
"""


def add_parser(subparsers: Subparsers) -> argparse.ArgumentParser:
    """Add the command to the parser of `callprint`."""
    parser = add_command(subparsers, "identify", DESCRIPTION, EPILOG)
    parser.add_argument(
        "captures", nargs="*", metavar="CAPTURE", help="file, folder, or - for standard input"
    )
    parser.add_argument(
        "--interface",
        metavar="NAME",
        action="append",
        default=[],
        help="capture on a network interface instead, until Ctrl-C; may be given more than once",
    )
    add_capture_options(parser)
    parser.add_argument(
        "--model",
        metavar="FILE",
        help="network of applications (default: the one in place, else the one that ships), or `none`: flows and calls "
        "without names",
    )
    parser.add_argument(
        "--detector",
        choices=DETECTORS,
        default=OWN,
        help="for spam calls: our own (default), or one of the paper's four algorithms, which cannot judge before "
        "users have voted",
    )
    add_json_option(parser, "JSON Lines")
    parser.add_argument(
        "--follow",
        action="store_true",
        help='in the JSON also a line now and then for each flow that goes on, with `ended` "running" and its '
        "statistics so far",
    )
    parser.add_argument(
        "--follow-every",
        metavar="SECONDS",
        type=positive,
        default=FOLLOW_EVERY_S,
        help="seconds of packet time between these lines (default: %(default)s)",
    )
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument(
        "--summary",
        action="store_true",
        help="show no single flow or call: only how many there are of each application, and what became of the packets",
    )
    shown.add_argument(
        "--quiet",
        action="store_true",
        help="show nothing but warnings and errors, which go to standard error",
    )
    add_selection_options(parser)
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--store",
        metavar="URL",
        help="where verdicts are kept: sqlite:PATH, a path, or cassandra://HOST/KEYSPACE "
        "(default: $CALLPRINT_STORE, else ~/.local/share/callprint/verdicts.sqlite)",
    )
    where.add_argument("--no-store", action="store_true", help="keep no verdicts")
    add_evidence_options(parser)
    add_keep_options(parser)
    add_votes_option(parser)
    add_number_options(parser)
    parser.set_defaults(run=run)
    return parser


def run(args: argparse.Namespace) -> int:
    """Identify and return the exit code. Raises CallprintError when nothing can be read or kept."""
    console = make_console(data_on_stdout=args.json == STANDARD_OUTPUT, quiet=args.quiet)
    messages = make_messages()
    wrong = _wrong_usage(args)
    if wrong:
        messages.print(Text(f"callprint identify: {wrong}"))
        return EXIT_USAGE
    limits = evidence_limits(args)
    order = PacketOrder(OrderSettings(args.reorder_window_ms))
    identifier = load_identifier(args.model)
    sip_ports = tuple(args.sip_port or SIGNALLING_PORTS)
    with contextlib.ExitStack() as stack:
        source = (
            stack.enter_context(open_interfaces(args.interface, signalling_ports=sip_ports))
            if args.interface
            else open_captures(args.captures)
        )
        selection = selected(source, args)
        store = None if args.no_store else stack.enter_context(open_store(args.store, evidence_limits=limits))
        if args.json and store:
            check_not_store(args.json, store.url)
        if store is not None and identifier is not None:
            put_into_use(store, identifier, time.time_ns())
        stream = stack.enter_context(open_target(args.json, encoding="ascii")) if args.json else None
        at_once = isinstance(source, LiveSource) or (
            STANDARD_INPUT in source.paths and source.bytes_total is None
        )
        shown = _Shown(stream, console if at_once and not args.summary else None, keep=not args.summary)
        detector = make_detector(args.detector, args.votes_per_day)
        calls = CallPipeline(identities=identity_reader(args), detector=detector, names=shipped_names())
        listener = VoteListener(store, calls.judge, detector) if store else None
        if detector.ignored_votes:
            ignored = quantity(detector.ignored_votes, "vote")
            messages.print(
                f"callprint: {ignored} of users who gave too many a day (--votes-per-day) left out"
            )
        pipeline = IdentificationPipeline(
            identifier,
            engine_settings(identifier, live=bool(args.interface)),
            keep_unknown=args.keep_unknown,
            names=shipped_names(),
        )
        capture_run = CaptureRun(pipeline, store, calls=calls, signalling_ports=sip_ports, order=order)
        capture_run.on_verdicts, capture_run.on_flows = shown.add_verdicts, shown.add_flows
        capture_run.on_calls = shown.add_calls
        keeper = call_keeper(args, store, identifier)
        stack.enter_context(keeping(keeper, capture_run))
        stack.callback(capture_run.store_rest)  # what was found is kept however this ends
        if identifier and not (at_once or args.follow or keeper) and more_than_one_core():
            capture_run.ahead = JudgingAhead()
            stack.callback(capture_run.catch_up)
        wanted: PacketSource = selection
        if args.follow:
            wanted = Paced(
                selection,
                args.follow_every * 1_000_000_000,
                lambda: shown.add_running(calls.assembler.with_announced(pipeline.reports_so_far())),
            )
        if isinstance(source, LiveSource):
            if not args.quiet:
                names = ", ".join(map(printable, args.interface))
                messages.print(Text(f"callprint: listening on {names}; Ctrl-C ends it", style="dim"))
            read_interfaces(source, wanted, capture_run, console, listener)
            interrupted = True  # a live run ends in no other way
        else:
            _warn(messages, _given_twice(source.paths))
            interrupted = read_captures(wanted, capture_run, console)
        capture_run.finish()
        if keeper is not None:
            keeper.finish()
        print_report(
            console,
            shown.flows,
            capture_run.counters,
            calls=shown.calls.counts["calls"],
            left_out=left_out_words(selection),
            summary_only=args.summary,
        )
        print_call_report(console, shown.calls, calls.assembler, summary_only=args.summary)
        say_kept(keeper, console)
        if isinstance(source, LiveSource):
            say_kernel_counters(source, console)
        if store is not None:
            console.print()
            console.print(store_line(store.url, args.store))
    said = time_warnings(capture_run.order.counters)
    if not isinstance(source, LiveSource):
        said += drop_warnings(source.dropped)
    said += not_kept_warnings(keeper)
    _warn(messages, [f"warning: {line}" for line in said])
    return _say_what_went_wrong(source, selection.warnings, messages, interrupted)


def _wrong_usage(args: argparse.Namespace) -> str:
    """Return what is wrong with options that parse, but not together; "" where nothing is."""
    if bool(args.captures) == bool(args.interface):
        return "name either captures, or interfaces with --interface"
    if args.json and args.store and is_one_of(args.json, [args.store.removeprefix("sqlite:")]):
        return f"--json {printable(args.json)} would overwrite the store"
    if args.follow and not args.json:
        return "--follow adds lines to the JSON: say where to, as in `--json -`"
    if args.interface and (args.from_moment or args.to_moment):
        return "--from and --to choose from captures, not from an interface"
    since, until = args.from_moment, args.to_moment
    if since and until and since.after_start == until.after_start and since.ns >= until.ns:
        return "--to is not after --from: no packet lies between them"
    return ""


def _given_twice(paths: list[str]) -> list[str]:
    return [
        f"warning: {path} was given twice: its packets are read twice"
        if path == first
        else f"warning: {path} holds what {first} holds: the same packets are read twice"
        for path, first in given_twice(paths)
    ]


def _say_what_went_wrong(
    source: CaptureSource | LiveSource, warnings: list[CaptureError], messages: Console, interrupted: bool
) -> int:
    """Say on standard error why the answer is incomplete, if it is; return the exit code."""
    if interrupted:
        _warn(messages, ["interrupted: what was read so far is judged and kept"])
    _warn(messages, [f"warning: {warning}" for warning in warnings])
    if isinstance(source, LiveSource):
        return EXIT_INTERRUPTED
    _warn(messages, [f"passed over: {refusal}" for refusal in source.refusals])
    found_in_folders = source.not_captures - len(source.refusals)
    if found_in_folders:
        _warn(
            messages, [f"passed over: {quantity(found_in_folders, 'file')} in folders that are no captures"]
        )
    if interrupted:
        return EXIT_INTERRUPTED
    return EXIT_DAMAGED if source.warnings else 0


def _warn(messages: Console, lines: list[str]) -> None:
    for line in lines[:FILES_NAMED]:
        messages.print(Text(f"callprint: {printable(line)}", style="yellow"))
    if len(lines) > FILES_NAMED:
        messages.print(Text(f"callprint: … and {len(lines) - FILES_NAMED:,} more of these", style="yellow"))


class _Shown:
    """What the terminal and the JSON file show of each flow and call, as they end."""

    def __init__(self, stream: TextIO | None, live: Console | None, *, keep: bool) -> None:
        """`stream` takes JSON Lines; on `live` each verdict is printed as it is made; `keep` some for the tables."""
        self.flows = FlowTally(REPORTS_FOR_PEOPLE if keep else 0)
        self.calls = CallTally(REPORTS_FOR_PEOPLE if keep else 0)
        self._stream = stream
        self._live = live

    def add_verdicts(self, verdicts: Rows[Verdict]) -> None:
        self.flows.add_verdicts(verdicts)
        if self._live is not None:
            for verdict in verdicts:
                say_verdict(self._live, verdict)

    def add_flows(self, flows: list[EndedFlow]) -> None:
        self._write(write_json_lines, flows)
        self.flows.add_flows(flows)

    def add_running(self, flows: list[EndedFlow]) -> None:
        self._write(write_json_lines, flows)

    def add_calls(self, calls: Rows[CallRecord]) -> None:
        self._write(write_calls_json_lines, calls)
        self.calls.add_all(calls)
        if self._live is not None:
            for call in calls:
                say_call(self._live, call)

    def _write(self, write: Callable[[Iterable[Row], TextIO], int], rows: Iterable[Row]) -> None:
        if self._stream is None:
            return
        try:
            write(rows, self._stream)
        except OSError as error:
            if self._stream is sys.stdout:
                raise  # cli.main handles a standard output that fails
            raise not_written(self._stream.name, error) from error
