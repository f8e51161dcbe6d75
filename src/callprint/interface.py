"""The Python interface: `import callprint`. What `callprint.__all__` lists is stable; the rest is private.

import callprint

for flow in callprint.identify("call.pcap"):
    print(flow.src_ip, flow.application, f"{flow.confidence:.0%}")
"""

import os
import time
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, BinaryIO, Self, overload

from callprint.core.call import CallRecord
from callprint.core.ground.errors import ConfigError
from callprint.core.packets import Outcome
from callprint.core.spam.detector_names import OWN
from callprint.core.spam.detectors import make_detector
from callprint.core.verdict import FlowKey, FlowSummary, Verdict
from callprint.identification import CaptureRun
from callprint.load_identifier import engine_settings, load_identifier
from callprint.machine_code import ahead
from callprint.model_names import put_into_use
from callprint.output.json_lines import flow_object
from callprint.output.packet_times import drop_warnings, time_warnings
from callprint.output.tables import Library, Tables, tables
from callprint.sources import FileReport, PacketSource, open_captures, open_interfaces
from callprint.sources.captures import in_memory
from callprint.stores import open_store
from callprint.usual_run import usual_run
from callprint.votes import VoteListener

Capture = str | os.PathLike[str] | bytes | BinaryIO
"""A capture: a file or folder by its path, `"-"` for standard input, its bytes, or an open file."""


@dataclass(frozen=True, slots=True)
class QualityWindow:
    """The quality of a stretch of a flow, ten seconds or, in a long flow, more (docs/use/quality.md)."""

    begins_s: int
    """After the flow's first packet."""
    covers_s: int
    expected: int
    """Packets sent, by their sequence numbers."""
    lost: int
    late: int
    """Packets too late for a jitter buffer of 60 ms."""
    jitter_ms: float
    """The mean of the interarrival jitter (RFC 3550)."""
    r_factor: float | None
    mos: float | None
    """None where none is claimed: `summary.quality_notes` says why, or there were too few packets."""


@dataclass(frozen=True, slots=True)
class Flow:
    """A one-way media flow with its last verdict: what most programs ask for by name, the rest in its two parts.

    docs/use/json.md explains every field. `as_dict` has them all, as the JSON of the command line has.
    """

    verdict: Verdict
    summary: FlowSummary

    @property
    def key(self) -> FlowKey:
        """Addresses, ports, SSRC and first packet: what tells this flow from others."""
        return self.verdict.flow

    @property
    def src_ip(self) -> str:
        """The sender's address."""
        return self.verdict.flow.src_ip

    @property
    def src_port(self) -> int:
        """The sender's UDP port."""
        return self.verdict.flow.src_port

    @property
    def dst_ip(self) -> str:
        """The receiver's address."""
        return self.verdict.flow.dst_ip

    @property
    def dst_port(self) -> int:
        """The receiver's UDP port."""
        return self.verdict.flow.dst_port

    @property
    def application(self) -> str:
        """The application that sends the flow, or `unknown`."""
        return self.verdict.application

    @property
    def best_application(self) -> str | None:
        """The best guess, also where `application` is `unknown`."""
        return self.verdict.best_application

    @property
    def confidence(self) -> float:
        """The calibrated probability of the best guess."""
        return self.verdict.confidence

    @property
    def packets(self) -> int:
        """RTP packets that were looked at or counted."""
        return self.summary.packets

    @property
    def codec(self) -> str:
        """The codec: as SDP announced it, else by the payload type (RFC 3551), else `dynamic`."""
        return self.summary.announced_codec or self.summary.codec

    @property
    def mos(self) -> float | None:
        """The MOS of the whole flow by the E-model; None where none is claimed."""
        return self.summary.mos

    @property
    def quality(self) -> list[QualityWindow]:
        """The quality over time, the first window first."""
        from callprint.output.quality_report import rated_windows  # noqa: PLC0415 - it loads what draws tables

        return [
            QualityWindow(
                window.begins_s,
                window.covers_s,
                window.heard.expected,
                window.heard.lost,
                window.heard.late,
                window.heard.jitter_mean_us / 1000,
                window.rating.r,
                window.rating.mos,
            )
            for window in rated_windows(self.summary)
        ]

    def as_dict(self) -> dict[str, Any]:
        """Return all fields by name, rounded, as in a line of `callprint identify --json`."""
        return flow_object(self)


class Identification:
    """A run over captures or interfaces: iterate over it once for the flows, in the order in which they end.

    `calls`, `packets` and `warnings` grow while it is iterated over; in a run without end, clear `calls` from time to
    time. Leave early with `break` or `close()`; what was found until then is stored, where a store was named.
    """

    def __init__(
        self, source: PacketSource, run: CaptureRun, calls: list[CallRecord], stack: ExitStack
    ) -> None:
        """Made by `identify`."""
        self.calls = calls
        """Judged calls: one row when a call is set up, one when it has ended."""
        self._source = source
        self._run = run
        self._stack = stack
        self._flows: deque[Flow] = deque()
        self._verdicts: deque[Verdict] = deque()
        flows = (
            self._flows
        )  # nothing may lead from the run back here: its memory is to go with the last name for it
        run.on_report = lambda report: flows.append(Flow(report.verdict, report.summary))
        run.on_verdict = self._verdicts.append
        self._steps = _all_steps(run, source)

    def __iter__(self) -> Iterator[Flow]:
        """Yield each flow when it has ended. Raises CallprintError where nothing can be read or kept."""
        yield from self._found(self._flows, self._verdicts)

    def verdicts(self) -> Iterator[Verdict]:
        """Yield each verdict as it is made, in place of flows: the first sure one of a flow, and its final one."""
        yield from self._found(self._verdicts, self._flows)

    @property
    def packets(self) -> dict[str, int]:
        """What became of the packets read so far: each is in exactly one of these counters."""
        return {
            outcome.name.lower(): count for outcome, count in zip(Outcome, self._run.counters, strict=True)
        }

    @property
    def warnings(self) -> list[str]:
        """What is wrong with the captures or their times, and did not end the run."""
        return [
            *map(str, self._source.warnings),
            *time_warnings(self._run.order.counters),
            *drop_warnings(self._source.dropped),
        ]

    def close(self) -> None:
        """End the run, and store what was found. Closing twice is allowed."""
        self._steps.close()
        self._stack.close()

    def __del__(self) -> None:
        """Close it where nobody has iterated over it."""
        self.close()

    def __enter__(self) -> Self:
        """Return itself: `with callprint.identify(...) as run` closes it however the block ends."""
        return self

    def __exit__(self, *raised: object) -> None:
        """Close it."""
        self.close()

    def _found(self, wanted: deque[Any], other: deque[Any]) -> Iterator[Any]:
        try:
            for _ in self._steps:
                other.clear()
                while wanted:
                    yield wanted.popleft()
        finally:
            self.close()


def _all_steps(run: CaptureRun, source: PacketSource) -> Generator[None]:
    yield from run.process_all(source)
    run.finish()
    yield


@overload
def identify(
    *captures: Capture,
    interface: str | Sequence[str] = ...,
    model: str | os.PathLike[str] | None = ...,
    store: str | None = ...,
    columns: None = ...,
) -> Identification: ...


@overload
def identify(
    *captures: Capture,
    interface: str | Sequence[str] = ...,
    model: str | os.PathLike[str] | None = ...,
    store: str | None = ...,
    columns: Library,
) -> Tables: ...


def identify(
    *captures: Capture,
    interface: str | Sequence[str] = (),
    model: str | os.PathLike[str] | None = None,
    store: str | None = None,
    columns: Library | None = None,
) -> Identification | Tables:
    """Name the application of each flow, and judge each call, in captures or live.

    captures: files, folders, `"-"` for standard input, bytes, or open binary files; interface: names of network
    interfaces instead, which needs the right to capture; model: the file of a network (default: the one that comes with
    callprint; `"none"`: flows and calls without names); store: where verdicts are kept, as in `callprint identify
    --store` (default: nowhere); columns: `"numpy"`, `"pandas"` or `"arrow"` reads everything at once and returns
    tables instead of flows one by one.

    Raises CallprintError, or one of its kinds, when something cannot be read, loaded or kept.
    """
    if bool(captures) == bool(interface):
        raise ConfigError("name either captures, or interfaces with `interface=`")
    run = _opened(captures, [interface] if isinstance(interface, str) else interface, model, store)
    if columns is None:
        return run
    with run:
        flows = list(run)
    return tables(flows, run.calls, columns)


def _opened(
    captures: Sequence[Capture],
    interfaces: Sequence[str],
    model: str | os.PathLike[str] | None,
    store_url: str | None,
) -> Identification:
    ahead.run_if_needed()
    identifier = load_identifier(model)
    with ExitStack() as stack:
        source: PacketSource = (
            stack.enter_context(open_interfaces(interfaces))
            if interfaces
            else open_captures([_capture(capture, stack) for capture in captures])
        )
        store = stack.enter_context(open_store(store_url)) if store_url is not None else None
        if store is not None and identifier is not None:
            put_into_use(store, identifier, time.time_ns())
        detector = make_detector(OWN)
        run, calls = usual_run(
            identifier, engine_settings(identifier, live=bool(interfaces)), store=store, detector=detector
        )
        if store is not None:
            VoteListener(store, calls.judge, detector)  # takes in what users have voted so far
        found: list[CallRecord] = []
        run.on_call = found.append
        stack.callback(run.store_rest)
        return Identification(source, run, found, stack.pop_all())


def _capture(capture: Capture, stack: ExitStack) -> str | os.PathLike[str] | FileReport:
    """Return a capture as `open_captures` takes it."""
    if isinstance(capture, str | os.PathLike):
        return capture
    if isinstance(capture, bytes | bytearray | memoryview):
        return in_memory(capture, stack)
    try:
        descriptor = os.dup(capture.fileno())  # whoever opened it may close it before it is read
    except (AttributeError, OSError):  # io.BytesIO, a member of an archive ...
        return in_memory(capture.read(), stack)
    stack.callback(os.close, descriptor)
    return FileReport(str(getattr(capture, "name", "an open file")), descriptor=descriptor)
