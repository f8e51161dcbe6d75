"""The options about telephone numbers, the same in all commands: the numbering plan and the pseudonym key."""

import argparse
import os
from pathlib import Path

from callprint.cli import UsageError
from callprint.core.ground.errors import ConfigError
from callprint.core.signalling.identity import IdentityReader
from callprint.numbering import numbering_plan

KEY_VARIABLE = "CALLPRINT_PSEUDONYM_KEY_FILE"
COUNTRY_VARIABLE = "CALLPRINT_COUNTRY_CODE"
REGION_VARIABLE = "CALLPRINT_REGION"


def add_number_options(parser: argparse.ArgumentParser) -> None:
    """Add --region, --country-code and --pseudonym-key to a command that reads or compares telephone numbers."""
    group = parser.add_argument_group("telephone numbers")
    group.add_argument(
        "--region",
        metavar="CC",
        default=os.environ.get(REGION_VARIABLE, ""),
        help="where numbers are dialled, such as DE or US: how national and international numbers begin there "
        f"(default: ${REGION_VARIABLE}, else none)",
    )
    group.add_argument(
        "--country-code",
        metavar="DIGITS",
        default=os.environ.get(COUNTRY_VARIABLE, ""),
        help=f"country code of numbers dialled without one, such as 49 (default: ${COUNTRY_VARIABLE}, else none)",
    )
    group.add_argument(
        "--pseudonym-key",
        metavar="FILE",
        default=os.environ.get(KEY_VARIABLE),
        help="replace numbers and users by a keyed digest when they are parsed; the file holds at least 16 bytes: "
        f"keep it secret (default: ${KEY_VARIABLE}, else numbers stay readable)",
    )


def identity_reader(args: argparse.Namespace) -> IdentityReader:
    """Return the reader of identities that the options ask for.

    Raises ConfigError when the key file cannot be read or is too short, UsageError when region or country code do
    not exist.
    """
    key = None
    if args.pseudonym_key:
        try:
            key = Path(args.pseudonym_key).expanduser().read_bytes().strip()
        except (OSError, RuntimeError) as error:  # RuntimeError: `~name` without such a user
            what = getattr(error, "strerror", error)
            raise ConfigError(f"pseudonym key {args.pseudonym_key}: {what}") from error
    try:
        plan = numbering_plan(args.country_code, args.region)
    except ConfigError as error:
        raise UsageError(str(error)) from error
    return IdentityReader(plan, key)
