"""`callprint warm-up`: compile once what every capture needs, so that the first one does not wait."""

import argparse
import sys

from callprint.cli.parsers import Subparsers, add_command
from callprint.machine_code import making
from callprint.machine_code.keeping import Announcement
from callprint.machine_code.warm_up import STEPS

DESCRIPTION = """\
Compile everything for this processor: half a minute to a minute the first time, after an update only what has changed.
The result is kept in $NUMBA_CACHE_DIR if that is set, else beside the installed package, else in
~/.cache/callprint; every later command loads it in a second.
"""


def add_parser(subparsers: Subparsers) -> argparse.ArgumentParser:
    """Add the command to the parser of `callprint`."""
    parser = add_command(subparsers, "warm-up", DESCRIPTION)
    parser.set_defaults(run=run)
    return parser


def run(args: argparse.Namespace) -> int:  # noqa: ARG001 - every command has this signature
    """Compile what is not compiled yet and say so; print nothing when everything is."""
    Announcement.wanted = True
    for warm_up in STEPS.values():
        warm_up()
    if "numba" in sys.modules:
        making.make_here()
    return 0
