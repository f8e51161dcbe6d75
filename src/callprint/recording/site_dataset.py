"""Labelled flows from captures and stores of one's own site: reads candidates, and writes those that are taken."""

import hashlib
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np

from callprint.core.call import CallRecord, Phase
from callprint.core.dissect import dissect
from callprint.core.flow.engine import EngineSettings
from callprint.core.ground.addresses import address_numbers
from callprint.core.ground.errors import CaptureError, DatasetError
from callprint.core.spam.call_pipeline import CallPipeline
from callprint.core.verdict import H323, FlowKey, FlowReport, FlowSummary, Verdict
from callprint.core.verdicts.pipeline import IdentificationPipeline
from callprint.declared_names import shipped_names
from callprint.identification import CaptureRun
from callprint.output.pcapng_writer import PcapngWriter
from callprint.owner_only import FILE_MODE, make_folder
from callprint.recording.label_file import add_labels
from callprint.recording.recorder import KEPT_KINDS
from callprint.recording.site_labels import Candidate, Labelled
from callprint.sources import open_captures
from callprint.sources.captures import STANDARD_INPUT
from callprint.stores import CallQuery, VerdictQuery, VerdictStore
from callprint.training.dataset import LABEL_FILE
from callprint.unknowns.naming import flow_capture, session_name

_LIMITS = EngineSettings(maximum_flows=1 << 14, evidence_memory_bytes=32 << 20)
_DIGEST_DIGITS = 12

Side = tuple[str, str, str, str | None, bool]
"""Of a flow: its call, sender, receiver, the application that its side's messages declare, whether it is relayed."""


def capture_candidates(
    paths: Sequence[Path],
    refused: Callable[[CaptureError], None],
    on_progress: Callable[[Sequence[Path]], Iterable[Path]] = lambda paths: paths,
) -> list[Candidate]:
    """Return the flows of captures, and of those in folders, with what is said about them.

    What calls say holds across files: a capture may have been rotated between signalling and media. A flow is that of
    the file in which it began. `refused` gets why nothing of a path can be used: it does not exist, holds no capture,
    or cannot be read again when packets are written.
    """
    found: dict[str, Said] = {}
    for path in on_progress(paths):
        errors: list[CaptureError] = []
        before = len(found)
        for file in _files_of(path, errors):
            try:
                found[file] = _said_in([file])  # by its own clock: a written capture has one
            except CaptureError as error:
                errors.append(error)
        if errors and len(found) == before:
            refused(errors[0])
    across = _said_in(list(found)) if len(found) > 1 else next(iter(found.values()), Said({}, {}))
    return [
        # Of its packets those count that are in the file. What is no flow across files is the rest of one.
        _candidate(across.reports[flow].verdict, own.summary, across.sides.get(flow), file)
        for file, said in found.items()
        for flow, own in said.reports.items()
        if flow in across.reports
    ]


def _files_of(path: Path, errors: list[CaptureError]) -> list[str]:
    try:
        if str(path) == STANDARD_INPUT or path.is_fifo():
            raise CaptureError(f"{path} can be read only once, and captures are read twice: name a file")
        return open_captures([path]).paths
    except CaptureError as error:
        errors.append(error)
        return []


class Said(NamedTuple):
    """Flows, and what calls say about their sides."""

    reports: dict[FlowKey, FlowReport]
    sides: dict[FlowKey, Side]


def _said_in(captures: Sequence[str]) -> Said:
    names = shipped_names()
    reports: dict[FlowKey, FlowReport] = {}
    calls: list[CallRecord] = []
    run = CaptureRun(
        IdentificationPipeline(None, _LIMITS, names=names),
        None,
        on_report=lambda report: reports.__setitem__(report.verdict.flow, report),
        calls=CallPipeline(names=names),
        on_call=calls.append,
    )
    for _ in run.process_all(open_captures(captures)):
        pass
    run.finish()
    return Said(reports, sides_of(calls, reports))


def store_candidates(store: VerdictStore) -> Iterator[Candidate]:
    """Give the flows whose evidence a store keeps with what is said about them. Raises StoreError."""
    found = list(store.unknown_evidence())
    sides = sides_of(store.calls(CallQuery()), {kept.flow for kept in found})
    for kept in found:
        for stored in store.verdicts(VerdictQuery(flow=kept.flow)):
            yield _candidate(
                stored.verdict, stored.summary, sides.get(kept.flow), evidence=kept.evidence, packets=kept.k
            )


def sides_of(calls: Iterable[CallRecord], wanted: Container[FlowKey]) -> dict[FlowKey, Side]:
    """Return what the calls that are over say of flows that are wanted."""
    sides: dict[FlowKey, Side] = {}
    for call in calls:
        if call.phase is not Phase.END:
            continue
        relayed = call.relayed_by is not None
        name = f"{call.call_id} {call.from_tag} {call.started_ns}"
        for flow in filter(wanted.__contains__, call.caller_flows):
            sides[flow] = name, call.caller, call.callee, call.caller_declared_application, relayed
        for flow in filter(wanted.__contains__, call.callee_flows):
            sides[flow] = name, call.callee, call.caller, call.callee_declared_application, relayed
    return sides


def _candidate(
    verdict: Verdict,
    summary: FlowSummary | None,
    side: Side | None,
    capture: str = "",
    evidence: bytes = b"",
    packets: int = 0,
) -> Candidate:
    flow = verdict.flow
    call, sender, receiver, called, relayed = side or (session_name(flow), "", "", None, False)
    names = shipped_names()
    application, version = verdict.declared_application, verdict.declared_version
    if application and called and names.is_stack(application) and names.engine_of(called) == application:
        application, version = called, None
    return Candidate(
        flow=flow,
        capture=capture,
        call=call,
        sender=sender or flow.src_ip,
        receiver=receiver or flow.dst_ip,
        application=application,
        version=version,
        called=called,
        engine=(application and names.engine_of(application)) or application or "",
        is_stack=application is not None and names.is_stack(application),
        by_host=verdict.declared_by == H323,
        relayed=relayed,
        midflow=verdict.started_midflow,
        packets=packets or (summary.packets if summary is not None else verdict.k),
        first_sequence=summary.first_sequence if summary is not None else None,
        codec=summary.codec if summary is not None and summary.codec != "dynamic" else "",
        evidence=evidence,
    )


def check_new(folder: Path) -> None:
    """Raise DatasetError when the folder holds labels already, or is a file."""
    if folder.exists() and not folder.is_dir():
        raise DatasetError(f"{folder} is a file: name a new folder")
    if (folder / LABEL_FILE).exists():
        raise DatasetError(f"{folder} holds labels already: name a new folder")


def write_site_dataset(folder: Path, taken: list[Labelled]) -> None:
    """Write the packets of labelled flows into a new folder, and their labels.

    Of a capture only the RTP, RTCP, STUN and DTLS of these flows are written: no signalling, no other flow.

    Raises DatasetError when the folder holds labels already or cannot be written.
    """
    check_new(folder)
    rows: list[dict[str, str]] = []
    try:
        make_folder(folder)
        for capture, group in groupby(sorted(taken, key=lambda each: each.candidate.capture), _capture_of):
            flows = list(group)
            for name, labelled in _written(folder, capture, flows):
                rows += map(lambda each, name=name: _row(name, each), labelled)  # type: ignore[misc]
    except OSError as error:
        raise DatasetError(f"{folder} cannot be written: {error.strerror}") from error
    add_labels(folder, rows)


def _capture_of(labelled: Labelled) -> str:
    return labelled.candidate.capture


def _written(folder: Path, capture: str, flows: list[Labelled]) -> Iterator[tuple[str, list[Labelled]]]:
    """Write the flows of one capture, or each kept one; give the names of the files with what they hold."""
    if not capture:
        for labelled in flows:
            flow, evidence = labelled.candidate.flow, labelled.candidate.evidence
            name = f"kept-{_digest(repr(flow))}.pcap"
            _private(folder / name).write_bytes(flow_capture(flow, evidence))
            yield name, [labelled]
        return
    name = f"site-{_digest(capture)}.pcapng"
    sessions = {_session(labelled.candidate.flow) for labelled in flows}
    with _private(folder / name).open("wb") as stream, suppress(CaptureError):  # read as far as before
        writer = PcapngWriter(stream)
        for data, records in open_captures([capture]):
            packets = dissect(data, records)
            wanted = np.flatnonzero(np.isin(packets["kind"], KEPT_KINDS))
            own = [i for i in wanted.tolist() if _session_of(packets[i]) in sessions]
            writer.write(data, records[own])
    yield name, flows


def _digest(text: str) -> str:
    # Names of captures need not be UTF-8: what is not comes as surrogates.
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:_DIGEST_DIGITS]


def _private(path: Path) -> Path:
    path.touch(mode=FILE_MODE)
    return path


def _session(flow: FlowKey) -> tuple[int, ...]:
    """Return what RTP and RTCP of a sender share: both addresses, and the ports without their lowest bit."""
    return (
        *address_numbers(flow.src_ip),
        flow.src_port & ~1,
        *address_numbers(flow.dst_ip),
        flow.dst_port & ~1,
    )


def _session_of(packet: np.void) -> tuple[int, ...]:
    source = (int(packet["src_hi"]), int(packet["src_lo"]), int(packet["src_port"]) & ~1)
    return (*source, int(packet["dst_hi"]), int(packet["dst_lo"]), int(packet["dst_port"]) & ~1)


def _row(name: str, labelled: Labelled) -> dict[str, str]:
    candidate = labelled.candidate
    flow = candidate.flow
    return {
        "dataset": labelled.split,
        "capture": name,
        "call": _digest(candidate.call),
        "src_ip": flow.src_ip,
        "src_port": str(flow.src_port),
        "dst_ip": flow.dst_ip,
        "dst_port": str(flow.dst_port),
        "kind": "rtp",
        "application": candidate.application or "",
        "engine": candidate.engine,
        "version": candidate.version or "",
        "codec": candidate.codec,
        "packets": str(candidate.packets),
    }
