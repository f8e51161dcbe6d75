"""Speed of spam-call detection, everything side by side in one run.

    OMP_NUM_THREADS=1 python benchmarks/bench_spit.py [--peer-python PYTHON] [--output docs/results/spit-speed.md]

- eMPCK from one thousand to one hundred thousand calls: is it linear?
- eMPCK beside our exact MPCK, both vectorised, at 4 thousand calls.
- eMPCK beside `active-semi-supervised-clustering` MPCKMeans at 2 thousand calls of 16 features. The package pins
  old dependencies, so it wants an environment of its own:
      python -m venv /tmp/peer && /tmp/peer/bin/pip install active-semi-supervised-clustering
      python benchmarks/bench_spit.py --peer-python /tmp/peer/bin/python
  Without it that part is skipped, and the output says so.
- A live judgement of one call, with a full Gaussian process behind it; histories; the assignment of one call.

Times are CPU seconds of one thread, best of the repeats: other work on the machine does not count. Every contender
clusters the same calls with the same votes.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np

from callprint.core.call import Phase
from callprint.core.spam import clustering
from callprint.core.spam.histories import CallHistory
from callprint.core.spam.own_detector import OwnDetector
from callprint.lab.spam.traces import named_trace

FEATURES = 16
VOTED = 0.1
SIZES = (1_000, 4_000, 10_000, 40_000, 100_000)
PEER_CALLS = 2_000
COMPARED_CALLS = 4_000
JUDGED = 2_000

PEER = """
import json, sys, time
import numpy as np
from active_semi_clustering.semi_supervised.pairwise_constraints import MPCKMeans
data = np.load(sys.argv[1])
values, votes = data["values"], data["votes"]
voted = np.flatnonzero(votes >= 0)
pairs = [(i, j) for a, i in enumerate(voted) for j in voted[a + 1:]]
must = [p for p in pairs if votes[p[0]] == votes[p[1]]]
cannot = [p for p in pairs if votes[p[0]] != votes[p[1]]]
start = time.process_time()
model = MPCKMeans(n_clusters=2, max_iter=100)
model.fit(values, ml=must, cl=cannot)
print(json.dumps({"seconds": time.process_time() - start}))
"""


def simulated(count: int, seed: int = 0) -> tuple[Any, Any]:
    """Return `count` calls of 16 complete features, two overlapping kinds, and votes on a tenth of them."""
    random = np.random.default_rng(seed)
    kind = (random.random(count) < 0.3).astype(np.int64)
    values = random.normal(size=(count, FEATURES))
    values[kind == 1, :6] += 1.2
    return values, np.where(random.random(count) < VOTED, kind, -1)


def best_of(repeats: int, work: Callable[[], Any]) -> tuple[float, Any]:
    """Return the least seconds of the repeats, and the last result."""
    best, result = np.inf, None
    for _ in range(repeats):
        start = process_time()
        result = work()
        best = min(best, process_time() - start)
    return float(best), result


def linear(report: list[str]) -> None:
    """Time eMPCK over growing numbers of calls."""
    report += [
        "## eMPCK against the number of calls",
        "",
        "| calls | ms | iterations | us / call / iteration |",
        "|---|---|---|---|",
    ]
    for size in SIZES:
        values, votes = simulated(size)
        seconds, fitted = best_of(3, lambda: clustering.fit(values, votes, clustering.Settings()))  # noqa: B023
        each = 1e6 * seconds / size / fitted.iterations
        report.append(f"| {size:,} | {1e3 * seconds:.1f} | {fitted.iterations} | {each:.2f} |")


def against_exact(report: list[str]) -> None:
    """Time eMPCK beside our exact MPCK."""
    values, votes = simulated(COMPARED_CALLS)
    exact = clustering.Settings(exact_farthest=True, pre_metrics=False)
    slow, one = best_of(3, lambda: clustering.fit(values, votes, exact))
    fast, other = best_of(5, lambda: clustering.fit(values, votes, clustering.Settings()))
    same = max(np.mean(one.labels == other.labels), np.mean(one.labels != other.labels))
    report += [
        "",
        f"## eMPCK beside our exact MPCK, {COMPARED_CALLS:,} calls",
        "",
        f"MPCK {1e3 * slow:.1f} ms in {one.iterations} iterations, eMPCK {1e3 * fast:.1f} ms in {other.iterations}: "
        f"**{slow / fast:.0f}x** (wanted: 15x). They agree on {same:.1%} of the calls.",
    ]


def against_peer(report: list[str], python: str | None) -> None:
    """Time eMPCK beside the public MPCK-Means, which runs in an environment of its own."""
    report += ["", f"## eMPCK beside active-semi-supervised-clustering, {PEER_CALLS:,} calls", ""]
    values, votes = simulated(PEER_CALLS)
    fast, fitted = best_of(5, lambda: clustering.fit(values, votes, clustering.Settings()))
    if python is None:
        report.append(
            "Skipped: no --peer-python was given (see the head of benchmarks/bench_spit.py for how)."
        )
        return
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "calls.npz"
        np.savez(data, values=values, votes=votes)
        done = subprocess.run([python, "-c", PEER, data], capture_output=True, text=True, check=False)
    if done.returncode:
        report.append(f"Skipped: the peer did not run in {python}: {done.stderr.strip().splitlines()[-1]}")
        return
    peer = json.loads(done.stdout)
    report.append(
        f"MPCKMeans of the package {peer['seconds']:.1f} s, "
        f"eMPCK {1e3 * fast:.1f} ms in {fitted.iterations}: **{peer['seconds'] / fast:,.0f}x** (wanted: 500x). "
        "Both got all pairs of the same votes; eMPCK keeps them as sums over classes."
    )


def live(report: list[str]) -> None:
    """Time the steps of one live call."""
    trace = named_trace("rotating", 0)
    detector = OwnDetector()
    calls = list(trace.calls)
    for call, vector in zip(calls, trace.vectors, strict=True):
        detector.judge(call, vector, Phase.END, int(call["ended_ns"]))
    for i in range(0, len(calls), 2):
        given_at_ns = int(calls[i]["ended_ns"])
        detector.add_vote(int(calls[i]["caller"]), f"user {i % 60}", bool(trace.spam[i]), given_at_ns)
    learning, _ = best_of(2, lambda: detector.learn(int(calls[-1]["ended_ns"])))
    times = []
    for i in range(JUDGED):
        now_ns = int(calls[i]["ended_ns"])
        start = process_time()
        detector.judge(calls[i], trace.vectors[i], Phase.SETUP, now_ns)
        times.append(process_time() - start)
    history = CallHistory(10_000)
    history.setup(trace.calls[0])
    setting_up, _ = best_of(3, lambda: [history.setup(call) for call in trace.calls[:JUDGED]])
    replaying, _ = best_of(3, lambda: CallHistory(10_000).replay(trace.calls))
    fitted = clustering.fit(*simulated(COMPARED_CALLS), clustering.Settings())
    one = simulated(1)[0]
    assigning, _ = best_of(200, lambda: fitted.assign(one))
    median, slow = 1e3 * np.median(times), 1e3 * np.quantile(times, 0.99)
    report += [
        "",
        "## One live call",
        "",
        "| step | time |",
        "|---|---|",
        f"| judgement with reason, after learning from {len(calls) // 2:,} votes | "
        f"median {median:.2f} ms, 99 % {slow:.2f} ms (wanted: below 1 ms) |",
        f"| assignment to a cluster (eMPCK) | {1e6 * assigning:.0f} us |",
        f"| features at set-up | {1e6 * setting_up / JUDGED:.1f} us |",
        f"| features of a whole trace, compiled | {1e6 * replaying / len(calls):.2f} us a call |",
        f"| learning anew from all votes (not in the way of a call) | {learning:.2f} s |",
    ]


def command(args: argparse.Namespace) -> str:
    """Return the command line that gives this report; the peer's environment by the name that the head has for it."""
    return "benchmarks/bench_spit.py" + (" --peer-python /tmp/peer/bin/python" if args.peer_python else "")


def main() -> int:
    """Run everything and print or write the report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--peer-python", help="python of the environment with active-semi-supervised-clustering"
    )
    parser.add_argument("--output", type=Path, help="write here instead of to standard output")
    args = parser.parse_args()
    report = [
        "# Spam calls: measured speed",
        "",
        f"Made by `OMP_NUM_THREADS=1 python {command(args)}`: everything in one run.",
        "CPU time of one thread, best of the repeats, so that other work on the machine does not count.",
        "",
    ]
    clustering.fit(*simulated(200), clustering.Settings())  # compile before the clock starts
    linear(report)
    against_exact(report)
    against_peer(report, args.peer_python)
    live(report)
    text = "\n".join(report) + "\n"
    if args.output:
        args.output.write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
