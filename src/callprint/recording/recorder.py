"""From a live source to labelled captures: packets into one pcapng, and for each flow the program that sent it."""

import socket
from collections import Counter
from dataclasses import dataclass, field
from typing import BinaryIO

import numpy as np

from callprint.core.dissect import dissect
from callprint.core.flow.engine import EngineSettings
from callprint.core.ground.addresses import Endpoint
from callprint.core.packets import PacketKind
from callprint.core.verdict import FlowReport
from callprint.core.verdicts.pipeline import IdentificationPipeline
from callprint.declared_names import shipped_names
from callprint.identification import CaptureRun
from callprint.output.pcapng_writer import PcapngWriter
from callprint.recording.flows_of_call import Sent, number_calls
from callprint.recording.programs import Program, version_of
from callprint.recording.watch import SocketWatch
from callprint.sources import LiveSource
from callprint.training.dataset import DEFAULT_SPLIT

LEAST_PACKETS = 10  # RTP packets of a flow that is worth a label

KEPT_KINDS = (
    *(PacketKind.RTP, PacketKind.RTP_LONG, PacketKind.RTCP, PacketKind.RTCP_LONG),
    *(PacketKind.STUN, PacketKind.DTLS),
)
"""What a network learns from. Signalling, which holds names and numbers, is not kept."""

NOT_HERE = "sent by another machine"
NO_SOCKET = (
    "no socket was listed: closed before it was asked, in another network namespace, or of two programs"
)
NO_PROCESS = "the process ended before it could be asked"
TOO_SHORT = f"fewer than {LEAST_PACKETS} RTP packets"
SEVERAL = "two programs sent from the same port to the same port"


@dataclass(slots=True)
class Recording:
    """What a recording came to."""

    labels: list[dict[str, str]] = field(default_factory=list)  # rows of flows.csv
    refused: Counter[str] = field(default_factory=Counter)  # flows without a label, by the reason
    packets: int = 0


class Recorder:
    """Records one run: `read` a source, then `finish`."""

    def __init__(self, stream: BinaryIO, capture: str, watch: SocketWatch) -> None:
        """stream: where the capture goes; capture: its name in flows.csv; watch: that runs meanwhile."""
        self._writer = PcapngWriter(stream)
        self._capture = capture
        settings = EngineSettings(maximum_flows=1 << 14, evidence_memory_bytes=32 << 20)
        self._run = CaptureRun(IdentificationPipeline(None, settings), None, on_report=self.add)
        self._watch = watch
        self._recording = Recording()
        self._rows: dict[tuple[Endpoint, Endpoint], dict[str, str]] = {}
        self._sent: dict[tuple[Endpoint, Endpoint], Sent] = {}  # of the same flows
        self._versions: dict[Program, str] = {}

    def read(self, source: LiveSource) -> None:
        """Take what a source yields until it is stopped. Raises CaptureError when it no longer can."""
        for data, records in source:
            kinds = dissect(data, records)["kind"]
            self._writer.write(data, records[np.isin(kinds, KEPT_KINDS)])
            self._run.take(data, records, source.capture, source.clock, source.buffer, source.rows)

    def finish(self) -> Recording:
        """End all flows and return their labels."""
        self._run.finish()
        recording = self._recording
        recording.packets = self._writer.packets
        numbers = number_calls([self._sent[ends] for ends in self._rows])
        for row, number in zip(self._rows.values(), numbers, strict=True):
            row["call"] = f"{self._capture.removesuffix('.pcapng')}-{number:04}"
        recording.labels = [row for row in self._rows.values() if row["application"]]
        if contradicting := len(self._rows) - len(recording.labels):
            recording.refused[SEVERAL] += contradicting
        return recording

    def add(self, report: FlowReport) -> None:
        """Label a flow that has ended."""
        source, destination, told = self._told(report)
        if isinstance(told, str):
            self._recording.refused[told] += 1
            return
        if told not in self._versions:
            self._versions[told] = told.version or (version_of(told.file) if told.file else "")
        summary, name = report.summary, shipped_names().by_program(told.name) or told.name
        row = {
            "dataset": DEFAULT_SPLIT,
            "capture": self._capture,
            **dict(zip(("src_ip", "src_port"), map(str, source), strict=True)),
            **dict(zip(("dst_ip", "dst_port"), map(str, destination), strict=True)),
            "kind": "rtp",
            "application": name,
            "engine": shipped_names().engine_of(name) or name,
            "version": self._versions[told],
            "codec": "" if summary.codec == "dynamic" else summary.codec,
            "packets": str(summary.packets),
        }
        ends = source, destination
        sent = Sent(source, destination, name, report.verdict.flow.first_seen_ns)
        known = self._sent.setdefault(ends, sent)  # a flow that pauses is reported again
        self._sent[ends] = min(known, sent, key=lambda each: each.first_ns)
        before = self._rows.setdefault(ends, row)
        if before["application"] != row["application"]:
            before["application"] = ""

    def _told(self, report: FlowReport) -> tuple[Endpoint, Endpoint, Program | str]:
        """Return from where to where a flow went, and its program or why there is none."""
        flow, summary = report.verdict.flow, report.summary
        source, destination = (flow.src_ip, flow.src_port), (flow.dst_ip, flow.dst_port)
        if summary.packets + summary.long_packets < LEAST_PACKETS:
            return source, destination, TOO_SHORT
        # First of all, since a socket bound to any address would fit whatever comes from the same port elsewhere.
        if not _is_here(flow.src_ip):
            return source, destination, NOT_HERE
        owned = self._watch.sender(source, destination, flow.first_seen_ns, summary.last_seen_ns)
        if owned is None:
            return source, destination, NO_SOCKET
        program = owned.owner
        return source, destination, program if isinstance(program, Program) else NO_PROCESS


def _is_here(address: str) -> bool:
    """Return whether an address is one of this machine's."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    # A link-local address is one of an interface.
    scopes = [number for number, _ in socket.if_nameindex()] if address.startswith("fe80:") else [0]
    return any(_can_bind(family, (address, 0, 0, scope)[: 4 if ":" in address else 2]) for scope in scopes)


def _can_bind(family: int, end: tuple[object, ...]) -> bool:
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind(end)
    except OSError:
        return False
    return True
