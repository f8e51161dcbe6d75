"""Compare callprint's streams, counts, RTCP, messages and calls with tshark's, capture by capture.

    PYTHONPATH=tests python -m differential.compare ../shared/data/public [--every 40] [--docs docs/results/tshark.md]

tshark takes the headers apart and a literal reader of RFC 3550 (rfc_reader.py) counts them. Every difference gets a
reason by a rule of `explain.py`, or it is UNEXPLAINED, and the exit status is 1.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from differential import ours, tshark_streams
from differential.explain import Context, Difference, explain, group_of
from differential.rfc_reader import read_stream

JITTER_TOLERANCE_MS = 0.002  # rows hold three decimals; time stamps of captures microseconds


@dataclass
class Comparison:
    """What was compared in one capture, and what differs."""

    capture: str
    compared: Counter[str] = field(default_factory=Counter)
    differences: list[Difference] = field(default_factory=list)


def compare(capture: Path, root: Path) -> Comparison:
    """Compare one capture."""
    result = Comparison(str(capture.relative_to(root)))
    found = ours.read(capture)
    ports = {port for key in found.streams for port in (key.source_port, key.destination_port)}
    signalled = tshark_streams.read(capture)
    shown = tshark_streams.read(capture, ports) if ports else signalled
    for what, mine, theirs, context in _pairs(found, shown, signalled):
        result.compared[group_of(what)] += 1
        if mine != theirs:
            difference = Difference(result.capture, what, mine, theirs, context)
            difference.reason = explain(difference, found, shown)
            result.differences.append(difference)
    return result


Pair = tuple[str, object, object, Context]


def _pairs(found: ours.Found, shown: tshark_streams.Shown, signalled: tshark_streams.Shown) -> Iterator[Pair]:
    for key, flows in found.streams.items():
        packets = tuple(shown.streams.get(key, ()))
        main = max(flows, key=lambda flow: flow.packets + flow.long_packets)
        context = Context(key, packets, main.clock_rate_hz)
        numbers = read_stream(packets, main.clock_rate_hz)
        yield "stream", True, bool(packets), context
        if not packets:
            continue
        yield "packets", sum(flow.packets + flow.long_packets for flow in flows), numbers.packets, context
        if len(flows) > 1:
            continue  # it paused for longer than the idle time-out: its parts are flows of their own
        yield "lost", main.lost, numbers.lost, context
        yield "duplicates", main.duplicates, numbers.duplicates, context
        if main.payload_type in numbers.jitter_ms:
            theirs = numbers.jitter_ms[main.payload_type]
            near = abs(main.jitter_ms - theirs) <= JITTER_TOLERANCE_MS
            yield "jitter", main.jitter_ms, main.jitter_ms if near else round(theirs, 3), context
    for key, packets in signalled.streams.items():
        if key not in found.streams:
            yield "stream that tshark shows", False, True, Context(key, tuple(packets))
    reports: Counter[tuple[str, str]] = Counter()
    for key, flows in found.streams.items():
        reports[key.source, key.destination] += sum(flow.rtcp_packets for flow in flows)
    for ends, count in reports.items():
        of_them = next(key for key in found.streams if (key.source, key.destination) == ends)
        yield "RTCP of a sender", count, shown.rtcp[ends], Context(of_them)
    for method in sorted(found.requests | shown.requests):
        yield f"{method} requests", found.requests[method], shown.requests[method], Context()
    for code in sorted(found.responses | shown.responses):
        yield f"{code} responses", found.responses[code], shown.responses[code], Context()
    for call in sorted(found.calls | shown.calls):
        if not call.startswith("media:"):
            yield "call", call in found.calls, call in shown.calls, Context()


def captures(root: Path, every: int) -> list[Path]:
    """Return the captures below a folder, or each `every`-th of them."""
    files = sorted(path for path in root.rglob("*") if path.is_file() and path.suffix not in (".csv", ".md"))
    return files[::every]


PAGE = """# Compared with tshark

Every stream, count, jitter, RTCP datagram, SIP message and call of the captures in `{folder}/`, against tshark's
dissection and a literal reader of RFC 3550 A.1, A.3 and 6.4.1 (`tests/differential/`). The unit tests compare a sample.
What became of calls is compared in [call-states.md](call-states.md).

```sh
PYTHONPATH=tests .venv/bin/python -m differential.compare ../shared/data/{folder} \\
    --docs docs/results/tshark.md
```

{table}
"""


def table(folder: str, files: int, compared: Counter[str], differences: list[Difference]) -> str:
    """Return what was compared, and the differences by reason, as tables."""
    differing = Counter(group_of(one.what) for one in differences)
    lines = [f"{files:,} captures of `{folder}/`:", "", "| compared | values | differ |", "|---|---|---|"]
    lines += [f"| {what} | {count:,} | {differing[what]} |" for what, count in compared.most_common()]
    lines += ["", "| differ | what | why |", "|---|---|---|"]
    reasons = Counter((group_of(one.what), one.reason or "**unexplained**") for one in differences)
    lines += [f"| {count} | {what} | {reason} |" for (what, reason), count in reasons.most_common()]
    return "\n".join(lines)


def _compare(arguments: tuple[Path, Path]) -> Comparison:
    return compare(*arguments)


def main() -> int:
    """Compare all captures below a folder; print what was compared and every difference by reason."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--every", type=int, default=1, metavar="N", help="each N-th capture alone")
    parser.add_argument("--docs", type=Path, metavar="FILE", help="write the table to this page, too")
    chosen = parser.parse_args()
    files = captures(chosen.folder, chosen.every)
    compared: Counter[str] = Counter()
    differences: list[Difference] = []
    with ProcessPoolExecutor() as pool:
        for result in pool.map(_compare, [(file, chosen.folder) for file in files], chunksize=4):
            compared += result.compared
            differences += result.differences
    text = table(chosen.folder.name, len(files), compared, differences)
    print(text)
    if chosen.docs is not None:
        chosen.docs.write_text(PAGE.format(table=text, folder=chosen.folder.name))
    for one in differences:
        if one.reason is None:
            print(one.capture, one.what, one.ours, one.theirs, one.context.key)
    return 1 if any(one.reason is None for one in differences) else 0


if __name__ == "__main__":
    sys.exit(main())
