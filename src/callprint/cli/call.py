"""`callprint call`: one call, message by message, with its media; and its packets as a capture of their own."""

import argparse
import io
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

from rich.text import Text

from callprint.call_evidence import messages_in, packets_in, pcap_of_call
from callprint.call_keeping import about
from callprint.cli import EXIT_DAMAGED, EXIT_ERROR, EXIT_USAGE
from callprint.cli.answers import add_json_option, add_store_option, write_data
from callprint.cli.call_check import check_file
from callprint.cli.capture_options import add_capture_options
from callprint.cli.keeping import look_keeper
from callprint.cli.kept import add_kept_options
from callprint.cli.numbers import add_number_options, identity_reader
from callprint.cli.parsers import Subparsers, add_command
from callprint.cli.targets import STANDARD_OUTPUT, check_not_store, open_binary_target, output_target
from callprint.core.call import CallRecord
from callprint.core.calls.attempt import Attempt
from callprint.core.calls.kept import KeptCall
from callprint.core.calls.ladder import Ladder, LadderKeeper, ladder_of_row
from callprint.core.calls.packets_of_call import CallPackets, MessagePlaces
from callprint.core.capture.packet_order import OrderedBatch, OrderSettings, PacketOrder
from callprint.core.dissect import SIGNALLING_PORTS, dissect
from callprint.core.ground.errors import ConfigError, StoreError
from callprint.core.identify.card import card_text
from callprint.core.signalling.reader import RawMessage
from callprint.core.signalling.sip import SipMessage
from callprint.core.verdict import FlowReport, Verdict
from callprint.core.verdicts.looks import LookKeeper
from callprint.evidence_file import evidence_of, kept_beside
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
from callprint.usual_run import usual_run

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
  callprint call 38482762 --evidence e.pcapng       headers and pseudonyms, for a vendor or a regulator
  callprint call --check e.pcapng                   whether the network gives the same verdicts on it
  callprint call 38482762 call.pcap --json          the call, its messages and its flows, one JSON object a line

Exit codes: 0 done, 2 wrong usage, 3 a capture is damaged, 4 there is no such call, or a verdict differs.
"""


def add_parser(subparsers: Subparsers) -> argparse.ArgumentParser:
    """Add the command to the parser of `callprint`."""
    parser = add_command(subparsers, "call", DESCRIPTION, EPILOG)
    parser.add_argument(
        "words",
        metavar="ID|CAPTURE",
        nargs="*",
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
        "--evidence",
        metavar="FILE",
        type=output_target,
        help="write what may leave the house to FILE (pcapng): headers, pseudonyms, and what verdicts are based on",
    )
    parser.add_argument(
        "--check",
        metavar="FILE",
        help="make the verdicts of an evidence file again, and say whether they are the same",
    )
    parser.add_argument(
        "--model",
        metavar="FILE",
        help="network that names applications; `none`: none (default: that of callprint)",
    )
    add_number_options(parser)
    add_capture_options(parser)
    add_store_option(parser)
    add_kept_options(parser)
    parser.set_defaults(run=run)
    return parser


def run(args: argparse.Namespace) -> int:
    """Show the call and return the exit code. Raises CallprintError when nothing can be read."""
    messages = make_messages()
    wrong = _wrong_usage(args)
    if wrong:
        messages.print(f"callprint call: {wrong}")
        return EXIT_USAGE
    if args.check:
        return check_file(args, make_console(data_on_stdout=False))
    wanted, args.captures = _id_and_captures(args.words)
    files = [f"--{name}" for name in ("pcap", "evidence") if getattr(args, name)]
    if files and STANDARD_INPUT in args.captures:
        messages.print(
            f"callprint call: {files[0]} takes packets from captures that can be read twice: name files"
        )
        return EXIT_USAGE
    warnings: list[str] = []
    heard = _Heard(wanted)
    kept: dict[str, bytes] = {}
    ladders = _from_captures(args, heard, warnings) if args.captures else _from_store(args, wanted, kept)
    for warning in warnings:
        messages.print(Text(f"callprint: warning: {printable(warning)}", style="yellow"))
    exact = [ladder for ladder in ladders if ladder.record.call_id == wanted]
    ladders = exact or ladders
    if not ladders:
        where = "the captures" if args.captures else "the store"
        named = f"no call with {printable(wanted)} in its Call-ID" if wanted else "no call"
        messages.print(f"callprint call: there is {named} in {where}{_what_else(args, wanted)}")
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
    if files:
        capture = kept.get(ladder.record.call_id)
        if not args.captures and capture is None:
            messages.print(NOT_KEPT)
            return EXIT_ERROR
        if args.pcap:
            packets = _write_pcap(args, ladder, heard, capture)
            messages.print(f"callprint: {quantity(packets, 'packet')} of the call in {printable(args.pcap)}")
        if args.evidence:
            _write_evidence(args, ladder, heard, capture)
            messages.print(f"callprint: evidence of the call in {printable(args.evidence)}")
    return EXIT_DAMAGED if warnings else 0


def _what_else(args: argparse.Namespace, wanted: str) -> str:
    """Return what to do where no call was found."""
    if args.captures:
        return f": `callprint call {printable(args.captures[0])}` lists those there are" if wanted else ""
    return f", and no file named {printable(wanted)}; `callprint calls` lists the calls of the store"


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


class _Heard:
    """What a reading of captures finds of the calls that are wanted."""

    def __init__(self, wanted: str) -> None:
        """`wanted`: a part of the Call-ID."""
        self.ladders = LadderKeeper(lambda call_id: wanted in call_id, MOST_CALLS)
        self.places = MessagePlaces(lambda call_id: wanted in call_id)
        self.looks = LookKeeper(None)
        self.card = ""

    def take_message(self, call: Attempt, raw: RawMessage, message: SipMessage) -> None:
        self.ladders.take_message(call, raw, message)
        self.places.take_message(call, raw, message)

    def take_verdict(self, verdict: Verdict) -> None:
        self.ladders.take_verdict(verdict)
        self.looks.take_verdict(verdict)

    def packets_of(self, ladder: Ladder) -> CallPackets:
        return CallPackets(self.places.of(ladder.record.call_id, ladder.record.from_tag), ladder.flows)


def _from_captures(args: argparse.Namespace, heard: _Heard, warnings: list[str]) -> list[Ladder]:
    """Read captures as `callprint identify` does, without a store."""
    identifier = load_identifier(args.model)
    run, calls = usual_run(identifier, engine_settings(identifier), identities=identity_reader(args))
    calls.assembler.on_message = heard.take_message
    if args.evidence:
        heard.looks = look_keeper(identifier)
        heard.card = card_text(identifier.card) if identifier else ""
        run.pipeline.on_looks = heard.looks.take_looks
    run.order, run.signalling_ports = PacketOrder(OrderSettings(args.reorder_window_ms)), _ports(args)
    run.on_report, run.on_call = heard.ladders.take_flow, heard.ladders.take_record
    run.on_verdict = heard.take_verdict
    source = open_captures(args.captures)
    for _ in run.process_all(source):
        pass
    run.finish()
    warnings += map(str, source.warnings)
    return heard.ladders.ladders()


def _from_store(args: argparse.Namespace, wanted: str, kept: dict[str, bytes]) -> list[Ladder]:
    """Return the calls of a Call-ID; `kept` takes the packets that are kept of them."""
    with open_store(args.store, create=False) as store:
        for target in filter(None, (args.pcap, args.evidence, args.json)):
            check_not_store(str(target), store.url)
        records = list(store.calls(CallQuery(call_id=wanted, last_only=True))) or _with_part(store, wanted)
        if len(records) > 1:  # they are only listed
            return [ladder_of_row(record, [], []) for record in records]
        return [_stored(args, store, record, kept) for record in records]


def _with_part(store: VerdictStore, part: str) -> list[CallRecord]:
    """Return the calls with this part in their Call-ID. Stores have no index for that: every call is read."""
    found = (record for record in store.calls(CallQuery(last_only=True)) if part in record.call_id)
    return list(islice(found, MOST_CALLS))


def _stored(
    args: argparse.Namespace, store: VerdictStore, record: CallRecord, kept: dict[str, bytes]
) -> Ladder:
    verdicts = [
        stored.verdict
        for key in (*record.caller_flows, *record.callee_flows)
        for stored in store.verdicts(VerdictQuery(flow=key, last_only=False))
    ]
    ladder = ladder_of_row(record, _flows_of(store, record), verdicts)
    capture = _kept_packets(args, store, record)
    if capture is not None:
        messages, left_out = messages_in(capture, record)
        if messages:
            ladder.messages, ladder.left_out = messages, left_out
        kept[record.call_id] = capture
    return ladder


def _kept_packets(args: argparse.Namespace, store: VerdictStore, record: CallRecord) -> bytes | None:
    try:
        return pcap_of_call(store, record, args.key_file, args.kept_calls)
    except (ConfigError, StoreError) as error:
        if args.pcap or args.evidence:
            raise
        warning = f"callprint: warning: without the messages of the call: {printable(str(error))}"
        make_messages().print(Text(warning, style="yellow"))
        return None


def _flows_of(store: VerdictStore, record: CallRecord) -> list[FlowReport]:
    stored = (
        each
        for key in (*record.caller_flows, *record.callee_flows)
        for each in store.verdicts(VerdictQuery(flow=key))
    )
    return [FlowReport(each.verdict, each.summary) for each in stored if each.summary is not None]


def _write_pcap(args: argparse.Namespace, ladder: Ladder, heard: _Heard, kept: bytes | None) -> int:
    """Write the packets of the call, those that are kept or those of the captures; return how many there were."""
    with open_binary_target(args.pcap) as stream:
        if kept is None:
            return _write_packets(args, ladder, heard, PcapngWriter(stream))
        stream.write(kept)
    return packets_in(kept)


def _write_evidence(args: argparse.Namespace, ladder: Ladder, heard: _Heard, capture: bytes | None) -> None:
    record = ladder.record
    if capture is not None:
        kept = kept_beside(capture)
    else:
        judged = [look for report in ladder.flows for look in heard.looks.of(report.verdict.flow)]
        kept = KeptCall(judged, heard.card, about(record), voice=True, ports=_ports(args))
        memory = io.BytesIO()
        _write_packets(args, ladder, heard, PcapngWriter(memory))
        capture = memory.getvalue()
    evidence = evidence_of(capture, kept, record)  # before the file is opened: it may be refused
    with open_binary_target(args.evidence) as stream:
        stream.write(evidence)


def _write_packets(args: argparse.Namespace, ladder: Ladder, heard: _Heard, writer: PcapngWriter) -> int:
    """Read the captures again and write the packets of the call; return how many there were."""
    chosen = heard.packets_of(ladder)
    order = PacketOrder(OrderSettings(args.reorder_window_ms))

    def write(batches: Iterable[OrderedBatch]) -> None:
        for batch in batches:
            packets = dissect(batch.data, batch.records, signalling_ports=_ports(args))
            writer.write(batch.data, batch.records[chosen.chosen(packets)])

    source = open_captures(args.captures)
    for data, records in source:
        write(order.take(data, records, source.capture, source.clock, source.buffer, source.rows))
    write(order.flush())
    return writer.packets


def _wrong_usage(args: argparse.Namespace) -> str:
    """Return what is wrong with options that parse, but not together; "" where nothing is."""
    if args.check and (args.words or args.pcap or args.evidence):
        return "--check takes an evidence file, and nothing else"
    if args.pcap and args.pcap == args.evidence:
        return "--pcap and --evidence write two files: name them differently"
    if not args.check and not args.words:
        return "name a Call-ID, captures, or both"
    return ""


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
