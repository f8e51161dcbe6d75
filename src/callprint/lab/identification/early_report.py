"""The report's section on provisional verdicts: how early they are sure, and whether the final one agrees."""

from dataclasses import dataclass

import numpy as np

from callprint.inference.onnx_identifier import OnnxIdentifier
from callprint.lab.identification.report_text import Report
from callprint.training.dataset import Dataset
from callprint.training.examine import examine_view
from callprint.training.sampling import FINAL, View
from callprint.training.statistics import share


@dataclass(frozen=True, slots=True)
class Early:
    """First sure verdicts of a split's flows, before the final ones."""

    flows: int
    first_sure: dict[int, int]  # k -> flows that are sure there for the first time
    right: int
    contradicted: int  # the final verdict names another application
    withdrawn: int  # the final verdict is `unknown`
    late: int  # flows that only the final verdict is sure of

    @property
    def provisional(self) -> int:
        """Flows with a sure verdict before the final one."""
        return sum(self.first_sure.values())


def measure_early(dataset: Dataset, identifier: OnnxIdentifier, split: str) -> Early:
    """Follow every flow of a split through the checkpoints of the model to its final verdict."""
    flows = dataset.of_split(split)
    count = len(dataset.packets)
    named = np.full(count, -1)
    right = np.zeros(count, np.bool_)
    first_sure: dict[int, int] = {}
    for k in identifier.checkpoints:
        found = examine_view(dataset, identifier, flows, View(f"first {k} packets", 0, k, False))
        new = found.sure & (named[found.flow] < 0)
        named[found.flow[new]] = found.decisions.application[new]
        right[found.flow[new]] = found.right[new]
        first_sure[k] = int(new.sum())
    last = examine_view(dataset, identifier, flows, FINAL)
    before = named[last.flow]
    early = before >= 0
    return Early(
        len(flows),
        first_sure,
        int(right.sum()),
        int((early & last.sure & (last.decisions.application != before)).sum()),
        int((early & ~last.sure).sum()),
        int((~early & last.sure).sum()),
    )


def early_section(report: Report, dataset: Dataset, identifier: OnnxIdentifier, splits: list[str]) -> None:
    """Append the section."""
    found = {split: measure_early(dataset, identifier, split) for split in splits}
    report.add("## Early and late")
    report.add(
        f"A flow is judged at k = {', '.join(map(str, identifier.checkpoints))}; the first sure verdict is its "
        "provisional one, and the final one refines it at the horizon. Flows whose first sure verdict is at each k, "
        "and how the provisional verdicts turned out:"
    )
    report.table(
        [
            "split",
            *(f"k = {k}" for k in identifier.checkpoints),
            "only the final one",
            "never",
            "provisional right",
            "contradicted by the final one",
            "withdrawn (final `unknown`)",
        ],
        [
            [
                split,
                *map(str, early.first_sure.values()),
                str(early.late),
                str(early.flows - early.provisional - early.late),
                share(early.right, early.provisional),
                str(early.contradicted),
                str(early.withdrawn),
            ]
            for split, early in found.items()
        ],
    )
