"""The report's section on speed: Table IV of the paper for our model."""

from functools import partial

import numpy as np

from callprint.inference.onnx_identifier import OnnxIdentifier
from callprint.lab.identification.processor import processor, processor_s
from callprint.lab.identification.report_text import Report
from callprint.lab.paper import published
from callprint.training.dataset import Dataset
from callprint.training.sampling import PAPER_K
from callprint.training.windows import cut_windows

TIMED_FLOWS = 1000
TIMED_RUNS = 5


def measure_speed(dataset: Dataset, identifier: OnnxIdentifier) -> dict[int, float]:
    """Return the processor seconds of one thread for TIMED_FLOWS flows at each k."""
    flows = (
        dataset.of_split("dataset2") if len(dataset.of_split("dataset2")) else np.arange(len(dataset.packets))
    )
    flows = np.resize(flows, TIMED_FLOWS)
    took_s = {}
    for k in PAPER_K:
        windows = cut_windows(dataset.buffer, dataset.spans, flows, 0, k, lead=True)
        judge = partial(identifier.identify, windows.buffer, windows.spans)
        took_s[k] = min(processor_s(judge) for _ in range(TIMED_RUNS))
    return took_s


def speed_section(report: Report, took_s: dict[int, float]) -> None:
    """Append the section."""
    report.add("## Speed")
    report.add(
        f"From evidence in memory to verdicts, features included, for the first k packets of {TIMED_FLOWS} flows "
        "(Table IV of the paper): processor time of one thread, best of "
        f"{TIMED_RUNS} runs, on the machine that wrote this report: {processor()}. The paper's times are of its "
        "deployed form (AlexNet features and an SVM) on its machine. Batches, threads, smaller numbers: "
        "[inference.md](inference.md)."
    )
    report.table(
        ["k", "this model", "flows each second", "paper"],
        [
            [str(k), f"{seconds:.3f} s", f"{TIMED_FLOWS / seconds:,.0f}", f"{published.TIMES_S[k]:.1f} s"]
            for k, seconds in took_s.items()
        ],
    )
