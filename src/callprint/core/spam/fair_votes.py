"""Which votes count when there are too many: no user pushes out the votes of others.

Users are told apart by the names that they vote under. Who may write votes under many names can still flood: to allow
only whom one trusts is the business of the store and of Kafka.
"""

from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from typing import Generic, TypeVar

from callprint.core.call import Vote

V = TypeVar("V")

VOTES_PER_DAY = 50
"""New votes of one user on one day that count, unless set otherwise: more tells more about the user than callers."""
VOTES_PER_USER = 2_000
"""Votes of one user that count; beyond that, the user's own earliest go."""
MOST_VOTES = 20_000
"""Votes of all users; beyond that, the earliest of the user with the most go."""


def fairly(votes: Iterable[Vote], most: int = MOST_VOTES) -> list[Vote]:
    """Return at most `most` votes, the latest last.

    Every user's latest vote comes before anybody's second, and so on. Votes that say neither spam nor not spam do not
    count.
    """
    given: Counter[str] = Counter()
    ranked = []
    for vote in sorted(votes, key=_order, reverse=True):
        if vote.kind is not None:
            continue
        given[vote.user] += 1
        if given[vote.user] <= VOTES_PER_USER:
            ranked.append((given[vote.user], vote))
    ranked.sort(key=lambda pair: pair[0])  # stable: of one rank the latest first
    return sorted((vote for _, vote in ranked[:most]), key=_order)


def _order(vote: Vote) -> tuple[int, str, str]:
    return vote.given_at_ns, vote.user, vote.caller


class BoundedVotes(Generic[V]):
    """Votes by user and caller, bounded for each user and altogether."""

    def __init__(self) -> None:
        self.dropped = 0
        self._votes: OrderedDict[tuple[str, int], V] = OrderedDict()  # the one put longest ago first
        self._by_caller: OrderedDict[int, dict[str, V]] = OrderedDict()
        self._by_user: dict[str, OrderedDict[int, None]] = {}

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._votes)

    def __contains__(self, of: tuple[str, int]) -> bool:
        """Return whether there is a vote of (user, caller)."""
        return of in self._votes

    def put(self, user: str, caller: int, vote: V) -> None:
        """Keep a vote; it replaces the user's earlier one on this caller, and may push out another of the user's."""
        self._votes[user, caller] = vote
        self._votes.move_to_end((user, caller))
        self._by_caller.setdefault(caller, {})[user] = vote
        self._by_caller.move_to_end(caller)
        of_user = self._by_user.setdefault(user, OrderedDict())
        of_user[caller] = None
        of_user.move_to_end(caller)
        if len(of_user) > VOTES_PER_USER:
            self._drop_oldest(user)
        if len(self._votes) > MOST_VOTES:
            self._drop_oldest(max(self._by_user, key=lambda name: len(self._by_user[name])))

    def remove(self, user: str, caller: int) -> None:
        """Forget a vote; none there is no error."""
        if self._votes.pop((user, caller), None) is None:
            return
        del self._by_caller[caller][user], self._by_user[user][caller]
        if not self._by_caller[caller]:
            del self._by_caller[caller]
        if not self._by_user[user]:
            del self._by_user[user]

    def all(self) -> list[V]:
        """Return every vote, the one put longest ago first."""
        return list(self._votes.values())

    def on(self, caller: int) -> Mapping[str, V]:
        """Return the votes on one caller by user."""
        return self._by_caller.get(caller, {})

    def by_caller(self) -> Iterator[tuple[int, Mapping[str, V]]]:
        """Give each caller with the votes on it by user; the caller voted on last comes last."""
        yield from self._by_caller.items()

    def _drop_oldest(self, user: str) -> None:
        self.remove(user, next(iter(self._by_user[user])))
        self.dropped += 1
