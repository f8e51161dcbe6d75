"""The options of `callprint identify` that keep the packets of calls (docs/use/call.md)."""

import argparse
import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.console import Console

from callprint.call_keeping import CallKeeper
from callprint.cli import UsageError
from callprint.cli.kept import add_kept_options
from callprint.cli.parsers import positive
from callprint.core.calls.keep_rules import DEFAULT_MOS, KeepRules
from callprint.core.calls.spool import CallSpool
from callprint.core.ground.errors import ConfigError
from callprint.core.identify.card import INPUT_FEATURES, card_text
from callprint.core.verdicts.looks import LookKeeper
from callprint.identification import CaptureRun
from callprint.output.console import printable, quantity
from callprint.stores import VerdictStore
from callprint.stores.kept_calls import KeptCalls, KeptLimits, folder_beside, read_key

if TYPE_CHECKING:
    from callprint.inference import OnnxIdentifier

MEMORY_MIB = 256


def add_keep_options(parser: argparse.ArgumentParser) -> None:
    """Add --keep-calls and its bounds."""
    defaults = KeptLimits()
    group = parser.add_argument_group(
        "packets of calls", "Off by default; kept for `callprint call` and the console."
    )
    group.add_argument(
        "--keep-calls",
        metavar="RULE",
        type=_rule,
        action="append",
        default=[],
        help="keep the packets of calls that are `spam` (any action but allow), below a MOS (`quality`: "
        f"{DEFAULT_MOS}, or `quality:3.2`), of an `unknown` application, or `all`; may be given more than once",
    )
    group.add_argument("--keep-voice", action="store_true", help="also the voice: RTP packets whole")
    add_kept_options(group)
    group.add_argument(
        "--keep-calls-number",
        metavar="N",
        type=positive,
        help=f"keep the latest N calls (default: {defaults.calls:,})",
    )
    group.add_argument(
        "--keep-calls-mib",
        metavar="MIB",
        type=positive,
        help=f"keep so many MiB in all (default: {defaults.mebibytes:,})",
    )
    group.add_argument(
        "--keep-calls-days",
        metavar="DAYS",
        type=positive,
        help=f"delete them after this many days (default: {defaults.days})",
    )
    group.add_argument(
        "--keep-memory",
        metavar="MIB",
        type=positive,
        default=MEMORY_MIB,
        help="memory for packets of calls that go on (default: %(default)s MiB); the oldest go when it is full",
    )


def call_keeper(
    args: argparse.Namespace, store: VerdictStore | None, identifier: "OnnxIdentifier | None"
) -> CallKeeper | None:
    """Return what keeps the calls that the options ask for; None: none.

    Raises UsageError for options that do not go together, ConfigError for a key that cannot be used.
    """
    rules = KeepRules.parsed(args.keep_calls)
    bounds = ("keep_voice", "keep_calls_number", "keep_calls_mib", "keep_calls_days")
    given = [f"--{name.replace('_', '-')}" for name in bounds if getattr(args, name)]
    if not rules.names:
        if given:
            raise UsageError(f"{given[0]} is about what --keep-calls keeps: give that as well")
        return None
    folder = args.kept_calls or (None if store is None else folder_beside(store))
    if folder is None:
        raise UsageError("beside this store there is no place for packets: name a folder with --kept-calls")
    if args.pseudonym_key and not args.key_file:
        raise UsageError(
            "--keep-calls keeps SIP with the numbers that --pseudonym-key hides: give --key-file as well"
        )
    defaults = KeptLimits()
    limits = KeptLimits(
        args.keep_calls_number or defaults.calls,
        args.keep_calls_mib or defaults.mebibytes,
        args.keep_calls_days or defaults.days,
    )
    return CallKeeper(
        rules,
        KeptCalls(folder, read_key(args.key_file), limits),
        CallSpool(args.keep_memory << 20, voice=args.keep_voice),
        look_keeper(identifier),
        card_text(identifier.card) if identifier else "",
        args.keep_voice,
    )


def _rule(text: str) -> str:
    """Return a rule of --keep-calls; an argparse type."""
    try:
        KeepRules.parsed([text])
    except ConfigError as error:
        raise argparse.ArgumentTypeError(printable(str(error))) from error
    return text


def look_keeper(identifier: "OnnxIdentifier | None") -> LookKeeper:
    """Return what keeps the features that a network reads; of one that reads payloads it keeps none."""
    if identifier is None or identifier.card.input.kind != INPUT_FEATURES:
        return LookKeeper(None)
    return LookKeeper(identifier.feature_rows, identifier.minimum_k)


@contextlib.contextmanager
def keeping(keeper: CallKeeper | None, run: CaptureRun) -> Iterator[None]:
    """Let the keeper listen to a run; what it then holds is kept however the run ends."""
    if keeper is None:
        yield
        return
    keeper.listen(run)
    try:
        yield
    finally:
        keeper.finish()


def say_kept(keeper: CallKeeper | None, console: Console) -> None:
    """Print how many calls were kept, and what bounds took away."""
    if keeper is None:
        return
    words = [f"packets of {quantity(keeper.kept, 'call')} kept in {printable(str(keeper.folder.path))}"]
    if keeper.incomplete:
        words.append(
            f"{keeper.incomplete:,} without their oldest packets, for which there was no memory (--keep-memory)"
        )
    if keeper.gone:
        words.append(f"of {quantity(keeper.gone, 'call')} none was left (--keep-memory)")
    if keeper.folder.forgotten:
        words.append(f"{quantity(keeper.folder.forgotten, 'older call')} deleted, as the bounds say")
    console.print()
    console.print("; ".join(words))


def not_kept_warnings(keeper: CallKeeper | None) -> list[str]:
    """Return what to say about calls whose packets could not be written, where there are any."""
    if keeper is None or not keeper.unwritten:
        return []
    return [
        f"the packets of {quantity(keeper.unwritten, 'call')} could not be kept: {printable(keeper.trouble)}"
    ]
