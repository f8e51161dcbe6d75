"""Call assembly: SIP messages and ended flows in, calls that begin, close and settle out, not yet judged.

For each batch of packets, feed it the flow reports of that batch first (`add_flows`), then the packets
(`process`); at the end call `finish`. Only packet time counts: a message is handled when its packet comes, a flow
settles and a call is judged a fixed time after its last packet. So the calls are the same whatever the size of the
batches.

Calls need no knowledge of each other here, so assembly could be spread by Call-ID over many workers, while
histories and detectors (spam/judging.py) see the events of all.
"""

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import chain

from callprint.core.call import EndedBy, Phase
from callprint.core.calls.assembly_snapshot import (
    VERSION,
    ReportTable,
    call_in,
    call_out,
    group_in,
    group_out,
    reports_in,
    upgraded,
)
from callprint.core.calls.attempt import Attempt
from callprint.core.calls.call_rows import cells_of
from callprint.core.calls.callee import ask_for
from callprint.core.calls.ended_flow import EndedFlow, ended_flows
from callprint.core.calls.events import CallEvent, CallStep, MessageOutcome, nobody_listens
from callprint.core.calls.facts import facts_of, facts_with_media
from callprint.core.calls.first_invite import begun
from callprint.core.calls.media import LiveMedia
from callprint.core.calls.media_only import MediaGroup, MediaGroups, MediaOnlyCall
from callprint.core.calls.party import Side
from callprint.core.calls.relays import relay_between
from callprint.core.calls.said import Parties, SaidOfFlows
from callprint.core.calls.settings import NEVER_NS, RUNNING_EVERY_NS, CallSettings
from callprint.core.calls.table import CallTable
from callprint.core.declared.table import NO_NAMES, NameTable
from callprint.core.ground.arrays import Array
from callprint.core.ground.errors import DecodeError
from callprint.core.ground.snapshot import Snapshot
from callprint.core.signalling.body import sdp_of
from callprint.core.signalling.defects import SipDefect, SipError
from callprint.core.signalling.identity import IdentityReader
from callprint.core.signalling.reader import RawMessage, SignallingReader
from callprint.core.signalling.sdp import SessionDescription, parse_sdp
from callprint.core.signalling.sip import SipMessage, parse_message
from callprint.core.verdict import FlowKey, FlowReport, RunningFlow
from callprint.core.verdicts.rows import RUNNING_FLOWS

_IN_DIALOG = frozenset({"ACK", "BYE", "CANCEL", "PRACK", "UPDATE", "INFO", "REFER", "INVITE"})


class CallAssembler:
    """Assembles calls from packets, in bounded memory."""

    def __init__(
        self,
        settings: CallSettings | None = None,
        identities: IdentityReader | None = None,
        names: NameTable = NO_NAMES,
    ) -> None:
        """Start with nothing known. `names`: of what messages declare about the programs that sent them."""
        self._settings = settings or CallSettings()
        self._identities = identities or IdentityReader()
        self._table = CallTable(self._settings)
        self._live = LiveMedia()
        self._alone = MediaGroups(self._settings.maximum_flows)
        self._flows: list[tuple[int, FlowKey, int, EndedFlow]] = []  # a heap by settling time
        self._flow_count = 0
        self._running: list[tuple[int, RunningFlow]] = []  # a heap by the mark at which each counts
        self._events: list[CallEvent | MediaOnlyCall] = []
        self._now_ns = -NEVER_NS
        self.said = SaidOfFlows(names, self._settings.flow_settles_after_ns)
        self.on_message: Callable[[Attempt, RawMessage, SipMessage], None] = nobody_listens
        """Called with each message of a call when the call has taken it; for people who look at single calls."""
        self.reader = SignallingReader(self._settings.maximum_streams)
        self.outcomes: Counter[MessageOutcome] = Counter()
        self.defects: Counter[SipDefect] = Counter()  # of messages
        self.body_defects: Counter[SipDefect] = Counter()  # of parts of messages that count otherwise
        self.evicted_calls = 0
        self.flows_settled_early = 0

    @property
    def calls_in_progress(self) -> int:
        """Calls in the table, the ended ones that wait for their media included."""
        return len(self._table)

    @property
    def messages(self) -> int:
        """SIP messages seen: the sum of `outcomes` and `defects`."""
        return sum(self.outcomes.values()) + sum(self.defects.values())

    def with_announced(self, flows: Iterable[FlowReport | EndedFlow]) -> list[EndedFlow]:
        """Return flows that have just ended with what signalling says about them by now, for people to read.

        What is stored is what `said` keeps: it does not depend on how soon the end of a flow was noticed.
        """
        return [self.said.so_far(flow, self._parties(flow)) for flow in ended_flows(flows)]

    def add_flows(self, flows: Iterable[FlowReport | EndedFlow]) -> list[CallEvent | MediaOnlyCall]:
        """Take flows that have ended, before the packets of the batch in which their end was noticed.

        This gives events only when there is no room to wait for the right time.
        """
        for flow in ended_flows(flows):
            settles_ns = flow.last_seen_ns + self._settings.flow_settles_after_ns
            self._flow_count += 1
            heapq.heappush(self._flows, (settles_ns, flow.key, self._flow_count, flow))
        while len(self._flows) > self._settings.maximum_flows:
            self._settle_next()
            self.flows_settled_early += 1
        return self._taken()

    def calls_soon_silent(self, mark_ns: int) -> list[Attempt]:
        """Return the calls that may time out before what is learned at the next mark could prevent it."""
        return self._table.open_calls_due(
            mark_ns + 2 * RUNNING_EVERY_NS + self._settings.flow_settles_after_ns
        )

    def add_running(self, flows: Iterable[RunningFlow]) -> None:
        """Take flows that go on, as seen at a mark; they count when packet time has passed it (ADR 0011)."""
        for running in flows:
            mark_ns = -(-running.last_seen_ns // RUNNING_EVERY_NS) * RUNNING_EVERY_NS
            heapq.heappush(self._running, (mark_ns, running))
        while len(self._running) > self._settings.maximum_flows:
            self._live.note_running(heapq.heappop(self._running)[1])

    def process(
        self, data: Array, packets: Array, records: Array | None = None, capture: str | None = None
    ) -> list[CallEvent | MediaOnlyCall]:
        """Take a batch; return the events that it brings about.

        data: (bytes,) uint8, packets: (n,) PACKET in the order of capture; kinds other than signalling only
        move time on. With `records`, the (n,) RECORD of the packets, fragmented messages are read, too.
        `capture`: the name of the file or interface that the batch is from.
        """
        for message in self.reader.read(data, packets, records, capture):
            self._take(message)
        if len(packets):
            self._advance(int(packets["time_ns"].max()))
        return self._taken()

    def message(self, message: RawMessage) -> list[CallEvent | MediaOnlyCall]:
        """Take one whole SIP message, for hosts that get messages instead of packets; return the events."""
        self._take(message)
        return self._taken()

    def advance(self, now_ns: int) -> list[CallEvent | MediaOnlyCall]:
        """Let packet time pass up to `now_ns` without a packet; return the events."""
        self._advance(now_ns)
        return self._taken()

    def finish(self) -> list[CallEvent | MediaOnlyCall]:
        """End everything: the capture is over. All calls that were still open close and settle."""
        for message in self.reader.close():
            self._take(message)
        self._running.clear()
        while self._flows:
            self._settle_next()
        calls = self._table.all_calls()
        for call in calls:
            if not call.ended:
                call.give_up(EndedBy.CAPTURE_END, self._now_ns)
                self._closed(call)
        for call in sorted(calls, key=lambda c: c.closed_ns):
            self._settled(call, self._now_ns)
        self._events += [MediaOnlyCall(group, self._now_ns) for group in self._alone.expire(NEVER_NS)]
        self._now_ns = -NEVER_NS  # another capture may follow, and be earlier
        return self._taken()

    def snapshot(self) -> Snapshot:
        """Return everything that a later event depends on. TCP streams of `reader` are not part of it."""
        reports = ReportTable()
        return Snapshot(
            {
                "version": VERSION,
                "now_ns": self._now_ns,
                "calls": [call_out(call, reports) for call in self._table.by_rank()],
                "flows": [
                    {"settles_ns": settles_ns, "number": count, "report": reports.add(flow.report)}
                    for settles_ns, _, count, flow in sorted(self._flows)
                ],
                "flow_count": self._flow_count,
                "running": RUNNING_FLOWS.plain(running for _, running in self._running),
                "alone": [group_out(group, reports) for group in self._alone.groups()],
                "reports": reports.plain(),  # of all that came before
                "outcomes": self.outcomes,
                "defects": self.defects,
                "body_defects": self.body_defects,
                "evicted_calls": self.evicted_calls,
                "flows_settled_early": self.flows_settled_early,
            }
        )

    def restore(self, state: Snapshot) -> None:
        """Go on from a snapshot; this must be fresh. Raises DecodeError when the state is damaged."""
        try:
            plain = upgraded(state.plain)
            reports = reports_in(plain["reports"])
            for values in plain["calls"]:
                call = call_in(values, reports)
                self._table.add(call)
                self._live.note(call)
            for values in plain["flows"]:
                flow = EndedFlow.of(reports[values["report"]])
                self._flows.append((int(values["settles_ns"]), flow.key, int(values["number"]), flow))
            self.add_running(RUNNING_FLOWS.read(plain.get("running", [])))
            for values in plain["alone"]:
                self._alone.put_back(group_in(values, reports))
            self._now_ns, self._flow_count = int(plain["now_ns"]), int(plain["flow_count"])
            self.outcomes = Counter({MessageOutcome(name): n for name, n in plain["outcomes"].items()})
            self.defects = Counter({SipDefect(name): n for name, n in plain["defects"].items()})
            self.body_defects = Counter({SipDefect(name): n for name, n in plain["body_defects"].items()})
            self.evicted_calls = int(plain["evicted_calls"])
            self.flows_settled_early = int(plain["flows_settled_early"])
        except (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise DecodeError(f"the state of call assembly is damaged: {error!r}") from error

    # -- messages

    def _take(self, raw: RawMessage) -> None:
        self._advance(raw.time_ns)
        try:
            message = parse_message(raw.payload)
            if message.forgiven:
                self.body_defects.update(message.forgiven)
            if message.from_.recovered or message.to.recovered:
                self.body_defects[SipDefect.DISPLAY_NAME] += 1
            found = self._table.find(message) or self._table.challenged(message, self._identities)
            if found is not None and found[0].is_followed_by(message, found[1]):
                self._settled(found[0], self._now_ns)
                found = None
            if found is not None:
                self._in_call(*found, message, raw)
                self.on_message(found[0], raw, message)
            elif message.is_first_invite:
                self._begin(message, raw)
            else:
                in_dialog = message.method in _IN_DIALOG
                self.outcomes[MessageOutcome.NO_CALL if in_dialog else MessageOutcome.OUTSIDE_CALLS] += 1
        except SipError as error:
            self.defects[error.defect] += 1
        while self._table.too_large():
            self._evict()

    def _begin(self, message: SipMessage, raw: RawMessage) -> None:
        session = self._session(message)
        if self._table.full():
            self._evict()
        call = begun(message, raw, session, self._identities)
        call.caller.note_claim(message, session, raw.source_ip, self.said.names)
        if session is not None:
            self._announced(call, session, Side.CALLER)
        self._table.add(call)
        self._live.note(call)
        cells = cells_of(call, Phase.SETUP, raw.time_ns)
        self._events.append(CallEvent(CallStep.BEGUN, raw.time_ns, facts_of(call), call.key, cells))
        self.outcomes[MessageOutcome.CALL_BEGUN] += 1
        self.on_message(call, raw, message)

    def _in_call(self, call: Attempt, sender: Side, message: SipMessage, raw: RawMessage) -> None:
        if call.asks_anew(message, sender):
            ask_for(call, message, self._identities)
        was_open = not call.ended
        take = call.on_request if message.is_request else call.on_response
        take(message, sender, raw.time_ns)
        session = self._session(message)
        call.party(sender).note_claim(message, session, raw.source_ip, self.said.names)
        if session is not None and was_open:
            self._announced(call, session, sender)
            self._live.note(call)
        if was_open:
            self._closed(call)
        self._table.touched(call)
        self.outcomes[MessageOutcome.IN_CALL] += 1

    def _session(self, message: SipMessage) -> SessionDescription | None:
        try:
            body = sdp_of(message)
            if not body:
                return None
            session = parse_sdp(body)
        except SipError as error:
            self.body_defects[error.defect] += 1
            return None
        if session.defects:
            self.body_defects.update(session.defects)
        return session

    def _announced(self, call: Attempt, session: SessionDescription, sender: Side) -> None:
        displaced = call.on_media(session, sender)
        if displaced:
            self.body_defects[SipDefect.SDP_ENDPOINTS] += displaced

    # -- time

    def _advance(self, now_ns: int) -> None:
        while True:
            flow_ns = self._flows[0][0] if self._flows else NEVER_NS
            call_ns = self._table.next_deadline_ns(now_ns)
            alone_ns = self._alone.next_ns()
            running_ns = self._running[0][0] if self._running else NEVER_NS
            due_ns = min(flow_ns, call_ns, alone_ns, running_ns)
            if due_ns > now_ns or due_ns == NEVER_NS:
                break
            self._now_ns = max(self._now_ns, due_ns)
            if due_ns == running_ns:
                self._live.note_running(heapq.heappop(self._running)[1])
            elif due_ns == flow_ns:
                self._settle_next()
            elif due_ns == call_ns:
                self._call_due(self._table.due(), due_ns)
            else:
                self._events += [MediaOnlyCall(group, due_ns) for group in self._alone.expire(due_ns)]
        self._now_ns = max(self._now_ns, now_ns)

    def _settle_next(self) -> None:
        """Join the flow that is due first; before its time only when there is no room, or nothing follows."""
        due_ns, _, _, flow = heapq.heappop(self._flows)
        settles_ns = min(due_ns, max(self._now_ns, flow.last_seen_ns))
        flow, has_call = self._join(flow)
        without_call = [flow]
        if has_call:
            # The call has learned the flow's addresses: the other direction may have waited for just that.
            joined = [self._join(other) for other in self._alone.take(flow)]
            without_call = [other for other, has_call in joined if not has_call]
        until_ns = settles_ns + self._settings.flow_settles_after_ns
        for alone in without_call:
            self._events += [MediaOnlyCall(group, settles_ns) for group in self._alone.add(alone, until_ns)]
            if not (self._live.wants_none_like(alone.key) and self._alone.is_single(alone.key.ssrc)):
                self._note_relay(alone.report, [self._alone.of(alone)])

    def _parties(self, flow: EndedFlow) -> Parties:
        return [] if self._live.wants_none_like(flow.key) else self._live.parties(flow.report)

    def _join(self, flow: EndedFlow) -> tuple[EndedFlow, bool]:
        """Join a flow with its calls; return it as they say it is, and whether there are any."""
        if self._live.wants_none_like(flow.key):
            return self.said.settle(flow, []), False
        flow = self.said.settle(flow, self._live.parties(flow.report))
        calls = self._live.join(flow.report)
        for call in calls:
            self._table.measure(call)
        if calls:
            self._note_relay(flow.report, calls)
        return flow, bool(calls)

    def _note_relay(self, report: FlowReport, owners: Sequence[Attempt | MediaGroup]) -> None:
        """Note which relay the packets of a flow passed, in its calls and in those that have it on the other side."""
        flow = report.verdict.flow
        sent: Iterable[tuple[FlowReport, Attempt | MediaGroup]] = chain(
            self._live.sent_by(flow), self._alone.sent_by(flow.ssrc)
        )
        relays = [(relay, owner) for other, owner in sent if (relay := relay_between(report, other))]
        for relay, owner in relays:
            owner.relayed_by = owner.relayed_by or relay
        for owner in owners if relays else ():
            owner.relayed_by = owner.relayed_by or min(relay for relay, _ in relays)

    def _call_due(self, call: Attempt, now_ns: int) -> None:
        if call.ended:
            self._settled(call, now_ns)
        else:
            call.time_out(now_ns)
            self._closed(call)
            self._table.touched(call)

    def _evict(self) -> None:
        call = self._table.victim()
        if not call.ended:
            call.give_up(EndedBy.EVICTED, self._now_ns)
            self._closed(call)
            self.evicted_calls += 1
        self._settled(call, self._now_ns)

    # -- ends

    def _closed(self, call: Attempt) -> None:
        """Report an outcome at the moment when it became known, in the order of packets, if there is a new one."""
        known = call.to_report()
        if known is not None:
            self._events.append(CallEvent(CallStep.CLOSED, known.closed_ns, facts_of(known), known.key))

    def _settled(self, call: Attempt, now_ns: int) -> None:
        call.weigh_media()
        cells = cells_of(call, Phase.END, now_ns)
        self._events.append(CallEvent(CallStep.SETTLED, now_ns, facts_with_media(call), call.key, cells))
        self._live.forget(call)
        self._table.remove(call)

    def _taken(self) -> list[CallEvent | MediaOnlyCall]:
        events, self._events = self._events, []
        return events
