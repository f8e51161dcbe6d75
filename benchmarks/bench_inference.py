"""How fast a network judges flows, by batch size, threads and precision, on the CPU and on CUDA where it exists.

    callprint dataset build --out calls.npz
    .venv/bin/python benchmarks/bench_inference.py calls.npz [--out docs/results/inference.md]

Flows are those of the dataset at their first k packets, repeated as often as a batch needs. Times are processor
time with one thread, and wall-clock time with several and on CUDA; the best of many runs, the median in brackets.
Other work on the machine makes runs longer, never shorter, most of all those with several threads.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import onnxruntime

from callprint.core.identify.features import features
from callprint.inference import DEFAULT_MODEL, OnnxIdentifier, load_model
from callprint.lab.identification.pictures import curves_picture
from callprint.lab.identification.processor import processor
from callprint.training.classes import TRAINING_SPLITS
from callprint.training.dataset import Dataset, load_dataset, of_applications
from callprint.training.examine import examine
from callprint.training.export import sha256
from callprint.training.precision import PRECISIONS
from callprint.training.sampling import EARLY, FINAL, MIDFLOW
from callprint.training.statistics import share
from callprint.training.windows import Windows, cut_windows

BATCHES = (1, 4, 16, 64, 256, 1024, 4096)
WHOLE_K = (10, 100)
ACCURACY_VIEWS = (EARLY, FINAL, MIDFLOW)
LEAST_RUNS, SECONDS = 7, 0.2  # for each figure
CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds of one run, over all runs."""

    best_s: float
    median_s: float

    @classmethod
    def of(cls, run: Callable[[], object], clock: Callable[[], float]) -> "Timing":
        """Time a call many times, after one that is not counted."""
        run()
        taken: list[float] = []
        while len(taken) < LEAST_RUNS or sum(taken) < SECONDS:
            begin = clock()
            run()
            taken.append(clock() - begin)
        return cls(min(taken), float(np.median(taken)))


def clock_of(threads: int, provider: str) -> Callable[[], float]:
    """Return the clock that other work on the machine disturbs least."""
    return time.process_time if threads == 1 and provider == CPU else time.perf_counter


def first_packets(dataset: Dataset, count: int, k: int) -> Windows:
    """Return the first k packets of `count` flows."""
    flows = np.resize(np.flatnonzero(dataset.packets >= k), count)
    nothing = np.zeros(count, np.bool_)
    return cut_windows(
        dataset.buffer,
        dataset.spans,
        flows,
        np.zeros(count, np.int64),
        np.full(count, k),
        tail=nothing,
        lead=~nothing,
    )


def network_timings(
    identifier: OnnxIdentifier, graph: bytes, rows: np.ndarray, threads: int, provider: str
) -> list[Timing]:
    """Time the graph alone for every batch size."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(graph, options, providers=[provider])
    outputs = [
        name for name in ("logits", "novelty") if name in {node.name for node in session.get_outputs()}
    ]
    kind = identifier.card.input.kind
    timings = []
    for batch in BATCHES:
        part = np.resize(rows, (batch, rows.shape[1]))
        timings.append(Timing.of(partial(session.run, outputs, {kind: part}), clock_of(threads, provider)))
    return timings


def accuracies(dataset: Dataset, shipped: OnnxIdentifier, graphs: dict[str, bytes]) -> list[list[str]]:
    """Return how often each precision is right and sure on known applications, by split not trained on, and view."""
    forms = {
        name: OnnxIdentifier(replace(shipped.card, onnx_sha256=sha256(graph)), graph)
        for name, graph in graphs.items()
    }
    rows = []
    known = of_applications(dataset, shipped.card.classes)
    for split in np.unique(known.split):
        if split in TRAINING_SPLITS:
            continue
        found = {name: examine(known, form, str(split), ACCURACY_VIEWS) for name, form in forms.items()}
        for i, view in enumerate(ACCURACY_VIEWS):
            usual = found["float32"][i]
            for name, views in found.items():
                now = views[i]
                same = (now.decisions.application == usual.decisions.application) & (now.sure == usual.sure)
                count = len(now.target)
                rows.append(
                    [
                        str(split),
                        view.name,
                        name,
                        share(int(now.right.sum()), count),
                        share(int(now.sure.sum()), count),
                        f"{int(same.sum())} of {count}",
                    ]
                )
    return rows


def milliseconds(timing: Timing) -> str:
    """Return the best and the median."""
    return f"{timing.best_s * 1e3:.2f} ({timing.median_s * 1e3:.2f})"


def main() -> None:
    """Measure, print, and write a page and a picture if asked to."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--model", type=Path, default=DEFAULT_MODEL)
    parser.add_argument("--out", type=Path, metavar="FILE", help="page to write, with a picture beside it")
    args = parser.parse_args()
    dataset = load_dataset(args.dataset)
    shipped = load_model(args.model)
    graphs = {"float32": args.model.read_bytes()}
    graphs |= {name: make(graphs["float32"]) for name, make in PRECISIONS.items()}
    windows = first_packets(dataset, max(BATCHES), 100)
    rows = features(windows.buffer, windows.spans, 100)
    hosts = [(CPU, 1), (CPU, 2)] + ([(CUDA, 1)] if CUDA in onnxruntime.get_available_providers() else [])
    network: dict[tuple[str, str], list[Timing]] = {}
    whole: list[list[str]] = []
    for provider, threads in hosts:
        host = "CUDA" if provider == CUDA else f"CPU, {threads} thread" + "s" * (threads > 1)
        for name, graph in graphs.items():
            network[host, name] = network_timings(shipped, graph, rows, threads, provider)
            if provider == CPU:
                identifier = OnnxIdentifier(replace(shipped.card, onnx_sha256=sha256(graph)), graph, threads)
                cells = []
                for k in WHOLE_K:
                    some = first_packets(dataset, 1000, k)
                    timing = Timing.of(
                        partial(identifier.identify, some.buffer, some.spans), clock_of(threads, provider)
                    )
                    cells += [
                        f"{timing.best_s:.3f} s ({timing.median_s:.3f})",
                        f"{1000 / timing.best_s:,.0f}",
                    ]
                whole.append([host, name, *cells])
    text = page(args, graphs, network, whole, accuracies(dataset, shipped, graphs))
    print(text)
    if args.out is not None:
        args.out.write_text(text, encoding="utf-8")
        curves = {
            f"{host}, {name}": [batch / timing.best_s for batch, timing in zip(BATCHES, timings, strict=True)]
            for (host, name), timings in network.items()
        }
        picture = args.out.parent / "pictures" / "inference.png"
        picture.parent.mkdir(exist_ok=True)
        curves_picture(picture, "flows in a batch", "flows each second, network alone", list(BATCHES), curves)


def table(head: list[str], body: list[list[str]]) -> str:
    """Return a Markdown table."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in body])


def page(
    args: argparse.Namespace,
    graphs: dict[str, bytes],
    network: dict[tuple[str, str], list[Timing]],
    whole: list[list[str]],
    accuracy: list[list[str]],
) -> str:
    """Return the page."""
    out = f" --out {args.out}" if args.out else ""
    card = load_model(args.model).card
    parts = [
        "# Speed of inference",
        f"Made by `.venv/bin/python benchmarks/bench_inference.py {args.dataset.name}{out}` with {card.name} "
        f"{card.version}, ONNX Runtime {onnxruntime.__version__}, {processor()}.",
        (__doc__ or "").partition("\n\n")[2].rpartition("\n\n")[2].strip(),
        "## The network alone",
        "Features in, scores out: milliseconds for a batch, best (median).",
        table(
            ["on", "precision", "bytes", *(f"{batch:,}" for batch in BATCHES)],
            [
                [host, name, f"{len(graphs[name]):,}", *map(milliseconds, timings)]
                for (host, name), timings in network.items()
            ],
        ),
        "![Throughput over batch sizes](pictures/inference.png)",
        "## From evidence to verdicts",
        "The first k packets of a thousand flows, features included.",
        table(
            ["on", "precision", *(cell for k in WHOLE_K for cell in (f"k = {k}", "flows each second"))], whole
        ),
        "## What smaller numbers cost",
        "The same flows, judged in each precision; *same verdicts* name what float32 names and are sure where it is.",
        table(
            ["split", "looked at", "precision", "application right", "sure", "same verdicts as float32"],
            accuracy,
        ),
    ]
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    main()
