"""A console on a store for tests, asked in this process, without a network."""

import asyncio
import random
from dataclasses import replace
from pathlib import Path

import httpx
from call_samples import call
from evidence_logs import steady_flow
from unknown_samples import strangers
from verdict_samples import LINPHONE, SECOND_NS, START_NS, provisional, reports, summary, verdict
from window_values import windows_text

from callprint.console.app import make_app
from callprint.console.call_ids import CallIds
from callprint.console.sessions import Sessions
from callprint.console.settings import ConsoleSettings
from callprint.core.call import Action, CallRecord
from callprint.core.quality.windows import Interval
from callprint.core.spam.features import FEATURE_COUNT
from callprint.core.verdict import FlowKey
from callprint.model_files import DEFAULT_MODEL, ModelFile, models_at
from callprint.stores import open_store
from callprint.unknowns.clusters import KeptFlow, flow_digest, usual_codec
from callprint.unknowns.naming import write_named

HOSTILE = "<script>document.title='owned'</script>\"'><img src=x onerror=document.title='owned'>\u202e{{7*7}}"


MEASURED = "measured@198.51.100.20"
"""The Call-ID of a call whose media was measured."""


def spam_calls() -> list[CallRecord]:
    """Six calls of two spammers."""
    return [
        replace(
            call(),
            call_id=f"spam-{i}@203.0.113.9",
            caller=f"+49305550{i % 2}",
            callee=f"+4989700{i}",
            started_ns=START_NS + i * SECOND_NS,
            spam_score=0.97 - 0.2 * (i % 2),
            spam=True,
            action=Action.BLOCK if i % 2 == 0 else Action.WATCH,
            campaign="0123456789abcdef",
            reason="41 calls in 10 minutes to 41 different numbers",
            features=tuple(float(n % 3) for n in range(FEATURE_COUNT)),
        )
        for i in range(6)
    ]


def fill(path: Path | str) -> Path | str:
    """Put sample flows and calls into a store, a file or a URL."""
    with open_store(str(path)) as store:
        store.put_verdicts([report.verdict for report in reports()])
        store.put_verdicts([provisional(k=4), provisional(k=10)])
        store.put_flows([report.summary for report in reports()])
        store.put_calls([replace(call(), campaign=""), *spam_calls()])
    return path


def add_judged(path: Path) -> FlowKey:
    """Add an unknown flow that the shipped network judged, with its packets and its quality; return its key."""
    flow = LINPHONE._replace(src_ip="192.0.2.77", src_port=4000, first_seen_ns=START_NS - 90 * SECOND_NS)
    card = next(each.card for each in models_at([DEFAULT_MODEL]) if isinstance(each, ModelFile))
    judged = verdict(
        flow,
        "unknown",
        best_application="sipp",
        confidence=0.553,
        reason="novel",
        model=f"{card.name} {card.version}",
        model_digest=card.digest,
        engine="unknown",
        engine_confidence=0.55,
        declared_application="zoiper",
        declared_version="5.6",
        declared_by="rtcp",
        based_on="packets",
    )
    log = steady_flow(100, start_ns=flow.first_seen_ns, sequence=7, payload=bytes(range(160)))
    lost = (0, 0, 3, 41, 60, 12, 0, 1, 0)
    windows = [
        Interval(500, 500 - n, 499 - n, 900 + 40 * n, 100, 4000 + 300 * n, missing=n + n // 4, runs=-(-n // 3),
                 late=n // 4)
        for n in lost
    ]  # fmt: skip
    quality = {
        "expected": 4500,
        "lost": sum(lost),
        "packets": 4500 - sum(lost),
        "last_seen_ns": flow.first_seen_ns + 90 * SECOND_NS,
        "packet_ms": 20.0,
        "mos": 3.87,
        "r_factor": 75.2,
        "mos_band": "narrowband",
        "quality_windows": windows_text(10, windows),
    }
    with open_store(str(path)) as store:
        store.put_verdicts([judged])
        store.put_flows([summary(flow, **quality)])
        store.put_unknown_evidence([(judged, log)])
        back = flow._replace(
            src_ip=flow.dst_ip, src_port=flow.dst_port, dst_ip=flow.src_ip, dst_port=flow.src_port
        )
        store.put_verdicts([verdict(back, "linphone")])
        answered = [Interval(500, 500 - n, 499 - n, 600, missing=n, runs=n) for n in (0, 1, 0, 0, 2, 0, 0, 0)]
        quality |= {"mos": 4.39, "lost": 3, "quality_windows": windows_text(10, answered)}
        store.put_flows([summary(back, **quality)])
        store.put_calls(
            [
                replace(
                    spam_calls()[0],
                    call_id=MEASURED,
                    caller="+493055502",
                    started_ns=flow.first_seen_ns - 6 * SECOND_NS,
                    ringing_ns=flow.first_seen_ns - 5 * SECOND_NS,
                    answered_ns=flow.first_seen_ns,
                    ended_ns=flow.first_seen_ns + 90 * SECOND_NS,
                    caller_flows=(flow,),
                    callee_flows=(back,),
                    caller_application="unknown",
                    callee_application="linphone",
                    caller_mos=3.87,
                    callee_mos=4.39,
                    media_notes="caller_loss_before_capture",
                    campaign="",
                )
            ]
        )
    return flow


def fill_busy(path: Path) -> Path:
    """Put an hour of flows and calls into a store: for pictures."""
    chance = random.Random(7)
    applications = ("jami", "linphone", "zoiper", "unknown", "pion", "firefox", "linphone", "jami")
    verdicts, calls = [], []
    for i in range(160):
        at_ns = START_NS + chance.randrange(3_600) * SECOND_NS
        flow = LINPHONE._replace(src_ip=f"192.0.2.{i % 90 + 1}", src_port=16384 + 2 * i, first_seen_ns=at_ns)
        known = chance.choice(applications)
        verdicts.append(verdict(flow, known, best_application=None if known == "unknown" else known))
        kind = chance.randrange(8)
        score = (0.97, 0.91, 0.62, 0.04, 0.02, 0.11, 0.07, 0.03)[kind] + chance.uniform(-0.02, 0.02)
        action = Action.BLOCK if score > 0.9 else Action.WATCH if score > 0.5 else Action.ALLOW
        calls.append(
            replace(
                spam_calls()[0],
                call_id=f"{chance.getrandbits(48):012x}@198.51.100.{kind}",
                caller=f"+493055501{kind if kind < 3 else 100 + i}",
                callee=f"+4989700{1000 + i}",
                started_ns=at_ns,
                ringing_ns=at_ns + SECOND_NS,
                answered_ns=at_ns + 4 * SECOND_NS,
                ended_ns=at_ns + (9 if kind < 3 else 70 + i) * SECOND_NS,
                caller_application=chance.choice(applications),
                callee_application="linphone",
                spam_score=score,
                spam=score > 0.5,
                action=action,
                campaign=f"{kind:016x}" if kind < 3 else "",
                reason="41 calls in 10 minutes to 41 different numbers, all answered under 6 s"
                if kind < 3
                else "called this number before, talked for 2 minutes",
            )
        )
    with open_store(str(path)) as store:
        store.put_verdicts(verdicts)
        for each in verdicts:
            lost = chance.choice((0, 0, 1, 2, 4, 30))
            mos = round(4.4 - lost * 0.04 - chance.random() * 0.2, 2)
            store.put_flows([replace(reports()[0].summary, flow=each.flow, lost=lost, mos=mos)])
        store.put_calls(calls)
    return path


def fill_hostile(path: Path) -> Path:
    """Put names that try to be scripts into every text that captures bring."""
    with open_store(str(path)) as store:
        flow = LINPHONE._replace(src_port=1)
        store.put_verdicts(
            [
                verdict(flow, HOSTILE, model=HOSTILE),
                verdict(
                    LINPHONE,
                    "unknown",
                    best_application=HOSTILE,
                    engine=HOSTILE,
                    declared_application=HOSTILE,
                    declared_version=HOSTILE,
                    declared_by=HOSTILE,
                    model_digest=HOSTILE,
                ),
            ]
        )
        store.put_unknown_evidence([(verdict(LINPHONE, model=HOSTILE), b"\xff" * 40)])
        store.put_flows(
            [
                replace(
                    reports()[0].summary,
                    flow=flow,
                    codec=HOSTILE,
                    announced_codec=HOSTILE,
                    capture=HOSTILE,
                    quality_notes=HOSTILE,
                    quality_windows=HOSTILE,
                )
            ]
        )
        hostile = dict.fromkeys(
            (
                *("call_id", "from_tag", "caller", "callee", "reason", "campaign", "caller_application"),
                *("callee_application", "caller_codec", "caller_user_agent", "detector", "claimed_caller"),
            ),
            HOSTILE,
        )
        store.put_calls([replace(call(), **hostile, spam=True, spam_score=0.9, action=Action.BLOCK)])
    return path


def fill_unknown(path: Path, *, hostile: bool = True) -> Path:
    """Make a store with the flows of three strangers, and what they say of themselves."""
    return add_unknown(path, hostile=hostile)


def add_unknown(path: Path, *, hostile: bool = True) -> Path:
    """Put the flows of three strangers into a store, with what they say of themselves."""
    with open_store(str(path)) as store:
        kept = strangers()
        says = {0: ("Zoiper", "5.6"), 1: (HOSTILE[:60] if hostile else "Bria", None)}
        verdicts = [
            verdict(
                each.flow,
                "unknown",
                k=each.k,
                best_application="jami",
                reason="novel",
                decided_at_ns=each.decided_at_ns,
                **dict(
                    zip(("declared_application", "declared_version"), says.get(i, (None, None)), strict=True)
                ),
            )
            for i, each in enumerate(kept)
        ]
        store.put_verdicts(verdicts)
        store.put_unknown_evidence([(of, each.evidence) for of, each in zip(verdicts, kept, strict=True)])
        store.put_calls(
            [
                replace(
                    call(),
                    call_id=f"stranger-{i}",
                    campaign="",
                    started_ns=kept[i].flow.first_seen_ns,
                    caller_flows=(kept[i].flow,),
                    caller_user_agent=f"Stranger/{i % 3}",
                )
                for i in range(9)
            ]
        )
    return path


def write_strangers(folder: Path, split: str = "") -> Path:
    """Write the flows of three strangers as a dataset; `split`: for training or for testing only."""
    kept = strangers()[:27]
    flows = [KeptFlow(each, flow_digest(each.flow), usual_codec(each.evidence), "jami", 0.5) for each in kept]
    for i, name in enumerate(("zoiper", "bria", "acrobits")):
        write_named(folder, name, name, flows[i::3])
    if split:
        labels = folder / "flows.csv"
        head, *rows = labels.read_text().splitlines()
        labels.write_text("\n".join([f"{head},dataset", *(f"{row},{split}" for row in rows)]) + "\n")
    return folder


class Visitor:
    """A browser without scripts."""

    def __init__(self, store: Path | str, folder: Path, *, enter: bool = True, **settings: object) -> None:
        self.sessions = Sessions()
        url = store if isinstance(store, str) else f"sqlite:{store}"
        self.settings = ConsoleSettings(url, folder=folder, named=folder / "named", **settings)
        self.app = make_app(self.settings, self.sessions)
        self.cookies = httpx.Cookies()
        if enter:
            assert self.get(f"/enter?key={self.sessions.make_link()}").status_code == 303

    def get(self, path: str, **options: object) -> httpx.Response:
        """Ask for a page."""
        return self.send("GET", path, **options)

    def post(self, path: str, data: dict[str, object], **options: object) -> httpx.Response:
        """Send a form."""
        return self.send("POST", path, data=data, **options)

    def send(
        self, method: str, path: str, *, base: str = "http://127.0.0.1:8383", **options: object
    ) -> httpx.Response:
        """Send a request; redirects are not followed."""

        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url=base, cookies=self.cookies) as client:
                answer = await client.request(method, path, **options)
                self.cookies = client.cookies
                return answer

        return asyncio.run(ask())

    def key_of(self, call: CallRecord) -> str:
        """Return a call's part of addresses."""
        return CallIds(self.settings.folder / "call-ids.key").of(call)

    def csrf(self, path: str = "/") -> str:
        """Return the token in the forms of a page."""
        return self.get(path).text.partition('name="csrf" value="')[2].partition('"')[0]
