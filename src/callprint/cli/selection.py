"""The options that say which packets of a source are wanted: --filter, --from, --to."""

import argparse
import re
from typing import TYPE_CHECKING

from callprint.cli.parsers import TIME_FORMS, time_ns
from callprint.output.console import printable
from callprint.sources.batch import PacketSource
from callprint.sources.selection import Moment, Selection

if TYPE_CHECKING:
    from callprint.sources.pcap_filter import PacketFilter

_SECONDS = re.compile(r"[0-9]{1,15}(\.[0-9]{1,9})?")


def add_selection_options(parser: argparse.ArgumentParser) -> None:
    """Add --filter, --from and --to."""
    group = parser.add_argument_group("which packets")
    group.add_argument(
        "--filter",
        metavar="EXPRESSION",
        type=packet_filter,
        help="only packets that pass this filter of tcpdump and Wireshark's capture options, such as "
        "'udp and host 10.0.0.1' (needs libpcap); it sees the outer packet of a tunnel",
    )
    group.add_argument(
        "--from",
        dest="from_moment",
        metavar="TIME",
        type=moment,
        help="only packets from this time on: seconds after the first packet, ISO 8601 (UTC where it names no offset), "
        "or nanoseconds since 1970",
    )
    group.add_argument(
        "--to", dest="to_moment", metavar="TIME", type=moment, help="only packets before this time"
    )


def selected(source: PacketSource, args: argparse.Namespace) -> Selection:
    """Return the wanted part of a source."""
    return Selection(source, args.filter, args.from_moment, args.to_moment)


def packet_filter(expression: str) -> "PacketFilter":
    """Return a compiled filter; an argparse type. Raises ConfigError where libpcap is not installed."""
    # A quarter of a second of compiled code that nobody else needs.
    from callprint.sources.pcap_filter import PacketFilter  # noqa: PLC0415 - see above

    try:
        return PacketFilter(expression)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{printable(expression)!r}: {error} (man 7 pcap-filter)") from error


def left_out_words(selection: Selection) -> list[tuple[int, str]]:
    """Return how many packets were left out, and by which option."""
    counts = (
        (selection.left_out.by_time, "outside the time of --from and --to"),
        (selection.left_out.by_filter, "left out by --filter"),
    )
    return [(count, words) for count, words in counts if count]


def moment(text: str) -> Moment:
    """Return the moment that `90`, `1.5`, `2026-11-22T10:00` or nanoseconds since 1970 name; an argparse type."""
    if _SECONDS.fullmatch(text):
        whole, _, fraction = text.partition(".")
        return Moment(int(whole) * 1_000_000_000 + int(fraction.ljust(9, "0") or 0), after_start=True)
    try:
        return Moment(time_ns(text))
    except argparse.ArgumentTypeError as error:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no time; write seconds after the first packet, such as 90.5, or {TIME_FORMS}"
        ) from error
