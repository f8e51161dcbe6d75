"""The sites of one task: loaded at their first input, journalled, their rows and snapshots stored.

    unknown --first input: snapshot and journal are read, or a fresh site is taught--> loaded
    loaded  --inputs: journal, then rows, perhaps in parts, then acknowledged-->       loaded
    loaded  --from time to time, and when it is over: a snapshot is stored-->          loaded, or unloaded

An input that is in the journal is safe: whatever dies afterwards, whoever loads the site next takes it again and
gets the same rows, which change nothing in a store that has them.
"""

import logging
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from dataclasses import dataclass

from callprint.core.ground.errors import DecodeError, StoreError
from callprint.core.ground.snapshot import Snapshot
from callprint.core.relay import site_snapshot
from callprint.core.relay.journal import decode_inputs, encode_inputs
from callprint.core.relay.site import SiteCalls
from callprint.core.relay.site_inputs import SiteInput
from callprint.core.relay.site_snapshot import Fetch
from callprint.core.signalling.identity import IdentityReader
from callprint.core.spam.detectors import make_detector
from callprint.core.spam.fair_votes import VOTES_PER_DAY
from callprint.core.verdict import FlowSummary, Verdict
from callprint.declared_names import shipped_names
from callprint.stores import VerdictStore
from callprint.topology.call_rows import CallRows, StoredRow
from callprint.votes import teach

log = logging.getLogger(__name__)

ENTRIES_BETWEEN_SNAPSHOTS = 500
"""Journal entries after which a snapshot is stored again: what a restart has to take again at most."""
SECONDS_BETWEEN_SNAPSHOTS = 60.0
SECONDS_BETWEEN_VOTES = 30.0
TEACHING_S = 5.0
"""Longest time for looking up stored calls for a fresh site: a heartbeat must not be missed."""
MOST_SITES = 32
"""Sites in memory; beyond that, the one that was quiet longest is stored and unloaded."""


@dataclass(slots=True)
class _Loaded:
    calls: SiteCalls
    entries: int  # of its journal so far
    snapshot_at: int  # entries that the stored snapshot covers
    snapshot_s: float


class Sites:
    """Takes inputs and stores the rows that they lead to. For one thread.

    Every method that uses the store raises StoreError when it does not answer; what was put before may then be put
    again.
    """

    def __init__(
        self,
        opened: Callable[[], VerdictStore],
        detector: str,
        identities: IdentityReader,
        fetch: Fetch,
        refuse: Callable[[StoredRow, str], bool] = lambda _row, _reason: True,
        votes_per_day: int = VOTES_PER_DAY,
    ) -> None:
        """`opened` gives the store, `fetch` reads a record of signalling again.

        `refuse` sets aside a row that the store will never take, and returns whether it could.
        """
        self.rows = CallRows(opened, refuse)
        self._opened = opened
        self._detector, self._votes_per_day = detector, votes_per_day
        self._identities = identities
        self._fetch = fetch
        self._loaded: OrderedDict[int, _Loaded] = OrderedDict()
        self._waiting: defaultdict[int, list[SiteInput]] = defaultdict(list)
        self._votes_due_s = self._rest_until_s = 0.0

    def put(self, site: int, site_input: SiteInput) -> None:
        """Take an input; it counts once `flush` returns."""
        self._waiting[site].append(site_input)

    def flush(self, now_s: float) -> None:
        """Journal and judge what was put, which makes it safe, and store rows, not always all of them."""
        waiting, self._waiting = self._waiting, defaultdict(list)
        if now_s < self._rest_until_s:
            raise StoreError("the store did not answer a moment ago")
        for site, inputs in waiting.items():
            loaded = self._load(site, now_s)
            new = [each for each in inputs if not loaded.calls.is_repeat(each)]
            if new:
                self._take(site, loaded, new)
        self.rows.store_some()

    def rest(self, until_s: float) -> None:
        """Ask nothing of a store that does not answer until then, so that heartbeats get their turn."""
        self._rest_until_s = until_s

    def upkeep(self, now_s: float) -> None:
        """Do what is due: store rows that wait; if none is left, take new votes, store snapshots, unload sites."""
        if now_s < self._rest_until_s:
            return
        self.rows.store_some()
        if self.rows:
            return  # what a snapshot covers is not judged again
        if now_s >= self._votes_due_s:
            self._votes_due_s = now_s + SECONDS_BETWEEN_VOTES
            self._take_votes()
        for site, loaded in list(self._loaded.items()):
            new = loaded.entries - loaded.snapshot_at
            late = now_s - loaded.snapshot_s >= SECONDS_BETWEEN_SNAPSHOTS
            unload = loaded.calls.over or len(self._loaded) > MOST_SITES
            if new and (new >= ENTRIES_BETWEEN_SNAPSHOTS or late or unload):
                self._store_snapshot(site, loaded, now_s)
            if unload:
                del self._loaded[site]

    def _take(self, site: int, loaded: _Loaded, inputs: list[SiteInput]) -> None:
        try:
            self._opened().append_call_journal(site, loaded.entries, encode_inputs(inputs))
        except StoreError:
            # Nobody knows whether the entry was written: loading the site again shows it.
            del self._loaded[site]
            raise
        loaded.entries += 1
        for site_input in inputs:
            self.rows.calls += loaded.calls.take(site_input)
            self.rows.announced += loaded.calls.announced
            self.rows.declared += loaded.calls.declared

    def _load(self, site: int, now_s: float) -> _Loaded:
        loaded = self._loaded.get(site)
        if loaded is None:
            found = self._opened().call_state(site)
            loaded = self._begun(site, now_s) if found is None else self._restored(site, *found, now_s)
            self._loaded[site] = loaded
        self._loaded.move_to_end(site)
        return loaded

    def _new(self, site: int) -> SiteCalls:
        return SiteCalls(
            site,
            make_detector(self._detector, self._votes_per_day),
            self._identities,
            names=shipped_names(),
        )

    def _begun(self, site: int, now_s: float) -> _Loaded:
        """Return a site that has no snapshot, behind what is left of a journal whose snapshot has expired."""
        left = [number for number, _ in self._opened().call_journal(site, 0)]
        found = self._opened().call_state(site) if left else None
        if found is not None:  # another process began it between two looks
            return self._restored(site, *found, now_s)
        if left:
            log.error("what was known of the calls of site %08x is lost: its snapshot has expired", site)
        return self._fresh(site, left[-1] + 1 if left else 0, now_s)

    def _fresh(self, site: int, entries: int, now_s: float) -> _Loaded:
        """Return a site that knows what the store knows, stored at once: the votes there may be others later."""
        store = self._opened()
        calls = self._new(site)
        teach(calls.detector, store, TEACHING_S)
        calls.user_votes.begin(store.votes(), {entry.caller for entry in store.allowed()})
        store.put_call_state(site, entries, site_snapshot.snapshot(calls).pack())
        return _Loaded(calls, entries, entries, now_s)

    def _restored(self, site: int, number: int, state: bytes, now_s: float) -> _Loaded:
        calls = self._new(site)
        entries, rows = number, []
        announced: list[FlowSummary] = []
        declared: list[Verdict] = []
        journal = list(self._opened().call_journal(site, number))
        try:
            if not site_snapshot.restore(calls, Snapshot.unpack(state), self._fetch):
                log.warning("site %08x: its snapshot is of another detector; this one starts anew", site)
                teach(calls.detector, self._opened(), TEACHING_S)
            for entry_number, entry in journal:
                for site_input in decode_inputs(entry, self._fetch):
                    rows += calls.take(site_input)
                    announced += calls.announced
                    declared += calls.declared
                entries = entry_number + 1
        except DecodeError as error:
            log.error("what was known of the calls of site %08x is lost: %s", site, error)
            return self._fresh(site, journal[-1][0] + 1 if journal else number, now_s)
        self.rows.rebuilt += rows
        self.rows.announced += announced
        self.rows.declared += declared
        log.info("site %08x: %d journal entries taken again, %d rows", site, len(journal), len(rows))
        return _Loaded(calls, entries, number, now_s)

    def _store_snapshot(self, site: int, loaded: _Loaded, now_s: float) -> None:
        self._opened().put_call_state(site, loaded.entries, site_snapshot.snapshot(loaded.calls).pack())
        loaded.snapshot_at, loaded.snapshot_s = loaded.entries, now_s

    def _take_votes(self) -> None:
        votes = list(self._opened().votes())
        allowed = frozenset(entry.caller for entry in self._opened().allowed())
        for site, loaded in list(self._loaded.items()):
            update = None if loaded.calls.over else loaded.calls.vote_update(votes, allowed)
            if update is not None:
                self._take(site, loaded, [update])
