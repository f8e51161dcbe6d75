"""Reports of flows as columns, as the identification pipeline gives them."""

from callprint.core.ground.table import ValueTable, names_of
from callprint.core.verdict import FlowReport, FlowSummary, Verdict


def report_table(reports):
    reports = list(reports)
    return ValueTable(
        FlowReport,
        {
            "verdict": _table(Verdict, [report.verdict for report in reports]),
            "summary": _table(FlowSummary, [report.summary for report in reports]),
        },
        len(reports),
    )


def _table(kind, values):
    columns = {name: [getattr(value, name) for value in values] for name in names_of(kind)}
    return ValueTable(kind, columns, len(values))
