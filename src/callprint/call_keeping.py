"""Keeps the packets of calls that a rule chooses, while captures or interfaces are read (ADR 0015)."""

import io
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from callprint.core.call import CallRecord, Phase
from callprint.core.calls.attempt import Attempt
from callprint.core.calls.keep_rules import KeepRules
from callprint.core.calls.kept import KeptCall, block_of
from callprint.core.calls.packets_of_call import MessagePlaces, spans_of_call
from callprint.core.calls.spool import CallFrames, CallSpool
from callprint.core.ground.errors import StoreError
from callprint.core.signalling.reader import RawMessage
from callprint.core.signalling.sip import SipMessage
from callprint.core.verdict import FlowKey, FlowReport
from callprint.core.verdicts.looks import MOST_FLOWS, LookKeeper
from callprint.identification import CaptureRun
from callprint.output.pcapng_writer import PcapngWriter
from callprint.stores.kept_calls import KeptCalls

Heard = TypeVar("Heard")

SETTLES_NS = 5_000_000_000
"""After a call has ended the last answers and RTCP reports come: its packets are taken when they have."""

TOGETHER_NS = 1_000_000_000
"""Calls that end within this time are looked for together: memory is gone through once for all of them."""
MOST_TOGETHER = 60_000
"""Packets of media that are taken out of memory in one go, some tens of megabytes."""


@dataclass(slots=True)
class CallKeeper:
    """Listens to a run: packets, messages, verdicts, flows and calls. `finish` keeps what still waits."""

    rules: KeepRules
    folder: KeptCalls
    spool: CallSpool
    looks: LookKeeper
    card: str = ""  # of the model
    voice: bool = False
    kept: int = 0
    incomplete: int = 0  # of these, those of which packets had been given up
    unwritten: int = 0  # calls whose file could not be written, for which nothing stops
    trouble: str = ""  # why the last of them could not
    gone: int = 0  # calls that a rule chose, but of which no packet was left
    _places: MessagePlaces = field(default_factory=MessagePlaces)
    _flows: dict[FlowKey, FlowReport] = field(default_factory=dict)
    _waiting: deque[tuple[int, CallRecord]] = field(default_factory=deque)
    _now_ns: int = 0
    _ports: tuple[int, ...] = ()

    def listen(self, run: CaptureRun) -> None:
        """Hear what the run finds, beside whoever hears it already."""
        self._ports = run.signalling_ports
        run.on_packets, run.pipeline.on_looks = self.take_packets, self.looks.take_looks
        run.on_verdict = _both(self.looks.take_verdict, run.on_verdict)
        run.on_report = _both(self.take_flow, run.on_report)
        run.on_call = _both(self.take_record, run.on_call)
        if run.calls is not None:
            run.calls.assembler.on_message = self.take_message

    def take_packets(self, data: np.ndarray, packets: np.ndarray, records: np.ndarray) -> None:
        """Take a batch, before it is worked off; the arguments are those of CallSpool.take."""
        if len(packets):
            if packets["time_ns"][0] < self._now_ns - SETTLES_NS:
                self.finish()  # another capture, of an earlier time
            self._now_ns = int(packets["time_ns"][-1])
        self.spool.take(data, packets, records)
        if self._waiting and self._waiting[0][0] <= self._now_ns - TOGETHER_NS:
            self._keep_until(self._now_ns)

    def take_message(self, call: Attempt, raw: RawMessage, message: SipMessage) -> None:
        """Take a message that call assembly has given to a call."""
        self._places.take_message(call, raw, message)

    def take_flow(self, report: FlowReport) -> None:
        """Take a flow that has ended."""
        self._flows[report.verdict.flow] = report
        if len(self._flows) > MOST_FLOWS:
            del self._flows[next(iter(self._flows))]

    def take_record(self, call: CallRecord) -> None:
        """Take the row of a call; when it has ended, the rules decide."""
        if call.phase is not Phase.END:
            return
        if self.rules.meets(call):
            self._waiting.append((self._now_ns + SETTLES_NS, call))
        else:
            self._places.forget(call.call_id, call.from_tag)

    def finish(self) -> None:
        """Keep the calls that still wait: nothing more comes."""
        if self._waiting:
            self._keep_until(self._waiting[-1][0])

    def _keep_until(self, time_ns: int) -> None:
        """Keep the calls whose packets have come by a time."""
        while self._waiting and self._waiting[0][0] <= time_ns:
            calls: list[CallRecord] = []
            flows: list[list[FlowReport]] = []
            packets = 0
            while self._waiting and self._waiting[0][0] <= time_ns and packets < MOST_TOGETHER:
                call = self._waiting.popleft()[1]
                calls.append(call)
                flows.append([self._flows[key] for key in _keys(call) if key in self._flows])
                packets += sum(each.summary.packets + each.summary.long_packets for each in flows[-1])
            places = (self._places.of(call.call_id, call.from_tag) for call in calls)
            for call, found in zip(
                calls, self.spool.frames_of(list(map(spans_of_call, places, flows))), strict=True
            ):
                self._keep(call, found)
                self._places.forget(call.call_id, call.from_tag)
            for error in self.folder.sync():
                self.kept -= 1
                self._not_written(error)

    def _keep(self, call: CallRecord, found: CallFrames) -> None:
        if not len(found.records):
            self.gone += 1
            return
        judged = [look for key in _keys(call) for look in self.looks.of(key)]
        kept = KeptCall(judged, self.card, about(call), found.complete, self.voice, self._ports)
        try:
            self.folder.put(call, capture_of(kept, found))
        except StoreError as error:  # a full disk: verdicts and calls go on
            self._not_written(error)
        else:
            self.kept += 1
            self.incomplete += not found.complete

    def _not_written(self, error: StoreError) -> None:
        self.unwritten += 1
        self.trouble = str(error)


def _keys(call: CallRecord) -> tuple[FlowKey, ...]:
    return (*call.caller_flows, *call.callee_flows)


def _both(one: Callable[[Heard], None], other: Callable[[Heard], None]) -> Callable[[Heard], None]:
    def hear(value: Heard) -> None:
        one(value)
        other(value)

    return hear


def about(call: CallRecord) -> dict[str, Any]:
    """Return what a kept file says about its call for whoever has no store: how it ended and how it was judged."""
    return {
        "state": str(call.state),
        "action": str(call.action),
        "spam_score": call.spam_score,
        "detector": call.detector,
        "reason": call.reason,
        "caller_mos": call.caller_mos,
        "callee_mos": call.callee_mos,
        "media_notes": call.media_notes,
    }


def capture_of(kept: KeptCall, found: CallFrames) -> bytes:
    """Return the packets of a call with what is kept beside them, as pcapng."""
    stream = io.BytesIO()
    writer = PcapngWriter(stream)
    stream.write(block_of(kept))
    writer.write(found.data, found.records)
    return stream.getvalue()
