"""The report's section on earlier works, the paper's networks and ours, on the same flows."""

from pathlib import Path

from callprint.inference.onnx_identifier import OnnxIdentifier
from callprint.lab.identification.baselines import SEED, measure_baselines
from callprint.lab.identification.report_text import Report
from callprint.lab.paper.earlier_works import measure_ndpi, measure_ports, yildirim_share
from callprint.lab.paper.experiment import Findings
from callprint.training.classes import TRAINING_SPLIT
from callprint.training.examine import examine
from callprint.training.paper.cells import VALIDATED, by_flow
from callprint.training.paper.networks import ALEXNET
from callprint.training.sampling import EARLY, FINAL
from callprint.training.statistics import share


def earlier_section(
    report: Report, findings: Findings, compact: OnnxIdentifier, folder: Path | None, cache: Path
) -> None:
    """Append the section; `folder`: the captures, without which nDPI and ports are left out."""
    report.add("## Earlier works, on the same flows")
    splits = findings.splits
    rows = []
    says = ""
    if folder is not None:
        ndpi = measure_ndpi(folder, splits, cache)
        if ndpi is not None:
            rows.append([ndpi[0].name, *(str(ndpi[0].right[split]) for split in splits), ""])
            says = f" nDPI names protocols: {ndpi[1]}."
        ports = measure_ports(folder, splits, SEED)
        rows.append([ports.name, *(str(ports.right[split]) for split in splits), ""])
    for found in measure_baselines(findings.dataset, findings.target, TRAINING_SPLIT, splits, SEED):
        leaky = "" if found.leaky_accuracy is None else f"{found.leaky_accuracy:.1%}"
        rows.append([found.name, *(share(*found.right[split]) for split in splits), leaky])
    for k in findings.ks():
        cell = findings.of(ALEXNET, k)[0]
        counts = [findings.right(cell, by_flow(split)) for split in splits]
        leaky = f"{findings.right(cell, VALIDATED).share:.1%}"
        rows.append([f"AlexNet, first {k} packets", *map(str, counts), leaky])
    for view in (EARLY, FINAL):
        found_by_split = [examine(findings.dataset, compact, split, (view,))[0] for split in splits]
        cells = [share(int(one.right.sum()), len(one.target)) for one in found_by_split]
        rows.append([f"**{compact.name}**, {view.name}", *cells, ""])
    report.table(["looks at", *splits, "leaky, by window"], rows)
    detected = ", ".join(f"{yildirim_share(findings.dataset, split)} of {split}" for split in splits)
    report.add(
        "By flow, trained on dataset1; the classifiers of earlier works see the first 10 packets. They follow the idea "
        "of each work, not its code, which is not public. Yildirim and Radcliffe's rule tells VoIP from other traffic, "
        f"not applications: packets of 60 to 150 bytes are most of the first ten in {detected}. Rows on ports and nDPI "
        f"count all labelled flows, also those with fewer than 10 packets.{says}"
    )
