#!/usr/bin/env python3
"""Measure how long the console's pages take on a large store, each the first time and again.

.venv/bin/python benchmarks/console_pages.py [--rows N] [--hours N] [--store cassandra://127.0.0.1/bench] [--keep]

A store of a million flows and a million calls is made, a SQLite file of some GB, and deleted afterwards (`--store`
names another place for it, and `--keep` keeps it for the next run). A file is put out of the system's memory before the
first round, in which a new console answers each page once. Timings are those of the whole request, in one process.
"""

import argparse
import asyncio
import os
import random
import re
import statistics
import tempfile
import time
from collections.abc import Iterator, MutableMapping
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus, urlsplit

import httpx
from keyspace import drop

from callprint.console import shown
from callprint.console.app import make_app
from callprint.console.call_ids import CallIds
from callprint.console.sessions import Sessions
from callprint.console.settings import ConsoleSettings
from callprint.core.call import Action, AllowEntry, CallRecord, CallState, EndedBy, Phase, Vote
from callprint.core.spam.features import FEATURE_COUNT
from callprint.core.verdict import FlowKey, FlowSummary, Verdict
from callprint.stores import VerdictStore, open_store
from callprint.stores.base import RegisteredModel

LIMIT_MS = 200
WARM_UP_S = 5  # from the console's start to the first page
ROUNDS = 7
BATCH = 5_000
END_NS = 1_764_300_000_000_000_000
SECOND_NS = 1_000_000_000
APPLICATIONS = ("linphone", "jami", "pjsua", "baresip", "zoiper", "asterisk", "webrtc", "teams", "unknown")
SHARES = (30, 10, 8, 6, 6, 20, 10, 4, 6)
CODECS = ("PCMU", "PCMA", "opus", "G722")
RARE = 200_003  # one flow in so many has a codec of its own
CALLERS = 20_000
CAMPAIGNS = 200


class Traffic:
    """Flows and calls, spread over the hours before END_NS; the same in every run."""

    def __init__(self, rows: int, hours: int) -> None:
        self.rows = rows
        self._chance = random.Random(5)
        self._step_ns = hours * 3_600 * SECOND_NS // rows

    def flow(self, i: int) -> FlowKey:
        """Return the i-th flow: of sixteen ports each, hosts of one /8 send to twenty gateways."""
        host = i >> 4
        begin_ns = END_NS - (self.rows - i) * self._step_ns
        source = f"10.{host >> 16}.{host >> 8 & 255}.{host & 255}"
        return FlowKey(source, 16384 + i % 16, f"198.51.100.{i % 20}", 7078, i, begin_ns)

    def verdicts(self, i: int) -> Iterator[Verdict]:
        """Yield the verdicts on the i-th flow: every fourth was tried before."""
        key = self.flow(i)
        (name,) = self._chance.choices(APPLICATIONS, SHARES)
        sure = self._chance.uniform(0.9, 1.0)
        for k, final in ((10, False), (100, True)) if i % 4 == 0 else ((100, True),):
            seen_ns = key.first_seen_ns + k * 20_000_000
            best = "linphone" if name == "unknown" else name
            reason = "low_confidence" if name == "unknown" else None
            yield Verdict(key, name, best, sure, k, final, "bench 1", False, seen_ns, seen_ns, reason)

    def summary(self, i: int) -> FlowSummary:
        """Return the statistics of the i-th flow."""
        key = self.flow(i)
        codec = "rare" if i % RARE == RARE - 1 or i == 0 else CODECS[i % len(CODECS)]
        lost, jitter_ms = self._chance.randrange(30), self._chance.uniform(0.5, 30)
        end_ns = key.first_seen_ns + 10 * SECOND_NS
        return FlowSummary(key, 0, codec, 8000, 498, 85656, 0, 4, 500, lost, 0, 0, jitter_ms, end_ns, "idle")

    def call(self, i: int) -> CallRecord:
        """Return the i-th call: some callers call often, and one call in twenty is spam."""
        begin_ns = self.flow(i).first_seen_ns
        spam = i % 20 == 0
        caller = i // 20 % CAMPAIGNS if spam else int(CALLERS * self._chance.random() ** 3)
        score = self._chance.uniform(0.5, 1.0) if spam else self._chance.uniform(0.0, 0.5)
        return CallRecord(
            call_id=f"{i:012x}@198.51.100.{i % 20}",
            from_tag=f"{i:x}",
            phase=Phase.END,
            caller=f"+4930{caller:07}",
            callee=f"+4989{i:07}",
            started_ns=begin_ns,
            ringing_ns=begin_ns + SECOND_NS,
            answered_ns=begin_ns + 4 * SECOND_NS,
            ended_ns=begin_ns + 34 * SECOND_NS,
            state=CallState.COMPLETED,
            final_status=200,
            ended_by=EndedBy.CALLER,
            caller_application="linphone",
            callee_application="asterisk",
            caller_flows=(self.flow(i),),
            callee_flows=(),
            caller_codec="PCMU",
            callee_codec="PCMU",
            caller_user_agent="Linphone/5.0",
            callee_user_agent=None,
            attestation="missing",
            campaign=f"{caller % CAMPAIGNS:016x}" if spam else "",
            signalling_ip="198.51.100.1",
            judged_at_ns=begin_ns + 34 * SECOND_NS,
            spam_score=score,
            spam=spam,
            action=(Action.BLOCK if score > 0.9 else Action.WATCH) if spam else Action.ALLOW,
            reason="41 calls in 10 minutes to 41 numbers" if spam else "called this number before",
            detector="bench 1",
            features=tuple(float(n % 7) for n in range(FEATURE_COUNT)),
        )


def fill(store: VerdictStore, traffic: Traffic) -> None:
    """Put everything into an empty store, and print how fast."""
    began = time.perf_counter()
    for at in range(0, traffic.rows, BATCH):
        some = range(at, min(at + BATCH, traffic.rows))
        store.put_verdicts([verdict for i in some for verdict in traffic.verdicts(i)])
        store.put_flows([traffic.summary(i) for i in some])
        store.put_calls([traffic.call(i) for i in some])
        if some.stop * 20 // traffic.rows > at * 20 // traffic.rows:
            print(f"{some.stop:,} of {traffic.rows:,} after {time.perf_counter() - began:.0f} s", flush=True)
    spammers = [traffic.call(i) for i in range(0, traffic.rows, max(1, traffic.rows // 50) // 20 * 20 or 20)]
    store.put_votes(
        Vote(call.call_id, call.from_tag, call.caller, "ann", call.started_ns, True)
        for call in spammers[:300]
    )
    store.put_allowed(AllowEntry(f"+4930{n:07}", "ann", END_NS) for n in range(5_000, 5_200))
    store.put_model(RegisteredModel("bench 1", "0" * 64, "{}", END_NS))
    took = time.perf_counter() - began
    print(
        f"{traffic.rows:,} flows and calls stored in {took:.0f} s, {traffic.rows / took:,.0f} of both a second"
    )


def paths(traffic: Traffic, ids: CallIds) -> dict[str, str]:
    """Return what is asked for, by what it is called in the table; ids: those of the console's calls."""
    late, early = traffic.rows - traffic.rows // 50, traffic.rows // 50
    spam = traffic.rows // 2 // 20 * 20
    call, spam_call = traffic.call(late - late % 20 + 1), traffic.call(spam)
    day = shown.moment(END_NS - 86_400 * SECOND_NS, "%Y-%m-%d")
    found = {"now, an hour": "/"}
    found |= {f"now, {name}": f"/?range={name}" for name in ("15m", "6h", "24h", "7d")}
    searches = {
        "flows": ("", "application=jami", "application=unknown confidence>0.95", "10.0.0.1", "198.51.100.7"),
        "flows, scan": ("jitter_ms>29", "codec=PCMA lost>20", "codec=rare", "confidence<0.1", "packets>1000"),
        "calls": ("", "spam=yes", "action=block", "+49300000000", call.call_id, "spam=yes action=watch"),
        "calls, scan": ("action=allow", "spam=no", "spam_score>0.99", "caller_codec=none", "no such reason"),
    }
    for name, asked in searches.items():
        page = name.partition(",")[0]
        found |= {f"{name}: {q or 'all'}": f"/{page}?q={quote_plus(q)}" for q in asked}
        found |= {f"api {page}: {q or 'all'}": f"/api/v1/{page}?q={quote_plus(q)}" for q in asked[:4]}
    begin_ns = traffic.flow(early).first_seen_ns
    found["flows of long ago"] = f"/flows?q=decided_at_ns<{begin_ns}"
    found["calls of long ago"] = f"/calls?q=started_ns<{begin_ns}"
    found["calls of a campaign"] = f"/calls?q=campaign={spam_call.campaign}"
    for name, i in (("late", late), ("early", early)):
        key = shown.flow_id(traffic.flow(i))
        found |= {f"a {name} flow": f"/flows/{key}", f"api, a {name} flow": f"/api/v1/flows/{key}"}
    for name, one in (("call", call), ("spam call", spam_call)):
        key = ids.of(one)
        found |= {f"a {name}": f"/calls/{key}", f"api, a {name}": f"/api/v1/calls/{key}"}
    found |= {
        "desk": "/desk",
        "desk by campaign": "/desk?group=campaign",
        "desk with settled": "/desk?settled=1",
        "report": "/desk/report",
        "report of a day": f"/desk/report?day={day}",
        "callers.csv": "/desk/callers.csv",
        "unknowns (none kept)": "/unknowns",
        "models": "/models",
        "people": "/people",
        "api activity, 7d": "/api/v1/activity?range=7d",
    }
    return found | {f"api {name}": f"/api/v1/{name}" for name in ("votes", "allowed", "models")}


class Browser:
    """Asks a console in this process for pages."""

    def __init__(self, url: str, folder: Path) -> None:
        sessions = Sessions()
        self._news: asyncio.Queue[MutableMapping[str, Any]] = asyncio.Queue()
        self._app = app = make_app(ConsoleSettings(url, folder=folder, named=folder / "named"), sessions)
        self._link = f"/enter?key={sessions.make_link()}"
        self._client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://127.0.0.1:8383", timeout=300
        )

    async def __aenter__(self) -> "Browser":
        """Come in; the console starts, opens the store and warms up."""
        self._lifespan = asyncio.create_task(self._app({"type": "lifespan"}, self._news.get, self._heard))
        await self._news.put({"type": "lifespan.startup"})
        await self._client.get(self._link)
        await asyncio.sleep(WARM_UP_S)
        await asyncio.gather(*(self._client.get("/models") for _ in range(4)))
        return self

    async def __aexit__(self, *raised: object) -> None:
        """Close the browser and end the console."""
        await self._client.aclose()
        await self._news.put({"type": "lifespan.shutdown"})
        await self._lifespan

    async def _heard(self, message: MutableMapping[str, Any]) -> None:
        if message["type"].endswith("failed"):
            raise SystemExit(str(message))

    async def ms(self, path: str) -> tuple[float, str]:
        """Return how long a page took, and its text."""
        began = time.perf_counter()
        answer = await self._client.get(path)
        took_ms = (time.perf_counter() - began) * 1e3
        if answer.status_code != 200:
            raise SystemExit(f"{path}: {answer.status_code} {answer.text[:200]}")
        return took_ms, answer.text


async def measure(url: str, folder: Path, traffic: Traffic) -> None:
    """Ask for every page and print the table."""
    asked = paths(traffic, CallIds(folder / "call-ids.key"))
    took: dict[str, list[float]] = {name: [] for name in asked}
    async with Browser(url, folder) as browser:
        first, _ = await browser.ms("/flows")
        for kind in ("flows", "calls"):
            following = re.search(rf'href="(/{kind}\?[^"]*after=[^"]+)"', (await browser.ms(f"/{kind}"))[1])
            if following:
                asked[f"the next page of {kind}"], took[f"the next page of {kind}"] = (
                    unescape(following[1]),
                    [],
                )
        for _ in range(1 + ROUNDS):
            for name, path in asked.items():
                took[name].append((await browser.ms(path))[0])
    print(f"\nfirst page of a new console: {first:.0f} ms\n")
    print(f"| page | first, ms | median, ms | worst again, ms | below {LIMIT_MS} ms |\n|---|---|---|---|---|")
    for name, (cold, *warm) in took.items():
        median, worst = statistics.median(warm), max(warm)
        print(f"| {name} | {cold:.0f} | {median:.0f} | {worst:.0f} | {_rating(cold, median)} |")
    slow = sum(statistics.median(warm) > LIMIT_MS for _, *warm in took.values())
    slow_first = sum(cold > LIMIT_MS for cold, *_ in took.values())
    print(
        f"\n{len(took)} pages; above {LIMIT_MS} ms: {slow_first} the first time, {slow} in the median after that"
    )


def _rating(cold: float, median: float) -> str:
    return "no" if median > LIMIT_MS else "not the first time" if cold > LIMIT_MS else "yes"


def forget(path: Path) -> None:
    """Put a file out of the system's memory, and print its size."""
    print(f"{path.stat().st_size / 1e9:.2f} GB")
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def delete(url: str) -> None:
    """Delete the file or drop the keyspace of a store."""
    if url.startswith("cassandra:"):
        drop(url)
    else:
        Path(urlsplit(url).path).unlink()


def main() -> None:
    """Measure the console on a new store."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=1_000_000, help="flows, and as many calls")
    parser.add_argument("--hours", type=int, default=72, help="over which they are spread")
    parser.add_argument("--store", metavar="URL", help="one that may be deleted")
    parser.add_argument("--keep", action="store_true", help="keep the store, and use it if it is there")
    chosen = parser.parse_args()
    traffic = Traffic(chosen.rows, chosen.hours)
    with tempfile.TemporaryDirectory() as folder:
        url = chosen.store or f"sqlite:{folder}/store.sqlite"
        with open_store(url) as store:
            if not list(store.models()):
                fill(store, traffic)
        if url.startswith("sqlite:"):
            forget(Path(urlsplit(url).path))
        try:
            asyncio.run(measure(url, Path(folder) / "console", traffic))
        finally:
            if not chosen.keep:
                delete(url)


if __name__ == "__main__":
    main()
