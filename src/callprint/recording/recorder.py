"""From a live source to labelled captures: packets into one pcapng, and for each flow the program that sent it."""

import socket
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import BinaryIO

import numpy as np

from callprint.core.dissect import dissect
from callprint.core.flow.engine import EngineSettings
from callprint.core.ground.addresses import Endpoint, in_order
from callprint.core.packets import PacketKind
from callprint.core.verdict import FlowReport
from callprint.core.verdicts.pipeline import IdentificationPipeline
from callprint.declared_names import shipped_names
from callprint.identification import CaptureRun
from callprint.output.pcapng_writer import PcapngWriter
from callprint.recording.programs import Program, owners_of, program_of, version_of
from callprint.recording.sockets import Owned, SocketHistory, udp_sockets
from callprint.sources import LiveSource
from callprint.training.dataset import DEFAULT_SPLIT

LOOK_EVERY_S = 0.2  # the kernel's list of sockets; flows of ten packets last as long
LEAST_PACKETS = 10  # RTP packets of a flow that is worth a label

KEPT_KINDS = (
    *(PacketKind.RTP, PacketKind.RTP_LONG, PacketKind.RTCP, PacketKind.RTCP_LONG),
    *(PacketKind.STUN, PacketKind.DTLS),
)
"""What a network learns from. Signalling, which holds names and numbers, is not kept."""

NOT_HERE = "sent by another machine"
NO_SOCKET = "no socket was listed: closed before it could be asked, or in another network namespace"
NO_PROCESS = "the process ended before it could be asked, or two share the port"
TOO_SHORT = f"fewer than {LEAST_PACKETS} RTP packets"
SEVERAL = "two programs sent from the same port to the same port"


@dataclass(slots=True)
class Recording:
    """What a recording came to."""

    labels: list[dict[str, str]] = field(default_factory=list)  # rows of flows.csv
    refused: Counter[str] = field(
        default_factory=Counter
    )  # flows, by the reason for which they have no label
    packets: int = 0


class Recorder:
    """Records one run. `take` the batches of the source, then `finish`."""

    def __init__(self, stream: BinaryIO, capture: str, least_packets: int = LEAST_PACKETS) -> None:
        """stream: where the capture goes; capture: its name in flows.csv."""
        self._writer = PcapngWriter(stream)
        self._capture = capture
        self._least_packets = least_packets
        self._reports: list[FlowReport] = []
        settings = EngineSettings(maximum_flows=1 << 14, evidence_memory_bytes=32 << 20)
        self._run = CaptureRun(IdentificationPipeline(None, settings), None, on_report=self._reports.append)
        self._history = SocketHistory()
        self._programs: dict[int, Program | None] = {}
        self._looked_s = 0.0

    def read(self, source: LiveSource, on_batch: Callable[[int], None] = lambda _packets: None) -> None:
        """Take what a source yields until it is stopped. Raises CaptureError when the kernel lists no sockets."""
        self._look()
        for data, records in source:
            if time.monotonic() - self._looked_s >= LOOK_EVERY_S:
                self._look()
            kinds = dissect(data, records)["kind"]
            self._writer.write(data, records[np.isin(kinds, KEPT_KINDS)])
            self._run.take(data, records, source.capture, source.clock, source.buffer, source.rows)
            on_batch(self._writer.packets)

    def finish(self) -> Recording:
        """End all flows and return their labels."""
        self._look()
        self._run.finish()
        recording = Recording(packets=self._writer.packets)
        rows: dict[tuple[Endpoint, Endpoint], dict[str, str]] = {}
        calls: dict[tuple[Endpoint, Endpoint], int] = {}
        versions: dict[Program, str] = {}
        for report in self._reports:
            source, destination, told = self._told(report)
            if isinstance(told, str):
                recording.refused[told] += 1
                continue
            if told not in versions:
                versions[told] = told.version or (version_of(told.file) if told.file else "")
            call = calls.setdefault(in_order(source, destination), len(calls) + 1)
            summary = report.summary
            row = {
                "dataset": DEFAULT_SPLIT,
                "capture": self._capture,
                "call": f"{self._capture.removesuffix('.pcapng')}-{call:04}",
                **dict(zip(("src_ip", "src_port"), map(str, source), strict=True)),
                **dict(zip(("dst_ip", "dst_port"), map(str, destination), strict=True)),
                "kind": "rtp",
                "application": told.name,
                "engine": shipped_names().engine_of(told.name) or told.name,
                "version": versions[told],
                "codec": "" if summary.codec == "dynamic" else summary.codec,
                "packets": str(summary.packets),
            }
            before = rows.setdefault((source, destination), row)
            if before["application"] != row["application"]:
                before["application"] = ""
        recording.labels = [row for row in rows.values() if row["application"]]
        if contradicting := len(rows) - len(recording.labels):
            recording.refused[SEVERAL] += contradicting
        return recording

    def _told(self, report: FlowReport) -> tuple[Endpoint, Endpoint, Program | str]:
        """Return from where to where a flow went, and its program or why there is none."""
        flow, summary = report.verdict.flow, report.summary
        source, destination = (flow.src_ip, flow.src_port), (flow.dst_ip, flow.dst_port)
        if summary.packets + summary.long_packets < self._least_packets:
            return source, destination, TOO_SHORT
        owned = self._history.sender(source, destination, flow.first_seen_ns, summary.last_seen_ns)
        if owned is None:
            return source, destination, NO_SOCKET if _is_here(flow.src_ip) else NOT_HERE
        program = None if owned.owner is None else self._programs.get(owned.owner)
        return source, destination, program or NO_PROCESS

    def _look(self) -> None:
        """Ask the kernel which sockets there are, and who owns the new ones."""
        self._looked_s = time.monotonic()
        new: dict[int, list[Owned]] = {}
        for owned in self._history.look(udp_sockets(), time.time_ns()):
            new.setdefault(owned.socket.inode, []).append(owned)
        if not new:
            return
        for inode, process in owners_of(set(new)).items():
            for owned in new[inode]:
                owned.owner = process
            if process not in self._programs:
                self._programs[process] = program_of(process)


def _is_here(address: str) -> bool:
    """Return whether an address is one of this machine's."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((address, 0))
    except OSError:
        return False
    return True
