"""The branches of a call attempt: its INVITE transactions, hop by hop (RFC 3261 8.1.1.7, 16.6, 17).

A branch is named by CSeq and the branch of the top Via. The Vias below it name the hops between it and the caller,
so of two branches it is known whether one lies *above* the other (nearer to the caller) or beside it, whatever part of
the way was captured. What one hop does is not what the others do: a proxy may cancel a branch and try the next one
while the caller goes on waiting (RFC 3261 9.1, 16.7), but a hop that is over leaves nothing below it.
"""

from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b
from typing import Any

from callprint.core.signalling.sip import SipMessage
from callprint.core.signalling.text import MAXIMUM_VALUES, identifier, unquote

MAXIMUM_PENDING = 16
"""Most branches of an attempt that are pending at the same time."""
MAXIMUM_REMEMBERED = 32
"""Most branches that are remembered after their end, so that a retransmission is told from something new."""
MAXIMUM_HOPS = 8
"""Most hops above a branch that are kept, those that are nearest to it."""
MAXIMUM_NAME = 64
"""Longest branch that is kept as it is, characters; longer ones by their digest."""

_MAXIMUM_REMEMBERED = 256
"""Longest Via, characters, whose branch is remembered: the messages of a transaction have the same."""

_MAGIC_COOKIE = "z9hG4bK"

BranchKey = tuple[int, str]
"""CSeq, and the branch of the top Via: it names the transaction on one hop."""


@dataclass(slots=True)
class Branch:
    """An INVITE transaction on one hop without a final response."""

    above: tuple[str, ...]  # the hops nearer to the caller, by their branches
    ringing_ns: int | None = None  # first 180-199
    cancel_ns: int | None = None  # CANCEL of this very hop
    cancelled_below: bool = False  # a hop further on was cancelled while this one was not


@dataclass(slots=True)
class Branches:
    """The branches of one attempt, in the order in which they were seen."""

    pending: dict[BranchKey, Branch] = field(default_factory=dict)
    over: dict[BranchKey, None] = field(default_factory=dict)  # refused or replaced, the newest last

    def __len__(self) -> int:
        """Return how many are kept."""
        return len(self.pending) + len(self.over)

    def knows(self, key: BranchKey) -> bool:
        """True for a branch that is pending or over."""
        return key in self.pending or key in self.over

    def begin(self, key: BranchKey, above: tuple[str, ...]) -> bool:
        """Note an INVITE; False for a retransmission.

        A higher CSeq replaces the caller's earlier INVITEs, though not the hops above it: a proxy that meets a
        challenge itself may raise CSeq on its far side only.
        """
        if self.knows(key) or len(self.pending) >= MAXIMUM_PENDING:
            return False
        for other in list(self.pending):
            if other[0] < key[0] and other[1] not in above:
                self._forget(other)
        self.pending[key] = Branch(above)
        return True

    def end(self, key: BranchKey) -> None:
        """End a branch, if it is pending, and what lies below it."""
        if key in self.pending:
            self._forget(key)
            for other in [other for other, below in self.pending.items() if key[1] in below.above]:
                self._forget(other)

    def cancel(self, key: BranchKey, time_ns: int) -> None:
        """Note a CANCEL. It names its branch, but for clients of RFC 2543: they mean the only one that is pending."""
        of_rfc_2543 = not self.knows(key) and not key[1].startswith(_MAGIC_COOKIE)
        branch = self.only() if of_rfc_2543 else self.pending.get(key)
        if branch is None or branch.cancel_ns is not None:
            return
        branch.cancel_ns = time_ns
        for other in self._above(branch):
            other.cancelled_below = True

    def cancelled_ns(self, branch: Branch) -> int | None:
        """Return when a branch was cancelled: by the hop that is nearest to the caller, else by itself."""
        times_ns = [one.cancel_ns for one in (*self._above(branch), branch) if one.cancel_ns is not None]
        return min(times_ns, default=None)

    def only(self) -> Branch | None:
        """Return the one branch that is pending; None when there are several, or none."""
        return next(iter(self.pending.values())) if len(self.pending) == 1 else None

    def lies_beyond(self, above: tuple[str, ...]) -> bool:
        """True when a hop with these hops above it lies beyond a branch that is pending."""
        return any(name in above for _, name in self.pending)

    def alive(self) -> bool:
        """True while a branch is pending that nobody has cancelled."""
        for branch in self.pending.values():
            if branch.cancel_ns is None and (not branch.above or self.cancelled_ns(branch) is None):
                return True
        return False

    def given_up_ns(self) -> int | None:
        """Return when the last branch was cancelled; None while one is alive, and when none is pending."""
        if not self.pending or self.alive():
            return None
        nearest = [branch for branch in self.pending.values() if not self._above(branch)]
        return max((self.cancelled_ns(branch) or 0 for branch in nearest), default=None)

    def ringing_ns(self, key: BranchKey | None) -> int | None:
        """Return when a branch first rang, else a hop of its way; of all that are alive when it is not known."""
        if key is not None and key in self.pending:
            branch = self.pending[key]
            if branch.ringing_ns is not None:
                return branch.ringing_ns
            way = self._above(branch) + [one for one in self.pending.values() if key[1] in one.above]
        else:
            way = [one for one in self.pending.values() if self.cancelled_ns(one) is None]
        return min((one.ringing_ns for one in way if one.ringing_ns is not None), default=None)

    def plain(self) -> dict[str, Any]:
        """Return the branches as plain values, for `branches_in`."""
        return {
            "pending": [
                {
                    "cseq": cseq,
                    "branch": name,
                    "above": list(branch.above),
                    "ringing_ns": branch.ringing_ns,
                    "cancel_ns": branch.cancel_ns,
                    "cancelled_below": branch.cancelled_below,
                }
                for (cseq, name), branch in self.pending.items()
            ],
            "over": [{"cseq": cseq, "branch": name} for cseq, name in self.over],
        }

    def _above(self, branch: Branch) -> list[Branch]:
        above = branch.above
        return [one for (_, name), one in self.pending.items() if name in above] if above else []

    def _forget(self, key: BranchKey) -> None:
        del self.pending[key]
        self.over[key] = None
        if len(self.over) > MAXIMUM_REMEMBERED:
            del self.over[next(iter(self.over))]


def branches_in(values: dict[str, Any]) -> Branches:
    """Return the branches of `Branches.plain`. Raises KeyError, TypeError, ValueError or AttributeError."""
    return Branches(
        {
            _key(one): Branch(
                tuple(map(str, one["above"])),
                _time(one.get("ringing_ns")),
                _time(one.get("cancel_ns")),
                bool(one.get("cancelled_below", False)),
            )
            for one in values["pending"]
        },
        {_key(one): None for one in values["over"]},
    )


def branch_key(message: SipMessage) -> BranchKey:
    """Return the name of a message's transaction; its branch is "" where the top Via has none."""
    via = message.header("via")
    return message.cseq, _branch_of(via.partition(",")[0]) if via is not None else ""


def hops_above(message: SipMessage) -> tuple[str, ...]:
    """Return the branches of the Vias below the top one; at most MAXIMUM_HOPS."""
    vias = [via for name, value in message.headers if name == "via" for via in value.split(",")]
    return tuple(filter(None, map(_branch_of, vias[1 : MAXIMUM_HOPS + 1])))


def _branch_of(via: str) -> str:
    return _remembered(via) if len(via) <= _MAXIMUM_REMEMBERED else _read(via)


def _read(via: str) -> str:
    for parameter in via.split(";", MAXIMUM_VALUES)[1:]:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "branch":
            branch = identifier(unquote(value))
            if len(branch) <= MAXIMUM_NAME:
                return branch
            return _MAGIC_COOKIE + blake2b(branch.encode(), digest_size=16).hexdigest()
    return ""


_remembered = lru_cache(maxsize=4096)(_read)


def _key(values: dict[str, Any]) -> BranchKey:
    return int(values["cseq"]), str(values["branch"])


def _time(value: Any) -> int | None:
    return None if value is None else int(value)
