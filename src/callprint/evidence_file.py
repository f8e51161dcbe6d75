"""Evidence files: a call that may leave the house, and verdicts that anybody with the same network makes again.

An evidence file is a capture (pcapng): headers alone, pseudonyms in place of addresses, numbers and names, and beside
the packets the verdicts with what the network read for each of them, the reasons, and the model's card.
"""

import io
import os
from contextlib import ExitStack
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from callprint.core.call import CallRecord
from callprint.core.calls.attempt import Attempt
from callprint.core.calls.harmless_texts import version_alone
from callprint.core.calls.headers_alone import dtls_alone, rtcp_alone, rtp_alone, stun_alone
from callprint.core.calls.kept import KeptCall, block_of, kept_in
from callprint.core.calls.pseudonymised_sip import pseudonymised
from callprint.core.calls.pseudonyms import KEY_BYTES, Pseudonyms
from callprint.core.calls.raw_frames import LINKTYPE_RAW, raw_frame
from callprint.core.declared.table import NameTable
from callprint.core.dissect import SIGNALLING_PORTS
from callprint.core.ground.addresses import Endpoint, address_text
from callprint.core.ground.errors import CaptureError, DecodeError, ModelError, StoreError
from callprint.core.identify.feature_row import group_columns
from callprint.core.packets import MAXIMUM_PAYLOAD, RECORD, PacketKind
from callprint.core.signalling.reader import RawMessage
from callprint.core.signalling.sip import SipMessage
from callprint.core.spam.call_pipeline import CallPipeline
from callprint.core.verdict import FlowKey, Verdict
from callprint.core.verdicts.identifier import Names
from callprint.core.verdicts.looks import JudgedLook, LookKeeper, made_again
from callprint.core.verdicts.pipeline import IdentificationPipeline
from callprint.declared_names import shipped_names
from callprint.identification import CaptureRun
from callprint.output.pcapng_writer import PcapngWriter
from callprint.sources import open_captures
from callprint.sources.captures import in_memory

if TYPE_CHECKING:
    from callprint.inference import OnnxIdentifier

COMMENT = (
    "Evidence of a call, written by callprint: headers alone, with pseudonyms for addresses, ports, numbers and names. "
    "`callprint call --check FILE` makes its verdicts again."
)

_LONGEST_DATAGRAM = 65_000
_RTP = (PacketKind.RTP, PacketKind.RTP_LONG, PacketKind.RTP_CUT)
_ALONE = {
    **dict.fromkeys((PacketKind.RTCP, PacketKind.RTCP_LONG), rtcp_alone),
    PacketKind.STUN: stun_alone,
    PacketKind.DTLS: dtls_alone,
}


def kept_beside(capture: bytes) -> KeptCall:
    """Return what is kept beside the packets of a call. Raises StoreError when there is nothing, or it is damaged."""
    try:
        kept = kept_in(capture)
    except DecodeError as error:
        raise StoreError(f"what is kept of the call cannot be read: {error}") from error
    if kept is None:
        raise StoreError("this is no evidence of a call: it does not say what its verdicts were based on")
    return kept


def evidence_of(capture: bytes, kept: KeptCall, record: CallRecord, key: bytes | None = None) -> bytes:
    """Return the evidence of a call from its packets, (pcapng), and what is kept beside them.

    key: of the pseudonyms, by default a random one that nobody keeps. Raises StoreError when
    the packets cannot be read, or the verdicts beside them are on flows of another call.
    """
    ours = {flow[:-1] for flow in (*record.caller_flows, *record.callee_flows)}
    if not {flow[:-1] for flow in kept.flows} <= ours:  # when each began, two captures may say differently
        raise StoreError("the packets that are kept of the call are those of another call")
    ports = kept.ports or SIGNALLING_PORTS
    names = Pseudonyms(key or os.urandom(KEY_BYTES), {*ports, *SIGNALLING_PORTS})
    packets = _Packets(record, names, shipped_names())
    packets.read(capture, ports)
    judged = [JudgedLook(_without_names(verdict, names), look) for verdict, look in kept.judged]
    stream = io.BytesIO()
    writer = PcapngWriter(stream, COMMENT)
    stream.write(block_of(replace(kept, judged=judged, voice=False, pseudonyms=True)))
    packets.write(writer)
    return stream.getvalue()


def _without_names(verdict: Verdict, names: Pseudonyms) -> Verdict:
    version = version_alone(verdict.declared_version or "") or None
    return replace(verdict, flow=names.flow(verdict.flow), declared_version=version)


@dataclass(slots=True)
class _Packets:
    """The packets of a call, made anew."""

    record: CallRecord
    names: Pseudonyms
    table: NameTable
    found: list[tuple[int, bytes, int]] = field(default_factory=list)  # packet time, frame, its own length

    def read(self, capture: bytes, ports: tuple[int, ...]) -> None:
        calls = CallPipeline()
        calls.assembler.on_message = self._take_message
        run = CaptureRun(IdentificationPipeline(None), None, calls=calls, signalling_ports=ports)
        run.on_packets = self._take_packets
        _read(run, capture)
        self.found.sort(key=lambda packet: packet[0])

    def write(self, writer: PcapngWriter) -> None:
        for time_ns, frame, original in self.found:
            records = np.array([(time_ns, 0, len(frame), original, LINKTYPE_RAW)], RECORD)
            writer.write(np.frombuffer(frame, np.uint8), records)

    def _take_packets(self, data: np.ndarray, packets: np.ndarray, _records: np.ndarray) -> None:
        wanted = packets[np.isin(packets["kind"], [*_RTP, *_ALONE])]
        names = ("kind", "time_ns", "offset", "length", "missing", "src_hi", "src_lo", "dst_hi", "dst_lo")
        columns = [wanted[name].tolist() for name in (*names, "src_port", "dst_port")]
        for kind, time_ns, offset, length, missing, *addresses, source, target in zip(*columns, strict=True):
            whole = data[offset : offset + length].tobytes()
            payload = rtp_alone(whole, self.names.bytes_like) if kind in _RTP else _ALONE[kind](whole)
            one, other = address_text(*addresses[:2]), address_text(*addresses[2:])
            self._add(time_ns, (one, source), (other, target), payload, length + missing)

    def _take_message(self, call: Attempt, raw: RawMessage, message: SipMessage) -> None:
        if (call.call_id, call.from_tag) == (self.record.call_id, self.record.from_tag):
            text = pseudonymised(message, self.names, self.table)
            if len(text) <= _LONGEST_DATAGRAM:
                source = raw.source_ip, raw.source_port
                self._add(raw.time_ns, source, raw.target, text, len(text))

    def _add(self, time_ns: int, source: Endpoint, target: Endpoint, payload: bytes, length: int) -> None:
        ends = self.names.endpoint(source), self.names.endpoint(target)
        self.found.append((time_ns, *raw_frame(*ends, payload, length)))


class Checked(NamedTuple):
    """A verdict of an evidence file, made again."""

    verdict: Verdict
    again: Verdict | None  # None: no network was asked for it
    differs: tuple[str, ...]  # the fields in which the two differ

    @property
    def same(self) -> bool:
        """Whether the verdict is the same, bit for bit."""
        return not self.differs


def check(kept: KeptCall, identifier: "OnnxIdentifier | None") -> list[Checked]:
    """Make every verdict again with a network; verdicts that no network gave are compared with nothing.

    Raises ModelError when the verdicts are those of another network, or of one that reads payloads.
    """
    found: list[Checked] = []
    asked = [each for each in kept.judged if each.verdict.best_application is not None]
    digests = {each.verdict.model_digest for each in asked}
    ours = identifier.digest if identifier is not None else None
    if asked and digests != {ours}:
        models = ", ".join(sorted({each.verdict.model for each in asked}))
        raise ModelError(
            f"the verdicts are those of {models}, with another digest: name its file with --model"
        )
    if any(each.look is None for each in asked):
        raise ModelError("the network reads whole payloads, which an evidence file never holds")
    again: list[Verdict] = []
    if asked and identifier is not None:
        rows = np.stack([each.look.features for each in asked if each.look])
        by_headers = np.array([each.look.by_headers for each in asked if each.look], np.bool_)
        with np.errstate(all="ignore"):  # of numbers that no flow has
            answers = identifier.identify_rows(rows, by_headers)
        judged = [each.verdict for each in asked]
        again = made_again(judged, answers, Names.of(identifier), shipped_names())
    fresh = iter(again)
    for each in kept.judged:
        verdict = next(fresh) if each.verdict.best_application is not None else None
        found.append(Checked(each.verdict, verdict, _differences(each.verdict, verdict)))
    return found


def _differences(verdict: Verdict, again: Verdict | None) -> tuple[str, ...]:
    if again is None:
        return ()
    names = (each.name for each in fields(Verdict))
    return tuple(name for name in names if getattr(verdict, name) != getattr(again, name))


_BY_HEADERS_ALONE = ("start", "header", "type", "extension", "timestamps", "sizes", "arrival")
"""Groups of features to which no byte of a payload contributes (core/identify/feature_list.py)."""


class HeaderCheck(NamedTuple):
    """Whether the packets of an evidence file give the features that it says a final verdict was based on."""

    flow: FlowKey
    comparable: (
        bool  # False: the verdict left out packets that were too long for it, and the file does not say which
    )
    differs: tuple[str, ...]  # groups of features


def check_headers(capture: bytes, kept: KeptCall, identifier: "OnnxIdentifier") -> list[HeaderCheck]:
    """Compute the features of every final verdict again from the headers in the file.

    Raises StoreError when the packets cannot be read.
    """
    fresh = LookKeeper(identifier.feature_rows, identifier.minimum_k)
    pipeline = IdentificationPipeline(None)
    pipeline.on_looks = fresh.take_looks
    run = CaptureRun(pipeline, None, on_verdict=fresh.take_verdict)
    too_long: set[tuple[Endpoint, Endpoint]] = set()

    def note_long(_data: np.ndarray, packets: np.ndarray, _records: np.ndarray) -> None:
        whole = packets["length"].astype(np.int64) + packets["missing"]
        long = packets[(packets["kind"] == PacketKind.RTP_CUT) & (whole > MAXIMUM_PAYLOAD)]
        names = ("src_hi", "src_lo", "src_port", "dst_hi", "dst_lo", "dst_port")
        for *source, source_port, hi, lo, port in np.unique(long[list(names)]).tolist():
            too_long.add(((address_text(*source), source_port), (address_text(hi, lo), port)))

    run.on_packets = note_long
    _read(run, capture)
    return [_header_check(each, fresh, too_long) for each in kept.judged if each.look and each.verdict.final]


def _header_check(
    each: JudgedLook, fresh: LookKeeper, too_long: set[tuple[Endpoint, Endpoint]]
) -> HeaderCheck:
    verdict, look = each
    flow = verdict.flow
    again = next((one.look for one in fresh.of(flow) if one.verdict.final and one.look), None)
    way = (flow.src_ip, flow.src_port), (flow.dst_ip, flow.dst_port)
    if look is None or (way in too_long and not look.by_headers):
        return HeaderCheck(flow, False, ())
    if again is None:
        return HeaderCheck(flow, True, _BY_HEADERS_ALONE)
    columns = {group: group_columns(group) for group in _BY_HEADERS_ALONE}
    differs = (
        group
        for group, of_group in columns.items()
        if not np.array_equal(again.features[of_group], look.features[of_group])
    )
    return HeaderCheck(flow, True, tuple(differs))


def _read(run: CaptureRun, capture: bytes) -> None:
    with ExitStack() as stack:
        try:
            for _ in run.process_all(open_captures([in_memory(capture, stack)])):
                pass
        except CaptureError as error:
            raise StoreError(f"the packets of the call cannot be read: {error}") from error
        run.finish()
