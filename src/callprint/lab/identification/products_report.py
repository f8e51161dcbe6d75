"""The report on captures by others, by product: what the network calls senders that it does not know.

    PYTHONPATH=src python -m callprint.lab.identification.products_report

judges the captures in ../shared/data/public and writes docs/results/products.md. The product is what the manifest
of the captures says; where packets of a flow name their sender themselves, the declared name stands beside it.
"""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from callprint.core.verdict import REASON_CONTRADICTED, UNKNOWN, Verdict
from callprint.inference import DEFAULT_MODEL, load_model
from callprint.inference.onnx_identifier import OnnxIdentifier
from callprint.lab.identification.last_verdicts import last_verdicts
from callprint.lab.identification.report_text import Report
from callprint.lab.identification.strangers_report import captured_applications, is_known
from callprint.training.examine import LEAST_PACKETS
from callprint.training.statistics import share

DATA = Path("../shared/data/public")
PAGE = Path("docs/results/products.md")
NOT_NAMED = "not named"


def main() -> None:
    """Write the report."""
    identifier = load_model(DEFAULT_MODEL)
    write_products_report(DATA, identifier, PAGE)


def write_products_report(folder: Path, identifier: OnnxIdentifier, page: Path) -> None:
    """Judge every capture below a folder with a manifest, and write the report."""
    products = captured_applications(folder)
    judged: dict[str, list[Verdict]] = {}
    for path in sorted(one for one in folder.rglob("*") if one.is_file()):
        product = products.get(path.relative_to(folder).as_posix(), "") or NOT_NAMED
        judged.setdefault(product, []).extend(last_verdicts(path, identifier))
    judged = {product: verdicts for product, verdicts in sorted(judged.items()) if verdicts}
    strange = [
        verdict
        for product, verdicts in judged.items()
        if not is_known(product, identifier.applications)
        for verdict in verdicts
    ]
    wrong = sum(verdict.application != UNKNOWN for verdict in strange)
    report = Report(page)
    report.add("# Captures by others, by product")
    report.add(
        f"Flows of at least {LEAST_PACKETS} packets in captures by others, judged by {identifier.name}. Made by "
        "`PYTHONPATH=src python -m callprint.lab.identification.products_report`. The product is that of the capture, "
        "by its manifest; *declared* is what packets of the flow say themselves ([use/names.md](../use/names.md)), "
        "which withdraws a sure name that it contradicts."
    )
    report.add(
        f"Of {len(strange)} flows of products that the network does not know {share(wrong, len(strange))} got a sure "
        "name: a wrong one, unless the capture has no product. Products that it knows are marked with "
        "\\*: another version, or a file that is played, may be another sender all the same."
    )
    report.table(
        [
            "product",
            "flows",
            "`unknown`",
            "sure names",
            "sure engines without a name",
            "withdrawn",
            "declared",
        ],
        [
            [product + "\\*" * is_known(product, identifier.applications), *_line(verdicts)]
            for product, verdicts in judged.items()
        ],
    )
    page.write_text(report.text.rstrip() + "\n", encoding="utf-8")


def _line(verdicts: list[Verdict]) -> list[str]:
    unknown = [verdict for verdict in verdicts if verdict.application == UNKNOWN]
    return [
        str(len(verdicts)),
        str(len(unknown)),
        _counted(verdict.application for verdict in verdicts if verdict.application != UNKNOWN),
        _counted(verdict.engine for verdict in unknown if verdict.engine != UNKNOWN),
        str(sum(verdict.reason == REASON_CONTRADICTED for verdict in verdicts)),
        _counted(verdict.declared_application for verdict in verdicts),
    ]


def _counted(names: Iterable[str | None]) -> str:
    counts = Counter(name for name in names if name is not None)
    return ", ".join(f"{name} ({count})" for name, count in counts.most_common()) or "–"


if __name__ == "__main__":
    main()
