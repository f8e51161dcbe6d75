"""`callprint call`: one call, message by message, with its media; and its packets as a capture of their own."""

import argparse
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TextIO

from rich.text import Text

from callprint.call_evidence import messages_in, packets_in, pcap_of_call
from callprint.cli import EXIT_DAMAGED, EXIT_ERROR, EXIT_USAGE
from callprint.cli.answers import add_json_option, add_store_option, write_data
from callprint.cli.capture_options import add_capture_options
from callprint.cli.keeping import add_key_option
from callprint.cli.numbers import add_number_options, identity_reader
from callprint.cli.parsers import Subparsers, add_command
from callprint.cli.targets import STANDARD_OUTPUT, open_binary_target, output_target
from callprint.core.call import CallRecord
from callprint.core.calls.attempt import Attempt
from callprint.core.calls.ladder import Ladder, LadderKeeper, ladder_of_row
from callprint.core.calls.packets_of_call import CallPackets, MessagePlaces
from callprint.core.capture.packet_order import OrderedBatch, OrderSettings, PacketOrder
from callprint.core.dissect import SIGNALLING_PORTS, dissect
from callprint.core.signalling.reader import RawMessage
from callprint.core.signalling.sip import SipMessage
from callprint.core.spam.call_pipeline import CallPipeline
from callprint.core.spam.detector_names import OWN
from callprint.core.spam.detectors import make_detector
from callprint.core.verdict import FlowReport
from callprint.core.verdicts.pipeline import IdentificationPipeline
from callprint.declared_names import shipped_names
from callprint.identification import CaptureRun
from callprint.load_identifier import engine_settings, load_identifier
from callprint.output.call_json import call_object
from callprint.output.columns import Line, joined, plain, print_line
from callprint.output.console import make_console, make_messages, printable, quantity, utc
from callprint.output.json_lines import flow_object, write_objects
from callprint.output.ladder import print_ladder
from callprint.output.pcapng_writer import PcapngWriter
from callprint.sources import open_captures
from callprint.sources.captures import STANDARD_INPUT
from callprint.stores import CallQuery, VerdictQuery, VerdictStore, open_store

MOST_CALLS = 1_000
"""Looked at when no Call-ID is given, or a part of one."""

NOT_KEPT = (
    "callprint call: no packets of this call are kept: `callprint identify --keep-calls RULE` keeps them, "
    "or name the capture"
)

DESCRIPTION = """\
Show one call: who sent which SIP message to whom and when, and the media between them with its applications.
ID is a Call-ID or a part of one. Without ID the capture's only call is shown; if there are several, they are listed.
Without CAPTURE the call is looked up in the store: with its messages, where its packets were kept.
"""

EPILOG = """\
examples:
  callprint call call.pcap                          the only call in a capture
  callprint call 3848276298220188511 call.pcap      one of several; a part of the Call-ID will do
  callprint call 38482762 call.pcap --pcap one.pcapng   its packets alone: SIP, RTP and RTCP, as they were captured
  callprint call 3848276298220188511                what the store knows of it
  callprint call 38482762 call.pcap --json          the call, its messages and its flows, one JSON object a line

Exit codes: 0 done, 2 wrong usage, 3 a capture is damaged, 4 there is no such call.
"""


def add_parser(subparsers: Subparsers) -> argparse.ArgumentParser:
    """Add the command to the parser of `callprint`."""
    parser = add_command(subparsers, "call", DESCRIPTION, EPILOG)
    parser.add_argument(
        "words",
        metavar="ID|CAPTURE",
        nargs="+",
        help="a Call-ID or a part of one, then captures; either may be left out",
    )
    add_json_option(parser, "the call, its messages and its flows as JSON Lines")
    parser.add_argument(
        "--pcap",
        metavar="FILE",
        type=output_target,
        help="write the packets of the call, and nothing else, to FILE (pcapng)",
    )
    parser.add_argument(
        "--model",
        metavar="FILE",
        help="network that names applications; `none`: none (default: that of callprint)",
    )
    add_number_options(parser)
    add_capture_options(parser)
    add_store_option(parser)
    add_key_option(parser)
    parser.set_defaults(run=run)
    return parser


def run(args: argparse.Namespace) -> int:
    """Show the call and return the exit code. Raises CallprintError when nothing can be read."""
    wanted, args.captures = _id_and_captures(args.words)
    messages = make_messages()
    if args.pcap and STANDARD_INPUT in args.captures:
        messages.print(
            "callprint call: --pcap takes packets from captures that can be read twice: name files"
        )
        return EXIT_USAGE
    warnings: list[str] = []
    places = MessagePlaces(lambda call_id: wanted in call_id)
    kept: dict[str, bytes] = {}
    ladders = (
        _from_captures(args, wanted, places, warnings) if args.captures else _from_store(args, wanted, kept)
    )
    for warning in warnings:
        messages.print(Text(f"callprint: warning: {printable(warning)}", style="yellow"))
    exact = [ladder for ladder in ladders if ladder.record.call_id == wanted]
    ladders = exact or ladders
    if not ladders:
        where = "the captures" if args.captures else "the store"
        named = f"no call with {printable(wanted)} in its Call-ID" if wanted else "no call"
        messages.print(f"callprint call: there is {named} in {where}")
        return EXIT_ERROR
    console = make_console(data_on_stdout=args.json == STANDARD_OUTPUT)
    if len(ladders) > 1:
        for ladder in ladders:
            print_line(console, _as_choice(ladder))
        messages.print(f"callprint call: {quantity(len(ladders), 'call')}: name one of them by its Call-ID")
        return EXIT_USAGE
    (ladder,) = ladders
    print_ladder(console, ladder)
    if args.json:
        write_data([ladder], _write_json_lines, args.json)
    if args.pcap:
        capture = kept.get(ladder.record.call_id)
        if not args.captures and capture is None:
            messages.print(NOT_KEPT)
            return EXIT_ERROR
        packets = _write_kept(args.pcap, capture) if capture else _write_packets(args, ladder, places)
        messages.print(f"callprint: {quantity(packets, 'packet')} of the call in {printable(args.pcap)}")
    return EXIT_DAMAGED if warnings else 0


def _as_choice(ladder: Ladder) -> Line:
    record = ladder.record
    who = " → ".join(printable(party or "not known") for party in (record.caller, record.callee))
    what = f"  {utc(record.started_ns)}  {who}, {record.state}"
    return joined(plain(printable(record.call_id), "bold"), plain(what))


def _id_and_captures(words: list[str]) -> tuple[str, list[str]]:
    """Return the Call-ID, "" for none, and the captures: what is no file is the Call-ID."""
    first = words[0]
    if first == STANDARD_INPUT or Path(first).exists():
        return "", words
    return first, words[1:]


def _from_captures(
    args: argparse.Namespace, wanted: str, places: MessagePlaces, warnings: list[str]
) -> list[Ladder]:
    keeper = LadderKeeper(lambda call_id: wanted in call_id, MOST_CALLS)
    source = open_captures(args.captures)
    for _ in (run := _run(args, keeper, places)).process_all(source):
        pass
    run.finish()
    warnings += map(str, source.warnings)
    return keeper.ladders()


def _run(args: argparse.Namespace, keeper: LadderKeeper, places: MessagePlaces) -> CaptureRun:
    """Return a run over captures, as that of `callprint identify` without a store."""
    identifier = load_identifier(args.model)
    settings = engine_settings(identifier)
    calls = CallPipeline(identities=identity_reader(args), detector=make_detector(OWN), names=shipped_names())

    def take_message(call: Attempt, raw: RawMessage, message: SipMessage) -> None:
        keeper.take_message(call, raw, message)
        places.take_message(call, raw, message)

    calls.assembler.on_message = take_message
    run = CaptureRun(IdentificationPipeline(identifier, settings, names=shipped_names()), None, calls=calls)
    run.order, run.signalling_ports = PacketOrder(OrderSettings(args.reorder_window_ms)), _ports(args)
    run.on_report, run.on_call = keeper.take_flow, keeper.take_record
    run.on_verdict = keeper.take_verdict
    return run


def _from_store(args: argparse.Namespace, wanted: str, kept: dict[str, bytes]) -> list[Ladder]:
    """Return the calls of a Call-ID; `kept` takes the packets that are kept of them."""
    with open_store(args.store, create=False) as store:
        records = list(store.calls(CallQuery(call_id=wanted, last_only=True)))
        return [_stored(args, store, record, kept) for record in records]


def _stored(
    args: argparse.Namespace, store: VerdictStore, record: CallRecord, kept: dict[str, bytes]
) -> Ladder:
    verdicts = [
        stored.verdict
        for key in (*record.caller_flows, *record.callee_flows)
        for stored in store.verdicts(VerdictQuery(flow=key, last_only=False))
    ]
    ladder = ladder_of_row(record, _flows_of(store, record), verdicts)
    capture = pcap_of_call(store, record, args.key_file)
    if capture is not None:
        messages, left_out = messages_in(capture, record)
        if messages:
            ladder.messages, ladder.left_out = messages, left_out
        kept[record.call_id] = capture
    return ladder


def _flows_of(store: VerdictStore, record: CallRecord) -> list[FlowReport]:
    stored = (
        each
        for key in (*record.caller_flows, *record.callee_flows)
        for each in store.verdicts(VerdictQuery(flow=key))
    )
    return [FlowReport(each.verdict, each.summary) for each in stored if each.summary is not None]


def _write_packets(args: argparse.Namespace, ladder: Ladder, places: MessagePlaces) -> int:
    """Read the captures again and write the packets of the call; return how many there were."""
    record = ladder.record
    chosen = CallPackets(places.of(record.call_id, record.from_tag), ladder.flows)
    order = PacketOrder(OrderSettings(args.reorder_window_ms))

    def write(batches: Iterable[OrderedBatch]) -> None:
        for batch in batches:
            packets = dissect(batch.data, batch.records, signalling_ports=_ports(args))
            writer.write(batch.data, batch.records[chosen.chosen(packets)])

    with open_binary_target(args.pcap) as stream:
        writer = PcapngWriter(stream)
        source = open_captures(args.captures)
        for data, records in source:
            write(order.take(data, records, source.capture, source.clock, source.buffer, source.rows))
        write(order.flush())
    return writer.packets


def _write_kept(target: str, capture: bytes) -> int:
    with open_binary_target(target) as stream:
        stream.write(capture)
    return packets_in(capture)


def _ports(args: argparse.Namespace) -> tuple[int, ...]:
    return tuple(args.sip_port or SIGNALLING_PORTS)


def _write_json_lines(ladders: Iterable[Ladder], stream: TextIO) -> int:
    return sum(write_objects(_objects(ladder), stream) for ladder in ladders)


def _objects(ladder: Ladder) -> Iterator[dict[str, Any]]:
    yield call_object(ladder.record)
    for message in ladder.messages:
        (src_ip, src_port), (dst_ip, dst_port) = message.source, message.target
        way = {"src_ip": src_ip, "src_port": src_port, "dst_ip": dst_ip, "dst_port": dst_port}
        said = {"text": message.text, "codecs": list(message.codecs), "repeated": message.again}
        yield {"type": "message", "time_ns": message.time_ns, **way, **said}
    yield from map(flow_object, ladder.flows)
