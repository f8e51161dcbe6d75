"""What the screen costs: tables of 1,000 flows and of 1,000 calls, in seconds of processor time.

    PYTHONPATH=src .venv/bin/python benchmarks/bench_tables.py

The rows are made up, addresses and names of the length that real ones have; the console writes into memory, with
colours. The best of three rounds counts.
"""

import argparse
import io
import time
from collections.abc import Callable

from rich.console import Console

from callprint.core.verdict import FlowKey, FlowReport, FlowSummary, Verdict
from callprint.output.call_report import MOST_CALLS
from callprint.output.flow_table import SureAt
from callprint.output.report import MOST_FLOWS, print_flows

try:
    from callprint.core.call import Action, CallRecord, CallState, EndedBy, Phase
    from callprint.output.call_table import CallList, print_calls
except ImportError:  # 0.1.0, which bench_costs.py measures in the same run
    from callprint.core.calls.call import Action, CallRecord, CallState, EndedBy, Phase

    from callprint.output.call_table import call_list as CallList  # noqa: N812
    from callprint.output.call_table import print_calls

START_NS = 1_760_000_000_123_456_789
WIDTHS = (80, 120, 200)
ROUNDS = 3


def reports(count: int) -> list[FlowReport]:
    """Return flows of both address families, named and unknown."""
    found = []
    for i in range(count):
        prefix = "2001:db8:85a3::8a2e:370:" if i % 8 == 0 else "203.0.113."
        flow = FlowKey(
            f"{prefix}{i % 200}", 10000 + i, f"{prefix}{i % 7}", 20000 + i, i * 65537, START_NS + i
        )
        named = i % 3 > 0
        verdict = Verdict(
            flow=flow,
            application="linphone" if named else "unknown",
            best_application="linphone" if named else "pjsua",
            confidence=0.9875 if named else 0.52,
            k=100,
            final=True,
            model="compact-1",
            started_midflow=i % 5 == 0,
            last_seen_ns=START_NS,
            decided_at_ns=START_NS,
            reason=None if named else "low_confidence",
        )
        summary = FlowSummary(
            flow=flow,
            payload_type=0,
            codec="PCMU",
            clock_rate_hz=8000,
            packets=498,
            bytes=85656,
            long_packets=0,
            rtcp_packets=4,
            expected=500,
            lost=2,
            duplicates=0,
            reordered=0,
            jitter_ms=1.625,
            last_seen_ns=START_NS,
            ended="capture_end",
        )
        found.append(FlowReport(verdict, summary))
    return found


def calls(count: int) -> list[CallRecord]:
    """Return ended calls, one in ten of them spam."""
    return [
        CallRecord(
            call_id=f"a84b4c76e66710{i}@192.0.2.10",
            from_tag=str(i),
            phase=Phase.END,
            caller=f"+4915112{i:06d}",
            callee=f"user{i}@example.com",
            started_ns=START_NS + i * 10**9,
            ringing_ns=None,
            answered_ns=START_NS + i * 10**9,
            ended_ns=START_NS + (i + 30) * 10**9,
            state=CallState.COMPLETED,
            final_status=200,
            ended_by=EndedBy.CALLER,
            caller_application="linphone",
            callee_application="pjsua",
            caller_flows=(),
            callee_flows=(),
            caller_codec="PCMU",
            callee_codec="PCMU",
            caller_user_agent=None,
            callee_user_agent=None,
            attestation="missing",
            campaign="",
            signalling_ip="192.0.2.10",
            judged_at_ns=START_NS,
            spam_score=0.9 if i % 10 == 0 else 0.03,
            spam=i % 10 == 0,
            action=Action.BLOCK if i % 10 == 0 else Action.ALLOW,
            reason="40 calls of 2 s to 40 numbers within an hour",
            detector="fusion-1",
            features=(),
        )
        for i in range(count)
    ]


def seconds(show: Callable[[Console], None], width: int) -> float:
    """Return the processor time of the best round."""
    best = float("inf")
    for _ in range(ROUNDS):
        console = Console(
            file=io.StringIO(), width=width, force_terminal=True, markup=False, emoji=False, highlight=False
        )
        console.height = 100_000  # the whole table, as without a terminal
        begin = time.process_time()
        show(console)
        best = min(best, time.process_time() - begin)
    return best


def main() -> None:
    """Print one line for each table and width."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.parse_args()
    flows, ended = reports(MOST_FLOWS), calls(MOST_CALLS)
    tables: dict[str, Callable[[Console], None]] = {
        "flows (identify)": lambda console: print_flows(console, flows, SureAt(), hint=""),
        "flows (verdicts)": lambda console: print_flows(console, flows, hint="", with_time=True),
        "calls (identify)": lambda console: console.print(CallList(ended)),
        "calls (calls)": lambda console: print_calls(console, ended),
    }
    print(f"{'table':18}" + "".join(f"{f'{width} columns':>14}" for width in WIDTHS))
    for name, show in tables.items():
        print(f"{name:18}" + "".join(f"{seconds(show, width):>12.3f} s" for width in WIDTHS))


if __name__ == "__main__":
    main()
