"""Damage captures at random and identify what is left: make fuzz CAPTURES="folder file".

The invariant: whatever has become of a capture, `callprint.identify` answers with rows that do not contradict
themselves and with one counter for each packet, or with one CallprintError, and soon. A capture that breaks this is
written to `build/fuzz/`.
"""

import argparse
import random
import sys
import time
import traceback
from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

import callprint

ROOT = Path(__file__).resolve().parent.parent
LARGEST = 200_000  # bytes of a capture in a folder, so that there are many rounds
SUFFIXES = (".pcap", ".pcapng", ".cap")
MOST_S = 2.0  # of processor for one of these
LIMITS = (b"\xff" * 4, b"\0" * 4, b"\x7f\xff\xff\xff", b"\x80\0\0\0")
console = Console()


def damaged(data: bytes, draw: random.Random) -> bytes:
    """Return `data` with up to 64 bytes, bits, runs or numbers changed, cut out, or put in."""
    out = bytearray(data)
    for _ in range(draw.choice((0, 1, 1, 2, 4, 16, 64))):
        at = draw.randrange(len(out) or 1)
        match draw.randrange(6):
            case 0:
                out[at : at + 1] = draw.randbytes(1)
            case 1:
                out[at : at + 1] = bytes([out[at] ^ (1 << draw.randrange(8))]) if out else b"x"
            case 2:
                del out[at : at + draw.randrange(1, 40)]
            case 3:
                out[at:at] = draw.randbytes(draw.randrange(1, 20))
            case 4:
                out[at : at + 4] = draw.choice(LIMITS)
            case _:
                start = draw.randrange(len(out) or 1)
                out[at:at] = out[start : start + draw.randrange(1, 200)]
    return bytes(out)


def broken(data: bytes) -> str:
    """Return how the invariant is broken for this capture, or nothing."""
    try:
        run = callprint.identify(data, model="none")
        flows = list(run)
    except callprint.CallprintError:
        return ""
    if sum(run.packets.values()) < sum(flow.packets for flow in flows):
        return "flows have more packets than the counters"
    for flow in flows:
        flow.as_dict()
        if flow.summary.last_seen_ns < flow.key.first_seen_ns:
            return "a flow ends before it begins"
    for call in run.calls:
        if call.answered_ns and call.ended_ns and call.ended_ns < call.answered_ns:
            return "a call ends before it is answered"
    return ""


def fuzz(captures: list[Path], seconds: float, seed: int, folder: Path) -> int:
    """Damage captures for so long; return how many broke the invariant."""
    draw = random.Random(seed)
    found: Counter[str] = Counter()
    rounds = 0
    longest_s = 0.0
    broken(captures[0].read_bytes())  # everything is compiled then
    begin = time.monotonic()
    with Progress(console=console) as progress:
        task = progress.add_task("damaged captures", total=seconds)
        while (spent := time.monotonic() - begin) < seconds:
            progress.update(task, completed=spent, description=f"{rounds:,} damaged captures")
            capture = draw.choice(captures)
            data = damaged(capture.read_bytes(), draw)
            started = time.process_time()
            try:
                why = broken(data)
            except Exception as error:  # whatever is no CallprintError is what is looked for
                at = traceback.extract_tb(error.__traceback__)[-1]
                why = f"{type(error).__name__}: {error} ({at.filename}:{at.lineno})"
            took_s = time.process_time() - started
            longest_s = max(longest_s, took_s)
            if took_s > MOST_S:
                why = why or f"it took {took_s:.1f} s of processor"
            if why:
                folder.mkdir(parents=True, exist_ok=True)
                kept = folder / f"{seed}-{rounds}-{capture.name}"
                kept.write_bytes(data)
                console.print(f"{why}: {kept}", markup=False)
                found[why] += 1
            rounds += 1
    console.print(
        f"{rounds:,} damaged captures in {seconds:.0f} s, the longest took {longest_s:.2f} s (seed {seed}): "
        f"{sum(found.values())} broke the invariant"
    )
    return sum(found.values())


def main() -> int:
    """Fuzz; exit with 1 when a capture broke the invariant."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("captures", nargs="*", type=Path, help="files and folders (default: the sample)")
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    captures = []
    for given in arguments.captures or [ROOT / "samples" / "applications.pcapng"]:
        inside = (
            [path for path in sorted(given.rglob("*")) if path.suffix in SUFFIXES]
            if given.is_dir()
            else [given]
        )
        captures += [path for path in inside if path == given or 0 < path.stat().st_size <= LARGEST]
    if not captures:
        parser.error(f"no captures of at most {LARGEST:,} bytes there")
    return 1 if fuzz(captures, arguments.seconds, arguments.seed, ROOT / "build" / "fuzz") else 0


if __name__ == "__main__":
    sys.exit(main())
