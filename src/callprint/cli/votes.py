"""The option about votes that several commands share."""

import argparse

from callprint.cli.parsers import positive
from callprint.core.spam.fair_votes import VOTES_PER_DAY


def add_votes_option(parser: argparse.ArgumentParser) -> None:
    """Add --votes-per-day."""
    parser.add_argument(
        "--votes-per-day",
        metavar="N",
        type=positive,
        default=VOTES_PER_DAY,
        help="new votes of one user on one day that count (default: %(default)s)",
    )
