"""What a look at a flow costs, part by part, on flows that no network knows: microseconds of one core.

    .venv/bin/python benchmarks/bench_looks.py

Processor time of this thread alone, the best of several rounds: other work on the machine hardly shows.
"""

import time
from collections.abc import Callable

import numpy as np
import traffic
from bench_identify import FLOWS, OTHERS, PACKETS_EACH
from bench_packet_path import prepared
from rich.console import Console

from callprint.core.identify.features import features
from callprint.inference import DEFAULT_MODEL, load_model, onnx_identifier
from callprint.load_identifier import engine_settings
from callprint.sources import open_captures
from callprint.usual_run import usual_run

ROUNDS = 5
MOST_BATCHES = 40


class Listening:
    """An identifier that keeps what it is asked."""

    def __init__(self, identifier: onnx_identifier.OnnxIdentifier) -> None:
        self._identifier = identifier
        self.asked: list[tuple[np.ndarray, np.ndarray]] = []

    def __getattr__(self, name: str) -> object:
        """Be the identifier otherwise."""
        return getattr(self._identifier, name)

    def identify(self, evidence: np.ndarray, spans: np.ndarray) -> object:
        """Keep a copy, and answer."""
        if len(self.asked) < MOST_BATCHES:
            self.asked.append((evidence.copy(), spans.copy()))
        return self._identifier.identify(evidence, spans)


def main() -> None:
    """Measure and print."""
    capture = prepared(
        f"mixture-{FLOWS}.pcap", lambda path: traffic.write_mixture(path, FLOWS, PACKETS_EACH, OTHERS)
    )
    listening = Listening(load_model(DEFAULT_MODEL))
    run, _ = usual_run(listening, engine_settings(listening))  # type: ignore[arg-type]
    for _ in run.process_all(open_captures([str(capture)])):
        if len(listening.asked) == MOST_BATCHES:
            break
    asked = listening.asked
    looks = sum(len(spans) for _, spans in asked)
    in_parts = load_model(DEFAULT_MODEL)
    onnx_identifier.PARTS_PAY = 1
    in_parts.identify(*asked[0])
    onnx_identifier.PARTS_PAY = 1 << 60
    whole = load_model(DEFAULT_MODEL)
    console = Console()
    rows = [whole.feature_rows(*one) for one in asked]

    def say(what: str, work: Callable[[], object]) -> None:
        best_s = min(timed(work) for _ in range(ROUNDS))
        console.print(f"{what}: {best_s / looks * 1e6:.1f} us", highlight=False)

    console.print(f"{looks:,} looks in {len(asked)} batches")
    say("features", lambda: [features(*one) for one in asked])
    say("the whole network", lambda: [whole.scores_of_rows(part) for part in rows])
    say("a look, whole network", lambda: [whole.identify(*one) for one in asked])
    say("a look, network in two parts", lambda: [in_parts.identify(*one) for one in asked])


def timed(work: Callable[[], object]) -> float:
    """Return the seconds of processor that a piece of work takes in this thread."""
    begin = time.thread_time()
    work()
    return time.thread_time() - begin


if __name__ == "__main__":
    main()
