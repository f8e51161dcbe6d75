"""`callprint identify`: captures or interfaces in, named applications out."""

import argparse
import contextlib
import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, TextIO, TypeVar

from rich.console import Console
from rich.text import Text

from callprint import machine_code
from callprint.cli import EXIT_DAMAGED, EXIT_INTERRUPTED, EXIT_USAGE
from callprint.cli.evidence import add_evidence_options, evidence_limits
from callprint.cli.numbers import add_number_options, identity_reader
from callprint.cli.parsers import Subparsers, add_command, port
from callprint.cli.reading import read_captures, read_interfaces, say_kernel_counters, say_verdict
from callprint.cli.targets import STANDARD_OUTPUT, is_one_of, json_target, not_written, open_target
from callprint.core.call import CallRecord
from callprint.core.capture.packet_order import OrderSettings, PacketOrder
from callprint.core.dissect import SIGNALLING_PORTS
from callprint.core.flow import EngineSettings
from callprint.core.ground.errors import ModelError
from callprint.core.spam.call_pipeline import CallPipeline
from callprint.core.spam.detector_names import DETECTORS, OWN
from callprint.core.spam.detectors import make_detector
from callprint.core.verdict import FlowReport, Verdict
from callprint.core.verdicts.pipeline import IdentificationPipeline
from callprint.identification import CaptureRun
from callprint.output.call_json import write_calls_json_lines
from callprint.output.call_report import CallTally, print_call_report, say_call
from callprint.output.console import make_console, make_messages, printable, quantity
from callprint.output.flow_table import SureAt
from callprint.output.json_lines import write_json_lines
from callprint.output.packet_times import time_warnings
from callprint.output.report import print_report, store_line
from callprint.sources import CaptureSource, LiveSource, open_captures, open_interfaces
from callprint.stores import open_store
from callprint.votes import VoteListener

if TYPE_CHECKING:
    from callprint.inference import OnnxIdentifier

REPORTS_FOR_PEOPLE = 20_000
"""Flows kept for the table and the summary, so that memory stays bounded however long the capture is."""

FILES_NAMED = 50
"""Damaged or unreadable files that are named one by one; the others are counted."""

NO_MODEL = "none"

Row = TypeVar("Row", FlowReport, CallRecord)

DESCRIPTION = """\
Find the RTP flows in captures, name the VoIP application that sent each, assemble calls from SIP and media, show
them, and keep verdicts and calls in a store. Captures are pcap or pcapng files (plain, gzip or zstd), folders of
them, or - for standard input.
"""

EPILOG = """\
examples:
  callprint identify call.pcap                    a table of flows, applications and counters
  callprint identify captures/ --json flows.jsonl and one JSON object for each flow and call (docs/use/json.md)
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
    parser.add_argument(
        "--sip-port",
        metavar="PORT",
        type=port,
        action="append",
        help="TCP port of SIP, may be given more than once (default: 5060); over UDP, SIP is found on any port",
    )
    parser.add_argument(
        "--reorder-window-ms",
        type=float,
        default=OrderSettings().reorder_window_ms,
        metavar="MS",
        help="how long a packet waits for earlier ones where a capture is not in order of time, 500 at most "
        "(default: %(default)g)",
    )
    parser.add_argument(
        "--model",
        metavar="FILE",
        help="network (default: models/compact.onnx of the clone), or `none`: flows and calls without names",
    )
    parser.add_argument(
        "--detector",
        choices=DETECTORS,
        default=OWN,
        help="for spam calls: our own (default), or one of the paper's four algorithms, which cannot judge before "
        "users have voted",
    )
    parser.add_argument(
        "--json", metavar="FILE", type=json_target, help="write JSON Lines to FILE, or - for standard output"
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--store",
        metavar="URL",
        help="where verdicts are kept: sqlite:PATH, a path, or cassandra://HOST/KEYSPACE "
        "(default: $CALLPRINT_STORE, else ~/.local/share/callprint/verdicts.sqlite)",
    )
    where.add_argument("--no-store", action="store_true", help="keep no verdicts")
    add_evidence_options(parser)
    add_number_options(parser)
    parser.set_defaults(run=run)
    return parser


def run(args: argparse.Namespace) -> int:
    """Identify and return the exit code. Raises CallprintError when nothing can be read or kept."""
    console, messages = make_console(data_on_stdout=args.json == STANDARD_OUTPUT), make_messages()
    if bool(args.captures) == bool(args.interface):
        messages.print("callprint identify: name either captures, or interfaces with --interface")
        return EXIT_USAGE
    if args.json and is_one_of(args.json, [*args.captures, args.model or "", args.store or ""]):
        messages.print(
            f"callprint identify: --json {printable(args.json)} would overwrite what is to be read"
        )
        return EXIT_USAGE
    limits = evidence_limits(args)
    order = PacketOrder(OrderSettings(args.reorder_window_ms))
    identifier = _identifier(args.model)
    checkpoints = EngineSettings().checkpoints if identifier is None else identifier.checkpoints
    sip_ports = tuple(args.sip_port or SIGNALLING_PORTS)
    with contextlib.ExitStack() as stack:
        source = (
            stack.enter_context(open_interfaces(args.interface, signalling_ports=sip_ports))
            if args.interface
            else open_captures(args.captures)
        )
        store = None if args.no_store else stack.enter_context(open_store(args.store, evidence_limits=limits))
        stream = stack.enter_context(open_target(args.json, encoding="ascii")) if args.json else None
        shown = _Shown(stream, console if args.interface else None)
        detector = make_detector(args.detector)
        calls = CallPipeline(identities=identity_reader(args), detector=detector)
        listener = VoteListener(store, calls.judge, detector) if store else None
        pipeline = IdentificationPipeline(
            identifier, EngineSettings(checkpoints=checkpoints), keep_unknown=args.keep_unknown
        )
        capture_run = CaptureRun(
            pipeline, store, shown.add_verdict, shown.add_report, calls, shown.add_call, sip_ports
        )
        capture_run.order = order
        stack.callback(capture_run.store_rest)  # what was found is kept however this ends
        if machine_code.Cache.incomplete:
            messages.print(f"callprint: {machine_code.COMPILING}")
        if isinstance(source, LiveSource):
            read_interfaces(source, capture_run, console, listener)
            interrupted = True  # a live run ends in no other way
        else:
            interrupted = read_captures(source, capture_run, console)
        capture_run.finish()
        print_report(console, shown.reports, capture_run.counters, shown.sure_at)
        print_call_report(console, shown.calls, calls.assembler)
        if shown.left_out:
            console.print(
                f"… and {quantity(shown.left_out, 'more flow')}, not in the summary either: ask `callprint verdicts`"
            )
        if isinstance(source, LiveSource):
            say_kernel_counters(source, console)
        if store is not None:
            console.print()
            console.print(store_line(store.url))
    _warn(messages, [f"warning: {line}" for line in time_warnings(capture_run.order.counters)])
    return _say_what_went_wrong(source, messages, interrupted)


def _identifier(model: str | None) -> "OnnxIdentifier | None":
    """Load the network; None when flows are to stay without names. Raises ModelError that says what to do."""
    if model == NO_MODEL:
        return None
    try:
        from callprint.inference import DEFAULT_MODEL, load_model  # noqa: PLC0415 - `--model none` runs without it
    except ModuleNotFoundError as error:
        if error.name != "onnxruntime":
            raise
        raise ModelError(
            "naming applications needs ONNX Runtime: `sh tools/setup.sh cpu` in the clone installs it; "
            "`--model none` shows flows and calls without names"
        ) from error
    if model is None and not DEFAULT_MODEL.is_file():
        raise ModelError(
            "the network that comes with callprint is in models/ of a clone, not in an installed package: name it "
            "with --model FILE, or use `--model none` to see flows and calls without names"
        )
    return load_model(model or DEFAULT_MODEL)


def _say_what_went_wrong(source: CaptureSource | LiveSource, messages: Console, interrupted: bool) -> int:
    """Say on standard error why the answer is incomplete, if it is; return the exit code."""
    if interrupted:
        _warn(messages, ["interrupted: what was read so far is judged and kept"])
    if isinstance(source, LiveSource):
        return EXIT_INTERRUPTED
    _warn(messages, [f"warning: {warning}" for warning in source.warnings])
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

    def __init__(self, stream: TextIO | None, live: Console | None) -> None:
        """`stream` takes JSON Lines; on `live` each verdict is printed as it is made."""
        self.reports: list[FlowReport] = []
        self.left_out = 0
        self.sure_at = SureAt()
        self.calls = CallTally(REPORTS_FOR_PEOPLE)
        self._stream = stream
        self._live = live

    def add_verdict(self, verdict: Verdict) -> None:
        if not self.left_out:  # the table shows no flow from here on
            self.sure_at.add(verdict)
        if self._live is not None:
            say_verdict(self._live, verdict)

    def add_report(self, report: FlowReport) -> None:
        self._write(write_json_lines, report)
        if len(self.reports) < REPORTS_FOR_PEOPLE:
            self.reports.append(report)
        else:
            self.left_out += 1

    def add_call(self, call: CallRecord) -> None:
        self._write(write_calls_json_lines, call)
        self.calls.add(call)
        if self._live is not None:
            say_call(self._live, call)

    def _write(self, write: Callable[[Iterable[Row], TextIO], int], row: Row) -> None:
        if self._stream is None:
            return
        try:
            write([row], self._stream)
        except OSError as error:
            if self._stream is sys.stdout:
                raise  # cli.main handles a standard output that fails
            raise not_written(self._stream.name, error) from error
