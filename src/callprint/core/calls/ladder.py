"""What a single call consists of, for people to look at: its messages, as call assembly gave them to it, and its media.

A keeper listens to call assembly (`CallAssembler.on_message`): which message belongs to which call is decided there.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from callprint.core.call import CallRecord, CallState, EndedBy
from callprint.core.calls.attempt import Attempt
from callprint.core.calls.events import CallKey
from callprint.core.flow.payload_types import CODEC_NAMES
from callprint.core.ground.addresses import Endpoint
from callprint.core.signalling.body import sdp_of
from callprint.core.signalling.defects import SipError
from callprint.core.signalling.reader import RawMessage
from callprint.core.signalling.sdp import parse_sdp
from callprint.core.signalling.sip import SipMessage
from callprint.core.verdict import FlowKey, FlowReport, Verdict

MOST_MESSAGES = 1_000
"""Kept of one call: re-INVITEs and retransmissions may go on for ever."""

MOST_FLOWS = 100_000
"""Kept until the calls are known that they belong to; of more the first ones go."""

PHRASES = {
    **{100: "Trying", 180: "Ringing", 181: "Call Is Being Forwarded", 182: "Queued", 183: "Session Progress"},
    **{
        200: "OK",
        202: "Accepted",
        300: "Multiple Choices",
        301: "Moved Permanently",
        302: "Moved Temporarily",
    },
    **{
        400: "Bad Request",
        401: "Unauthorized",
        403: "Forbidden",
        404: "Not Found",
        405: "Method Not Allowed",
    },
    **{
        407: "Proxy Authentication Required",
        408: "Request Timeout",
        410: "Gone",
        415: "Unsupported Media Type",
    },
    **{480: "Temporarily Unavailable", 481: "Call/Transaction Does Not Exist", 484: "Address Incomplete"},
    **{486: "Busy Here", 487: "Request Terminated", 488: "Not Acceptable Here", 491: "Request Pending"},
    **{500: "Server Internal Error", 501: "Not Implemented", 502: "Bad Gateway", 503: "Service Unavailable"},
    **{504: "Server Time-out", 600: "Busy Everywhere", 603: "Decline", 604: "Does Not Exist Anywhere"},
}
"""Reason phrases (RFC 3261 21): those of messages are texts of strangers."""


class LadderMessage(NamedTuple):
    """One SIP message of a call."""

    time_ns: int
    source: Endpoint
    target: Endpoint
    text: str  # "INVITE", "180 Ringing" ...
    codecs: tuple[str, ...]  # that its SDP names, in their order; none without SDP
    again: bool  # the same message came before: a retransmission, or the next hop's


@dataclass(slots=True)
class Ladder:
    """A call with all that was seen of it, in the order of packet time."""

    record: CallRecord  # of its end, if it has ended
    messages: list[LadderMessage] = field(default_factory=list)
    left_out: int = 0  # messages beyond MOST_MESSAGES
    flows: list[FlowReport] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)  # those that a network gave, on its flows


class LadderKeeper:
    """Keeps what belongs to the calls that are `wanted` by their Call-ID; at most `maximum` of them, the first ones."""

    def __init__(self, wanted: Callable[[str], bool], maximum: int) -> None:
        """`wanted`: tells by a Call-ID."""
        self._wanted = wanted
        self._maximum = maximum
        self._messages: dict[CallKey, list[LadderMessage]] = {}
        self._seen: dict[CallKey, set[bytes]] = {}
        self._left_out: dict[CallKey, int] = {}
        self._records: dict[CallKey, CallRecord] = {}
        self._flows: dict[FlowKey, FlowReport] = {}
        self._verdicts: dict[FlowKey, list[Verdict]] = {}

    def take_message(self, call: Attempt, raw: RawMessage, message: SipMessage) -> None:
        """Take a message that call assembly has given to a call."""
        key = call.call_id, call.from_tag, call.started_ns
        kept = self._messages.get(key)
        if kept is None:
            if not self._wanted(call.call_id) or len(self._messages) >= self._maximum:
                return
            kept = self._messages[key] = []
            self._seen[key] = set()
        if len(kept) >= MOST_MESSAGES:
            self._left_out[key] = self._left_out.get(key, 0) + 1
            return
        source = raw.source_ip, raw.source_port
        again = raw.payload in self._seen[key]
        self._seen[key].add(raw.payload)
        kept.append(LadderMessage(raw.time_ns, source, raw.target, _words(message), _codecs(message), again))

    def take_record(self, record: CallRecord) -> None:
        """Take a row of a call; the last one counts."""
        key = record.call_id, record.from_tag, record.started_ns
        if key in self._messages or key in self._records:
            self._records[key] = record
        elif self._wanted(record.call_id) and len(self._records) < self._maximum:
            self._records[key] = record  # a call without signalling

    def take_flow(self, report: FlowReport) -> None:
        """Take a flow: whose it is, is known when its call has ended."""
        self._flows[report.verdict.flow] = report
        if len(self._flows) > MOST_FLOWS:
            del self._flows[next(iter(self._flows))]

    def take_verdict(self, verdict: Verdict) -> None:
        """Take a verdict when it is given."""
        self._verdicts.setdefault(verdict.flow, []).append(verdict)
        if len(self._verdicts) > MOST_FLOWS:
            del self._verdicts[next(iter(self._verdicts))]

    def ladders(self) -> list[Ladder]:
        """Return the calls, in the order of their beginnings."""
        found = []
        for key, record in sorted(self._records.items(), key=lambda item: (item[1].started_ns, item[0])):
            keys = (*record.caller_flows, *record.callee_flows)
            flows = [self._flows[flow] for flow in keys if flow in self._flows]
            flows.sort(key=lambda report: report.verdict.flow.first_seen_ns)
            verdicts = [verdict for flow in keys for verdict in self._verdicts.get(flow, [])]
            ladder = Ladder(record, self._messages.get(key, []), self._left_out.get(key, 0), flows, verdicts)
            found.append(ladder)
        return found


def ladder_of_row(
    record: CallRecord, flows: list[FlowReport], verdicts: list[Verdict] | None = None
) -> Ladder:
    """Return what the times of a row tell of a call whose messages were not kept: one line for each of its steps.

    Its parties stand at the hosts that send its media, or under the words "caller" and "callee".
    """
    caller = record.caller_flows[0].src_ip if record.caller_flows else record.signalling_ip or "caller"
    other = record.caller_flows[0].dst_ip if record.caller_flows else "callee"
    callee = record.callee_flows[0].src_ip if record.callee_flows else other
    codec = (record.caller_codec,) if record.caller_codec else ()
    steps: list[tuple[int | None, bool, str, tuple[str, ...]]] = [
        (record.started_ns, True, "INVITE", codec),
        (record.ringing_ns, False, _with_phrase(180), ()),
        (record.answered_ns, False, _with_phrase(200), (record.callee_codec,) if record.callee_codec else ()),
    ]
    if record.ended_by is EndedBy.MEDIA:
        steps = []  # there was no signalling
    elif record.state is CallState.FAILED and record.final_status is not None:
        steps.append((record.ended_ns, False, _with_phrase(record.final_status), ()))
    elif record.ended_by in (EndedBy.CALLER, EndedBy.CALLEE):
        by_caller = record.ended_by is EndedBy.CALLER
        steps.append(
            (record.ended_ns, by_caller, "CANCEL" if record.state is CallState.CANCELLED else "BYE", ())
        )
    messages = []
    for time_ns, from_caller, text, codecs in steps:
        way = ((caller, 0), (callee, 0)) if from_caller else ((callee, 0), (caller, 0))
        if time_ns is not None:
            messages.append(LadderMessage(time_ns, *way, text, codecs, False))
    flows = sorted(flows, key=lambda report: report.verdict.flow.first_seen_ns)
    return Ladder(record, messages, flows=flows, verdicts=verdicts or [])


def participants(ladder: Ladder) -> list[Endpoint]:
    """Return who takes part, in the order in which they appear: endpoints of signalling, then media's other hosts.

    The host of a media flow that also speaks SIP is not named again.
    """
    found: dict[Endpoint, None] = {}
    for message in ladder.messages:
        found[message.source] = None
        found[message.target] = None
    hosts = {host for host, _ in found}
    for host in media_hosts(ladder.flows):
        if host not in hosts:
            found[host, 0] = None
    return list(found)


def media_hosts(flows: Iterable[FlowReport]) -> list[str]:
    """Return the hosts that send or receive media, in order."""
    keys = [report.verdict.flow for report in flows]
    return list(dict.fromkeys(host for key in keys for host in (key.src_ip, key.dst_ip)))


def _words(message: SipMessage) -> str:
    if message.is_request:
        return message.method
    text = _with_phrase(message.status)
    return text if message.method == "INVITE" else f"{text} ({message.method})"


def _codecs(message: SipMessage) -> tuple[str, ...]:
    try:
        body = sdp_of(message)
        session = parse_sdp(body) if body else None
    except SipError:
        return ()
    if session is None:
        return ()
    used = [medium for medium in session.media if not medium.refused]
    names: dict[str, None] = {}
    for medium in used:
        named = {rtpmap.payload_type: rtpmap.name for rtpmap in medium.codecs}
        for number in filter(str.isdecimal, medium.formats):
            names[named.get(int(number)) or CODEC_NAMES.get(int(number), number)] = None
    return tuple(names)


def _with_phrase(status: int) -> str:
    return f"{status} {PHRASES[status]}" if status in PHRASES else str(status)
