"""A console on a store for tests, asked in this process, without a network."""

import asyncio
from dataclasses import replace
from pathlib import Path

import httpx
from call_samples import call
from verdict_samples import LINPHONE, SECOND_NS, START_NS, provisional, reports, verdict

from callprint.console.app import make_app
from callprint.console.sessions import Sessions
from callprint.console.settings import ConsoleSettings
from callprint.core.call import Action, CallRecord
from callprint.core.spam.features import FEATURE_COUNT
from callprint.stores import open_store

HOSTILE = "<script>document.title='owned'</script>\"'><img src=x onerror=document.title='owned'>\u202e{{7*7}}"


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


def fill(path: Path) -> Path:
    """Put sample flows and calls into a store."""
    with open_store(str(path)) as store:
        store.put_verdicts([report.verdict for report in reports()])
        store.put_verdicts([provisional(k=4), provisional(k=10)])
        store.put_flows([report.summary for report in reports()])
        store.put_calls([replace(call(), campaign=""), *spam_calls()])
    return path


def fill_hostile(path: Path) -> Path:
    """Put names that try to be scripts into every text that captures bring."""
    with open_store(str(path)) as store:
        flow = LINPHONE._replace(src_port=1)
        store.put_verdicts(
            [verdict(flow, HOSTILE, model=HOSTILE), verdict(LINPHONE, "unknown", best_application=HOSTILE)]
        )
        store.put_flows(
            [
                replace(
                    reports()[0].summary, flow=flow, codec=HOSTILE, announced_codec=HOSTILE, capture=HOSTILE
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


class Visitor:
    """A browser without scripts."""

    def __init__(self, store: Path, folder: Path, *, enter: bool = True, **settings: object) -> None:
        self.sessions = Sessions()
        self.settings = ConsoleSettings(f"sqlite:{store}", folder=folder, named=folder / "named", **settings)
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

    def csrf(self, path: str = "/") -> str:
        """Return the token in the forms of a page."""
        return self.get(path).text.partition('name="csrf" value="')[2].partition('"')[0]
