"""The bounded table of calls: found by Call-ID and tag, due at their deadlines.

When it is full, the call goes whose loss does the least harm: first one that has ended and only waits for its media
(it is judged at once), then the unanswered call that was silent longest, then the answered one. So a flood of INVITEs
cannot push out answered calls while one of its own is left.
"""

import heapq
from collections import OrderedDict
from enum import IntEnum

from callprint.core.calls.attempt import Attempt
from callprint.core.calls.challenge import answers_challenge, is_challenged
from callprint.core.calls.party import Side
from callprint.core.calls.settings import NEVER_NS, CallSettings
from callprint.core.signalling.identity import IdentityReader
from callprint.core.signalling.sip import SipMessage

_Key = tuple[str, str]


class _Rank(IntEnum):
    """Order of eviction."""

    ENDED = 0
    UNANSWERED = 1
    ANSWERED = 2


def memory_of(call: Attempt) -> int:
    """Return roughly how many bytes a call takes, with its places in the table and in LiveMedia.

    The factors were measured (tracemalloc, CPython 3.11).
    """
    branches = call.branches
    size = (
        2_600
        + 150 * (len(branches.pending) + len(branches.over) + len(call.dialogs))
        + 600 * len(call.later_tags)
        + len(call.call_id)
        + len(call.from_tag)
        + len(call.addressed)
        + len(call.dialled)
        + len(call.claimed_caller or "")
        + len(call.diverted_by or "")
    )
    for branch in branches.pending.values():
        size += 160 * len(branch.above)
    for tags in (call.dialogs, call.past_tags, call.later_tags):
        if tags:  # as long as their senders like
            size += sum(map(len, tags))
    for party in (call.caller, call.callee):  # in one function: it is asked after every message
        size += 750 * len(party.endpoints) + 140 * len(party.codecs) + len(party.identity.text)
        if party.ssrcs or party.flows or party.of_ports:
            size += 750 * len(party.ssrcs) + 1_500 * len(party.flows) + 300 * len(party.of_ports)
        if party.user_agent is not None:
            size += len(party.user_agent)
        if party.claim is not None:
            size += 450
    return size


class CallTable:
    """All calls in progress, at most `settings.maximum_calls` in some `settings.maximum_call_bytes`."""

    def __init__(self, settings: CallSettings) -> None:
        self._settings = settings
        self._calls: dict[_Key, Attempt] = {}
        self._by_later_tag: dict[_Key, Attempt] = {}
        self._challenged: dict[str, _Key] = {}  # by Call-ID; those that are not any more are passed over
        self._ranks: tuple[OrderedDict[_Key, None], ...] = (OrderedDict(), OrderedDict(), OrderedDict())
        self._rank_of: dict[_Key, _Rank] = {}
        self._next_ns: dict[_Key, int] = {}  # the one entry of `_deadlines` that counts for a call
        self._bytes_of: dict[_Key, int] = {}
        self._bytes = 0  # the sum of these
        self._deadlines: list[tuple[int, _Key]] = []  # a heap; superseded entries are skipped

    def __len__(self) -> int:
        return len(self._calls)

    def find(self, message: SipMessage) -> tuple[Attempt, Side] | None:
        """Return the call of a message and which party SENT it; None when there is none."""
        call = self._of_tag(message.call_id, message.from_.tag)
        requester = Side.CALLER
        # A caller of RFC 2543 has no tag, and its callee names none when it hangs up (RFC 3261 12.2.1.1).
        if call is None and (message.to.tag or message.method == "BYE"):
            call = self._of_tag(message.call_id, message.to.tag)
            requester = Side.CALLEE
        if call is None:
            return None
        return call, requester if message.is_request else requester.other

    def _of_tag(self, call_id: str, tag: str) -> Attempt | None:
        call = self._calls.get((call_id, tag))
        if call is None and self._by_later_tag:
            return self._by_later_tag.get((call_id, tag))
        return call

    def challenged(self, message: SipMessage, identities: IdentityReader) -> tuple[Attempt, Side] | None:
        """Return the call that an INVITE goes on with under another From tag, by which it is found from now on."""
        key = self._challenged.get(message.call_id) if message.is_first_invite else None
        call = self._calls.get(key) if key is not None else None
        if call is None or not answers_challenge(call, message, identities):
            return None
        call.later_tags[message.from_.tag] = None
        self._by_later_tag[call.call_id, message.from_.tag] = call
        return call, Side.CALLER

    def full(self) -> bool:
        """True when `victim` must leave before the next call is added."""
        return len(self._calls) >= self._settings.maximum_calls

    def too_large(self) -> bool:
        """True when `victim` must leave because calls take too much memory."""
        return self._bytes > self._settings.maximum_call_bytes and len(self._calls) > 1

    def victim(self) -> Attempt:
        """Return the call whose loss does the least harm. The table must not be empty."""
        for waiting in self._ranks:
            if waiting:
                return self._calls[next(iter(waiting))]
        raise LookupError("the call table is empty")

    def add(self, call: Attempt) -> None:
        """Take a new call in."""
        key = (call.call_id, call.from_tag)
        self._calls[key] = call
        for tag in call.later_tags:
            self._by_later_tag[call.call_id, tag] = call
        self.touched(call)

    def touched(self, call: Attempt) -> None:
        """Note that a message has changed the call: its rank may be another, its deadline nearer."""
        key = (call.call_id, call.from_tag)
        alive = _Rank.UNANSWERED if call.answered_ns is None else _Rank.ANSWERED
        rank = _Rank.ENDED if call.ended else alive
        before = self._rank_of.get(key)
        if before is rank:
            self._ranks[rank].move_to_end(key)
        else:
            if before is not None:
                del self._ranks[before][key]
            self._rank_of[key] = rank
            self._ranks[rank][key] = None  # at the end
        self.measure(call)
        if is_challenged(call):
            self._challenged[call.call_id] = key
        # A deadline that moves away is noticed when it is due; one that comes nearer must be noted now.
        deadline_ns = call.deadline_ns(self._settings)
        known_ns = self._next_ns.get(key)
        if known_ns is None or deadline_ns < known_ns:
            self._set_deadline(key, deadline_ns)

    def measure(self, call: Attempt) -> None:
        """Note how much memory a call of the table takes now."""
        key = (call.call_id, call.from_tag)
        size = memory_of(call)
        before = self._bytes_of.get(key, 0)
        if size != before:
            self._bytes += size - before
            self._bytes_of[key] = size

    def remove(self, call: Attempt) -> None:
        """Let a call go."""
        key = (call.call_id, call.from_tag)
        self._bytes -= self._bytes_of.pop(key)
        del self._calls[key]
        for tag in call.later_tags:
            self._by_later_tag.pop((call.call_id, tag), None)
        if self._challenged.get(call.call_id) == key:
            del self._challenged[call.call_id]
        del self._ranks[self._rank_of.pop(key)][key]
        del self._next_ns[key]

    def next_deadline_ns(self, now_ns: int) -> int:
        """Return when the next call is due, if it is by now; else no later than that, and NEVER_NS when none waits."""
        while self._deadlines:
            deadline_ns, key = self._deadlines[0]
            if self._next_ns.get(key) == deadline_ns:
                if deadline_ns > now_ns:
                    return deadline_ns
                real_ns = self._calls[key].deadline_ns(self._settings)
                if real_ns == deadline_ns:
                    return deadline_ns
                heapq.heappop(self._deadlines)
                self._set_deadline(key, real_ns)
            else:
                heapq.heappop(self._deadlines)
        return NEVER_NS

    def due(self) -> Attempt:
        """Return the call of `next_deadline_ns`, which must have come; it stays in the table."""
        return self._calls[self._deadlines[0][1]]

    def open_calls_due(self, before_ns: int) -> list[Attempt]:
        """Return the calls that would time out before then."""
        soon = (self._calls[key] for key, at_ns in self._next_ns.items() if at_ns < before_ns)
        return [call for call in soon if not call.ended and call.deadline_ns(self._settings) < before_ns]

    def by_rank(self) -> list[Attempt]:
        """Return every call in the order of eviction; added again in that order they make the same table."""
        return [self._calls[key] for rank in self._ranks for key in rank]

    def all_calls(self) -> list[Attempt]:
        """Return every call, the earliest first."""
        return sorted(self._calls.values(), key=lambda c: (c.started_ns, c.call_id, c.from_tag))

    def _set_deadline(self, key: _Key, deadline_ns: int) -> None:
        self._next_ns[key] = deadline_ns
        if len(self._deadlines) > 4 * self._settings.maximum_calls:  # a flood leaves superseded entries
            self._deadlines = [(at_ns, other) for other, at_ns in self._next_ns.items()]
            heapq.heapify(self._deadlines)
        else:
            heapq.heappush(self._deadlines, (deadline_ns, key))
