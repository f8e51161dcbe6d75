"""The options that say where packets of calls are kept, and with which key (docs/use/call.md)."""

import argparse
import os
from pathlib import Path

from callprint.stores.kept_calls import KEPT_VARIABLE, KEY_VARIABLE


def add_kept_options(parser: "argparse.ArgumentParser | argparse._ArgumentGroup") -> None:
    """Add --kept-calls and --key-file."""
    parser.add_argument(
        "--kept-calls",
        metavar="FOLDER",
        type=Path,
        default=os.environ.get(KEPT_VARIABLE) or None,
        help=f"where packets of calls are kept (default: ${KEPT_VARIABLE}, else beside an SQLite store)",
    )
    parser.add_argument(
        "--key-file",
        metavar="FILE",
        default=os.environ.get(KEY_VARIABLE),
        help="32 bytes with which kept packets are encrypted (AES-256-GCM; "
        f"default: ${KEY_VARIABLE}, else they are not)",
    )
