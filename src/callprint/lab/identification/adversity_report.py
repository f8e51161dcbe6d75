"""The report's section on what a network, a NAT or a late start does to accuracy."""

from collections.abc import Callable
from pathlib import Path

from callprint.inference.onnx_identifier import OnnxIdentifier
from callprint.lab.identification.adversity import Outcome, examine_conditions
from callprint.lab.identification.pictures import Bars, bars_picture
from callprint.training.dataset import Dataset
from callprint.training.statistics import share

SEED = 1
TEXT = (
    "At the horizon, with packets altered before they are judged (`lab/identification/adversity.py`): packets lost, "
    "delayed (exponentially, so that they overtake each other), a missed start, hidden fields. Addresses and ports "
    "cannot matter: evidence does not hold them, and NAT changes nothing else unless it gives RTP and RTCP unrelated "
    "ports. The last row overwrites the fields from which losses and clocks are read, so none of its verdicts should "
    "be sure."
)


def adversity_section(
    dataset: Dataset, identifier: OnnxIdentifier, splits: list[str], draw: Callable[[], Path]
) -> tuple[list[str], list[list[str]]]:
    """Return head and rows of the table; `draw()` returns where the picture goes."""
    found = {
        split: examine_conditions(dataset, identifier, dataset.of_split(split), SEED) for split in splits
    }
    head = ["condition"]
    for split in splits:
        head += [f"{split}: application right", "sure", "of these right"]
    rows = []
    bars = []
    for outcomes in zip(*found.values(), strict=True):
        cells = [outcomes[0].condition.name]
        for outcome in outcomes:
            cells += _cells(outcome)
        rows.append(cells)
        values = {split: _right(outcome) for split, outcome in zip(splits, outcomes, strict=True)}
        bars.append(Bars(outcomes[0].condition.name, values))
    if bars:
        bars_picture(draw(), "application right, share of flows at the horizon", bars)
    return head, rows


def _right(outcome: Outcome) -> float:
    return float(outcome.right.mean()) if len(outcome.right) else 0.0


def _cells(outcome: Outcome) -> list[str]:
    flows, sure = len(outcome.right), int(outcome.sure.sum())
    return [
        share(int(outcome.right.sum()), flows),
        f"{sure / flows:.1%}" if flows else "–",
        f"{outcome.right[outcome.sure].mean():.1%}" if sure else "–",
    ]
