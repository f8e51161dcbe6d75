"""The options of `callprint identify` that keep the packets of unknown flows for research (docs/use/unknowns.md)."""

import argparse

from callprint.cli import UsageError
from callprint.cli.parsers import positive
from callprint.stores import EvidenceLimits, default_store_url

LONGEST_DAYS = 365


def add_evidence_options(parser: argparse.ArgumentParser) -> None:
    """Add --keep-unknown and its bounds."""
    defaults = EvidenceLimits()
    group = parser.add_argument_group("research", "Off by default: packets can hold voice.")
    group.add_argument(
        "--keep-unknown",
        action="store_true",
        help="keep the packets that final `unknown` verdicts are based on, for `callprint unknowns`",
    )
    group.add_argument(
        "--keep-unknown-days",
        metavar="DAYS",
        type=positive,
        help=f"delete them after this many days (default: {defaults.days})",
    )
    group.add_argument(
        "--keep-unknown-flows",
        metavar="N",
        type=positive,
        help=f"keep those of the latest N flows (default: {defaults.flows:,})",
    )


def evidence_limits(args: argparse.Namespace) -> EvidenceLimits:
    """Return the limits that the options set. Raises UsageError when they contradict each other or the store."""
    given = [
        f"--{name.replace('_', '-')}"
        for name in ("keep_unknown_days", "keep_unknown_flows")
        if getattr(args, name) is not None
    ]
    defaults = EvidenceLimits()
    if args.keep_unknown and args.no_store:
        raise UsageError("--keep-unknown keeps packets in the store: it cannot go with --no-store")
    if given and not args.keep_unknown:
        raise UsageError(f"{given[0]} bounds what --keep-unknown keeps: give that as well")
    if given and (args.store or default_store_url()).startswith("cassandra:"):
        raise UsageError(
            f"{given[0]} is for an SQLite store; a keyspace forgets by the evidence_ttl_days it was made with"
        )
    if args.keep_unknown_days is not None and args.keep_unknown_days > LONGEST_DAYS:
        raise UsageError(f"--keep-unknown-days is at most {LONGEST_DAYS}")
    return EvidenceLimits(args.keep_unknown_flows or defaults.flows, args.keep_unknown_days or defaults.days)
