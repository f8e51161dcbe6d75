"""docs/results/learning.md."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from callprint.lab.identification.processor import processor
from callprint.lab.identification.report_text import Report
from callprint.lab.learning.measure import BASE, OTHERS, ROUNDS, SITE, VIEWS, Count, Learned
from callprint.training.sampling import EARLY, FINAL
from callprint.training.settings import ADD_SETTINGS

_NOTHING = "–"


def write_report(found: Sequence[Learned], out: Path, command: str, complete: bool = True) -> None:
    """Write the report."""
    report = Report(out)
    left_out = [each for each in found if each.base.startswith("without-")]
    shipped = [each for each in found if not each.base.startswith("without-")]
    report.add("# Learning from calls that say what made them")
    report.add(f"Written by `{command}`. Do not edit.")
    report.add(
        f"The captures of {SITE} play an operator's own site: `callprint dataset label` takes the applications that "
        "signalling and RTCP declare there ([use/learn.md](../use/learn.md)), not the labels of the data. Of these "
        f"applications a third each is left out of a network, {ROUNDS} networks in all, trained on the labels of "
        f"{SITE} and versions ({BASE.epochs} rounds, {BASE.members} members). Each network then learns each "
        f"application that it lacks, one by one, by `callprint train --add` ({ADD_SETTINGS.epochs} rounds) from the "
        "site's flows outside `site-test` and its exemplars. What is examined are the flows of "
        f"{' and '.join(OTHERS)}: calls of other subscribers, of which the network sees media, RTCP and handshakes "
        "and no signalling. No setting was chosen on them."
    )
    if not complete:
        report.add(
            f"**Not all of it has run yet: {len(found)} additions so far.** The command goes on where it was."
        )
    _learned(report, left_out)
    _encrypted(report, left_out)
    _kept(report, left_out)
    if shipped:
        report.add("## The network that ships")
        report.add("Applications of the site that it does not know, added to it in the same way.")
        _table_of_own(report, shipped)
        _table_of_others(
            report, "known before", [(each.application, each.known_before, each.known) for each in shipped]
        )
    report.path.write_text(report.text.rstrip() + "\n", encoding="utf-8")


def _learned(report: Report, found: Sequence[Learned]) -> None:
    report.add("## What was learned")
    before = _sum(each.own_before[FINAL.name] for each in found)
    report.add(
        f"Before, none of these names was known: of {before.flows} flows at the horizon {before.sure} had another name "
        "for sure. Afterwards:"
    )
    _table_of_own(report, found)
    seconds = [each.processor_s for each in found]
    report.add(
        f"Adding an application, with calibration and all, took at most {max(seconds):.0f} s of one "
        f"processor core ({processor()}); a network with more members takes as much longer as it has more of them."
    )


def _table_of_own(report: Report, found: Sequence[Learned]) -> None:
    head = ["application", "learned from", "seen", "flows", "right", "sure", "sure ones right", "processor s"]
    rows = [
        [
            *(
                [each.application, f"{each.flows} flows, {each.calls} calls"]
                if view is VIEWS[0]
                else ["", ""]
            ),
            view.name,
            *_shares(each.own[view.name]),
            f"{each.processor_s:.0f}" if view is VIEWS[0] else "",
        ]
        for each in found
        for view in VIEWS
    ]
    rows += [
        ["all", "", view.name, *_shares(_sum(each.own[view.name] for each in found)), ""] for view in VIEWS
    ]
    report.table(head, rows)


def _encrypted(report: Report, found: Sequence[Learned]) -> None:
    rows = [
        [each.application, view.name, *_shares(each.own_encrypted[view.name])]
        for each in found
        for view in (EARLY, FINAL)
        if each.own_encrypted[view.name].flows
    ]
    if rows:
        report.add("Of these, the flows whose media are encrypted as well:")
        report.table(["application", "seen", "flows", "right", "sure", "sure ones right"], rows)


def _kept(report: Report, found: Sequence[Learned]) -> None:
    report.add("## What was forgotten")
    report.add("Flows of the applications that the network knew before, before and after each addition:")
    _table_of_others(
        report, "known before", [(each.application, each.known_before, each.known) for each in found]
    )
    report.add("## Strangers")
    report.add(
        "Flows of the applications that were left out as well and not added. Every sure name of theirs is wrong:"
    )
    rows = [
        [each.application, view.name, f"{before.flows:,}", f"{before.sure:,} → {after.sure:,}"]
        for each in found
        for view in (EARLY, FINAL)
        for before, after in [(each.strangers_before[view.name], each.strangers[view.name])]
    ]
    report.table(["added", "seen", "flows of strangers", "sure names"], rows)


Pair = tuple[str, dict[str, Count], dict[str, Count]]


def _table_of_others(report: Report, what: str, found: Sequence[Pair]) -> None:
    def row(name: str, view: str, before: Count, after: Count) -> list[str]:
        pairs = zip(_shares(before)[1:], _shares(after)[1:], strict=True)
        return [name, view, f"{before.flows:,}", *(f"{one} → {other}" for one, other in pairs)]

    rows = [
        row(name, view.name, before[view.name], after[view.name])
        for name, before, after in found
        for view in (EARLY, FINAL)
    ]
    rows += [
        row(
            "all",
            view.name,
            _sum(before[view.name] for _, before, _ in found),
            _sum(after[view.name] for _, _, after in found),
        )
        for view in VIEWS
    ]
    report.table(["added", "seen", f"flows {what}", "right", "sure", "sure ones right"], rows)


def _sum(counts: Iterable[Count]) -> Count:
    return sum(counts, Count())


def _shares(count: Count) -> list[str]:
    def share(part: int, whole: int) -> str:
        return f"{part / whole:.1%}" if whole else _NOTHING

    return [
        f"{count.flows:,}",
        share(count.right, count.flows),
        share(count.sure, count.flows),
        share(count.sure_right, count.sure),
    ]
