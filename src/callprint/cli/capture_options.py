"""Options about how packets are read, the same for `callprint identify` and the capture agent."""

import argparse

from callprint.cli.parsers import port
from callprint.core.capture.packet_order import OrderSettings
from callprint.core.ground.errors import ConfigError


def add_capture_options(parser: argparse.ArgumentParser) -> None:
    """Add --sip-port and --reorder-window-ms."""
    parser.add_argument(
        "--sip-port",
        metavar="PORT",
        type=port,
        action="append",
        help="TCP port of SIP, may be given more than once (default: 5060); over UDP, SIP is found on any port",
    )
    parser.add_argument(
        "--reorder-window-ms",
        type=_reorder_window,
        default=OrderSettings().reorder_window_ms,
        metavar="MS",
        help="how long a packet waits for earlier ones where a capture is not in order of time, 500 at most "
        "(default: %(default)g)",
    )


def _reorder_window(text: str) -> float:
    """Return milliseconds that a packet may wait; an argparse type."""
    try:
        return OrderSettings(float(text)).reorder_window_ms
    except (ValueError, ConfigError) as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of milliseconds from 0 to 500") from error
