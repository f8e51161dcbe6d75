"""The homes of calls in one task: loaded when their site is first heard of, journalled, stored, kept.

    unknown --first input: state and journal are read, or a fresh home is taught--> loaded
    loaded  --inputs: journal, then rows, then acknowledged-->                      loaded
    loaded  --now and then, and when it is over: its state is kept-->               loaded, or let go

An input that is in the journal is safe: whatever dies afterwards, the home that is loaded next takes it again and
says the same rows, which change nothing in a store that has them.
"""

import logging
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from dataclasses import dataclass

from callprint.core.call import CallRecord
from callprint.core.ground.errors import DecodeError, RowError, StoreError
from callprint.core.ground.snapshot import Snapshot
from callprint.core.relay import site_snapshot
from callprint.core.relay.journal import decode_inputs, encode_inputs
from callprint.core.relay.site import SiteCalls
from callprint.core.relay.site_inputs import SiteInput
from callprint.core.relay.site_snapshot import Fetch
from callprint.core.signalling.identity import IdentityReader
from callprint.core.spam.detectors import make_detector
from callprint.stores import VerdictStore
from callprint.votes import teach

log = logging.getLogger(__name__)

ENTRIES_BETWEEN_STATES = 500
"""Journal entries after which the state is kept again: what a restart has to take again."""
SECONDS_BETWEEN_STATES = 60.0
SECONDS_BETWEEN_LISTENING = 30.0
TEACHING_S = 5.0
"""Longest time in which stored calls are looked at for a fresh home: a heartbeat must not be missed."""
MOST_HOMES = 32
"""Sites in memory; of more, the one that was quiet longest is kept and let go."""


@dataclass(slots=True)
class _Kept:
    home: SiteCalls
    entries: int  # of its journal so far
    state_at: int  # entries that the kept state covers
    state_s: float


class Sites:
    """Takes inputs, gives nothing back: the rows go to the store. For one thread.

    Every method that uses the store raises StoreError when it does not answer; what was put before may then be put
    again.
    """

    def __init__(
        self,
        opened: Callable[[], VerdictStore],
        detector: str,
        identities: IdentityReader,
        fetch: Fetch,
        refuse: Callable[[CallRecord, str], bool] = lambda _call, _reason: True,
    ) -> None:
        """`opened` gives the store, `fetch` reads a record of signalling again.

        `refuse` sets a row aside that the store will never take, and returns whether that is done.
        """
        self._refuse = refuse
        self.refused = 0
        self._opened = opened
        self._detector = detector
        self._identities = identities
        self._fetch = fetch
        self._kept: OrderedDict[int, _Kept] = OrderedDict()
        self._waiting: defaultdict[int, list[SiteInput]] = defaultdict(list)
        self._rows: list[CallRecord] = []
        self._listen_s = self._rest_until_s = 0.0

    def put(self, site: int, news: SiteInput) -> None:
        """Take an input; it counts once `flush` returns."""
        self._waiting[site].append(news)

    def flush(self, now_s: float) -> None:
        """Journal, judge and store what was put."""
        waiting, self._waiting = self._waiting, defaultdict(list)
        if now_s < self._rest_until_s:
            raise StoreError("the store did not answer a moment ago")
        for site, inputs in waiting.items():
            kept = self._load(site, now_s)
            fresh = [news for news in inputs if not kept.home.is_repeat(news)]
            if fresh:
                self._take(site, kept, fresh)
        self._store_rows()

    def rest(self, until_s: float) -> None:
        """The store does not answer: ask nothing of it until then, so that heartbeats get their turn."""
        self._rest_until_s = until_s

    def upkeep(self, now_s: float) -> None:
        """Do what is due: listen to users, keep states, let homes go."""
        if now_s < self._rest_until_s:
            return
        self._store_rows()
        if now_s >= self._listen_s:
            self._listen_s = now_s + SECONDS_BETWEEN_LISTENING
            self._listen()
        for site, kept in list(self._kept.items()):
            new = kept.entries - kept.state_at
            due = new >= ENTRIES_BETWEEN_STATES or now_s - kept.state_s >= SECONDS_BETWEEN_STATES
            let_go = kept.home.over or len(self._kept) > MOST_HOMES
            if new and (due or let_go):
                self._keep(site, kept, now_s)
            if let_go:
                del self._kept[site]

    def _take(self, site: int, kept: _Kept, inputs: list[SiteInput]) -> None:
        try:
            self._opened().append_call_journal(site, kept.entries, encode_inputs(inputs))
        except StoreError:
            # Nobody knows whether the entry was written: who is loaded again finds out.
            del self._kept[site]
            raise
        kept.entries += 1
        for news in inputs:
            self._rows += kept.home.take(news)

    def _store_rows(self) -> None:
        if not self._rows:
            return
        try:
            self._opened().put_calls(self._rows)
        except RowError:
            for call in self._rows:
                self._store_row(call)
        self._rows = []

    def _store_row(self, call: CallRecord) -> None:
        try:
            self._opened().put_calls([call])
        except RowError as error:
            if not self._refuse(call, str(error)):
                raise StoreError(f"a row that the store refuses cannot be set aside now: {error}") from error
            self.refused += 1
            log.error("a row of call %.80r is set aside: %s", call.call_id, error)

    def _load(self, site: int, now_s: float) -> _Kept:
        kept = self._kept.get(site)
        if kept is None:
            found = self._opened().call_state(site)
            kept = self._fresh(site, 0, now_s) if found is None else self._restored(site, *found, now_s)
            self._kept[site] = kept
        self._kept.move_to_end(site)
        return kept

    def _fresh(self, site: int, entries: int, now_s: float) -> _Kept:
        """A home that knows what the store knows. It is kept at once: what users said may be another thing later."""
        store = self._opened()
        home = SiteCalls(site, make_detector(self._detector), self._identities)
        teach(home.detector, store, TEACHING_S)
        home.heard = {(vote.user, vote.caller): vote for vote in store.votes()}
        home.judge.allowed = {entry.caller for entry in store.allowed()}
        store.put_call_state(site, entries, site_snapshot.snapshot(home).pack())
        return _Kept(home, entries, entries, now_s)

    def _restored(self, site: int, number: int, state: bytes, now_s: float) -> _Kept:
        home = SiteCalls(site, make_detector(self._detector), self._identities)
        entries, rows = number, []
        journal = list(self._opened().call_journal(site, number))
        try:
            if not site_snapshot.restore(home, Snapshot.unpack(state), self._fetch):
                log.warning("site %08x: the detector is another one than before and begins anew", site)
                teach(home.detector, self._opened(), TEACHING_S)
            for entry_number, entry in journal:
                for news in decode_inputs(entry, self._fetch):
                    rows += home.take(news)
                entries = entry_number + 1
        except DecodeError as error:
            log.error("what was known of the calls of site %08x is lost: %s", site, error)
            return self._fresh(site, journal[-1][0] + 1 if journal else number, now_s)
        self._rows += rows
        log.info("site %08x: %d entries taken again, %d rows", site, len(journal), len(rows))
        return _Kept(home, entries, number, now_s)

    def _keep(self, site: int, kept: _Kept, now_s: float) -> None:
        self._store_rows()  # what the state covers is not judged again
        self._opened().put_call_state(site, kept.entries, site_snapshot.snapshot(kept.home).pack())
        kept.state_at, kept.state_s = kept.entries, now_s

    def _listen(self) -> None:
        votes = list(self._opened().votes())
        allowed = frozenset(entry.caller for entry in self._opened().allowed())
        for site, kept in list(self._kept.items()):
            said = None if kept.home.over else kept.home.news_of(votes, allowed)
            if said is not None:
                self._take(site, kept, [said])
