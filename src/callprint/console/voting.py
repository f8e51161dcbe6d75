"""Votes from the console: the same way as `callprint feedback`, into the store or to the feedback topic, and undo."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from callprint.console.settings import ConsoleSettings
from callprint.core.call import (
    ANONYMOUS_CALLER,
    WATCH,
    WITHDRAWN,
    AllowEntry,
    CallRecord,
    Vote,
    voted_caller,
)
from callprint.core.ground.errors import ConfigError
from callprint.core.wire.votes import Disallow
from callprint.stores import VerdictStore

SAYS = {
    "spam": (True, None),
    "not_spam": (False, None),
    "watch": (False, WATCH),
    "withdraw": (False, WITHDRAWN),
}
"""What `Vote.spam` and `Vote.kind` are in a vote of each kind."""
KINDS = (*SAYS, "allow", "disallow")
MOST_AT_ONCE = 200


@dataclass(slots=True)
class Done:
    """What a user did last, so that it can be undone."""

    kind: str
    earlier: list[tuple[Vote, Vote | None]] = field(
        default_factory=list
    )  # each vote, and the one it replaced
    allowed: list[str] = field(default_factory=list)  # callers put on the allow-list
    disallowed: list[AllowEntry] = field(default_factory=list)
    refused: int = 0  # callers nobody can allow

    @property
    def number(self) -> int:
        """On how many callers it was."""
        return len(self.earlier) + len(self.allowed) + len(self.disallowed)


def vote(
    store: VerdictStore, settings: ConsoleSettings, calls: list[CallRecord], kind: str, user: str
) -> Done:
    """Vote on calls, one vote for each caller. Raises StoreError or ConfigError."""
    done = Done(kind)
    by_caller = {voted_caller(call): call for call in reversed(calls)}
    now_ns = time.time_ns()
    records: list[Any] = []
    if kind in SAYS:
        for caller, call in by_caller.items():
            earlier = next((each for each in standing(store, caller) if each.user == user), None)
            if kind == "withdraw" and earlier is None:
                continue
            records.append(Vote(call.call_id, call.from_tag, caller, user, now_ns, *SAYS[kind]))
            done.earlier.append((records[-1], earlier))
    elif kind == "allow":
        allowed = {entry.caller for entry in store.allowed()}
        for caller, call in by_caller.items():
            if call.caller in ("", ANONYMOUS_CALLER):
                done.refused += 1  # everybody who hides, not one caller
            elif caller not in allowed:
                records.append(AllowEntry(caller, user, now_ns))
                done.allowed.append(caller)
    else:
        entries = {entry.caller: entry for entry in store.allowed()}
        for caller in by_caller.keys() & entries.keys():
            records.append(Disallow(caller, user, now_ns))
            done.disallowed.append(entries[caller])
    send(store, settings, records)
    return done


def standing(store: VerdictStore, caller: str | None = None) -> Iterator[Vote]:
    """Give the votes that count and were not taken back."""
    return (vote for vote in store.votes(caller) if vote.kind != WITHDRAWN)


def undo(store: VerdictStore, settings: ConsoleSettings, done: Done, user: str) -> None:
    """Put back what was before. A vote that replaced none is taken back: votes are never deleted."""
    now_ns = time.time_ns()
    records: list[Any] = [
        replace(given, given_at_ns=now_ns, spam=False, kind=WITHDRAWN)
        if earlier is None
        else replace(earlier, given_at_ns=now_ns)
        for given, earlier in done.earlier
    ]
    records += [Disallow(caller, user, now_ns) for caller in done.allowed]
    records += [AllowEntry(entry.caller, entry.user, now_ns) for entry in done.disallowed]
    send(store, settings, records)


def send(store: VerdictStore, settings: ConsoleSettings, records: list[Any]) -> None:
    """Store votes, or send them where the topology reads them. Raises StoreError or ConfigError."""
    if settings.brokers:
        publish = _publisher(settings)
        for record in records:
            publish(record)
        return
    store.put_votes([record for record in records if isinstance(record, Vote)])
    store.put_allowed([record for record in records if isinstance(record, AllowEntry)])
    for record in records:
        if isinstance(record, Disallow):
            store.remove_allowed(record.caller)


def _publisher(settings: ConsoleSettings) -> Callable[[Any], None]:
    try:
        # The Kafka client is in the extra `cluster`, which a user of one store does not install.
        from callprint.messaging.feedback import publish  # noqa: PLC0415 - see above
        from callprint.messaging.settings import KafkaSettings  # noqa: PLC0415
    except ImportError as error:
        raise ConfigError(f"--brokers needs the Kafka client ({error}): extra `cluster`") from error
    kafka = KafkaSettings(settings.brokers, tls_ca=settings.kafka_tls_ca, sasl_user=settings.sasl_user)
    return lambda record: publish(kafka, settings.feedback_topic, record)
