"""`callprint call --check`: make the verdicts of an evidence file again, and say whether they are the same."""

import argparse
from pathlib import Path

from rich.console import Console

from callprint.cli import EXIT_ERROR
from callprint.core.calls.kept import KeptCall
from callprint.core.ground.errors import StoreError
from callprint.evidence_file import Checked, HeaderCheck, check, check_headers, kept_beside
from callprint.load_identifier import load_identifier
from callprint.output.columns import Line, joined, plain, print_line
from callprint.output.console import printable, quantity
from callprint.output.flow_table import name_or_guess, way_of

LARGEST_FILE = 1 << 30


def check_file(args: argparse.Namespace, console: Console) -> int:
    """Print each verdict of the file and whether it is made again; return the exit code.

    Raises StoreError when the file is no evidence of a call, ModelError when another network is needed.
    """
    capture = _read(Path(args.check))
    kept = kept_beside(capture)
    identifier = load_identifier(args.model) if _was_judged(kept) else None
    checked = check(kept, identifier)
    if not kept.complete:
        print_line(
            console, plain("The oldest packets of the call had been given up before it was kept.", "yellow")
        )
    for line in _about(kept):
        print_line(console, line)
    for each in checked:
        print_line(console, _line(each))
    differing = sum(not each.same for each in checked)
    made = sum(each.again is not None for each in checked)
    agree = identifier is None or _say_headers(check_headers(capture, kept, identifier), console)
    if differing:
        console.print(f"{differing:,} of {quantity(made, 'verdict')} differ")
        return EXIT_ERROR
    models = ", ".join(sorted({printable(each.verdict.model) for each in checked if each.again is not None}))
    console.print(
        f"{quantity(made, 'verdict')} made again, the same bit for bit ({models})"
        if made
        else "no network gave a verdict on this call"
    )
    return 0 if agree else EXIT_ERROR


def _say_headers(checked: list[HeaderCheck], console: Console) -> bool:
    """Say whether the packets in the file are those that the verdicts were based on, and return it."""
    differing = [each for each in checked if each.differs]
    for each in differing:
        what = f"the headers give other features ({', '.join(each.differs)})"
        print_line(console, plain(f"{way_of(each.flow)}: {what}", "red"))
    same = sum(each.comparable and not each.differs for each in checked)
    others = sum(not each.comparable for each in checked)
    text = f"the headers in the file give the same features of {same:,} of {quantity(len(checked), 'final verdict')}"
    console.print(text + (f"; {others:,} cannot be compared, as packets were left out" if others else ""))
    return not differing


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise StoreError(f"{path} is larger than any evidence of a call")
        return path.read_bytes()
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}") from error


def _was_judged(kept: KeptCall) -> bool:
    return any(each.verdict.best_application is not None for each in kept.judged)


def _about(kept: KeptCall) -> list[Line]:
    """Return what the file says about the call, as far as it is what it should be."""
    state, action, reason = (kept.call.get(name) for name in ("state", "action", "reason"))
    words = ", ".join(printable(str(each)) for each in (state, action) if each)
    return [plain(f"{words}: {printable(str(reason))}", "bold")] if words else []


def _line(each: Checked) -> Line:
    verdict = each.verdict
    way = way_of(verdict.flow) + "  "
    engine = f", {printable(verdict.engine)}" if verdict.engine else ""
    what = f"{name_or_guess(verdict)} {verdict.confidence:.2%}{engine}, {quantity(verdict.k, 'packet')}: "
    if each.again is None:
        return joined(plain(way + what), plain("no network was asked", "dim"))
    if each.same:
        return joined(plain(way + what), plain("the same", "green"))
    return joined(plain(way + what), plain(f"differs in {', '.join(each.differs)}", "red"))
