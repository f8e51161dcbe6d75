"""The fraud desk: who is most likely a spammer, votes, who said what, the list of callers, a day's report."""

import csv
import io
import time
from collections import defaultdict
from typing import Any, NamedTuple

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response
from starlette.exceptions import HTTPException

from callprint.cli.parsers import time_ns as time_of
from callprint.console import charts, shown, voting
from callprint.console.csrf import checked_form
from callprint.console.listing import next_url
from callprint.console.pages_calls import seen
from callprint.console.pages_now import ACTIONS
from callprint.console.sessions import Role
from callprint.console.site import Site, require, sees_numbers, session_of
from callprint.core.call import WITHDRAWN, AllowEntry, CallRecord, Vote, voted_caller
from callprint.core.wire.media import MOST_NS
from callprint.stores import CallQuery, VerdictStore
from callprint.stores.base import MINUTE_NS

LOOKED_AT = 300  # latest calls that were judged spam
LONGEST_QUEUE = 100
VOTES_SHOWN = 50
DAY_NS = 86_400_000_000_000
GROUPS = ("caller", "campaign")


class Entry(NamedTuple):
    """A caller or a campaign in the queue."""

    key: str
    call: CallRecord  # the one with the highest score
    calls: int
    callers: int
    last_ns: int
    votes: tuple[Vote, ...]  # that were not taken back
    allowed: bool

    @property
    def settled(self) -> bool:
        """Whether nobody has to look any more: somebody said spam or not spam, or the caller is allowed."""
        return self.allowed or any(vote.kind is None for vote in self.votes)


class Desk(NamedTuple):
    """What the desk shows."""

    queue: list[Entry]
    votes: list[Vote]  # the latest first
    allowed: list[AllowEntry]
    looked_at: int


def router(site: Site) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(include_in_schema=False)
    last_done: dict[str, voting.Done] = {}

    @routes.get("/desk")
    async def desk(request: Request, group: str = "caller", settled: str = "") -> Response:
        """Show the queue."""
        by = group if group in GROUPS else "caller"
        found = await site.ask(lambda store: look(store, by, settled == "1"))
        numbers = sees_numbers(request)
        if numbers and found.queue:
            site.log(request, "looked at the queue", by)
        done = request.query_params.get("done", "")
        return site.render(
            request,
            "desk.html",
            "desk",
            found=found,
            rows=[(entry, seen(entry.call, numbers)) for entry in found.queue],
            group=by,
            groups=GROUPS,
            settled=settled,
            may_vote=session_of(request).user.may(Role.ANALYST),
            done=done if done in (*voting.KINDS, "undone", "nothing") else "",
            number=request.query_params.get("number", "")[:6],
            can_undo=session_of(request).user.name in last_done,
            shown_caller=(lambda text: text) if numbers else shown.masked,
        )

    @routes.post("/desk/vote")
    async def vote(request: Request) -> Response:
        """Vote on the chosen calls."""
        require(request, Role.ANALYST)
        form = await checked_form(request)
        kind = str(form.get("kind", ""))
        back = str(form.get("back", "/desk"))
        chosen = [str(text) for text in form.getlist("call")[: voting.MOST_AT_ONCE]]
        if kind not in voting.KINDS:
            raise HTTPException(400, "There is no such vote.")
        user = session_of(request).user.name
        calls = await site.ask(
            lambda store: [call for key in chosen if (call := site.call_ids.find(store, key))]
        )
        if not calls:
            return RedirectResponse(_back(back, done="nothing"), 303)
        site.log(request, f"voted {kind}", ", ".join(call.call_id for call in calls))
        done = await site.ask(lambda store: voting.vote(store, site.settings, calls, kind, user))
        last_done[user] = done
        return RedirectResponse(_back(back, done=kind, number=str(done.number)), 303)

    @routes.post("/desk/undo")
    async def undo(request: Request) -> Response:
        """Undo what this user did last."""
        require(request, Role.ANALYST)
        form = await checked_form(request)
        back = str(form.get("back", "/desk"))
        user = session_of(request).user.name
        done = last_done.pop(user, None)
        if done is None:
            return RedirectResponse(_back(back, done="nothing"), 303)
        site.log(request, f"undid {done.kind}", str(done.number))
        await site.ask(lambda store: voting.undo(store, site.settings, done, user))
        return RedirectResponse(_back(back, done="undone", number=str(done.number)), 303)

    @routes.get("/desk/callers.csv")
    async def callers(request: Request) -> Response:
        """Export the queue."""
        require(request, Role.ANALYST)
        found = await site.ask(lambda store: look(store, "caller", True))
        site.log(request, "exported callers", str(len(found.queue)))
        return Response(
            _csv(found.queue),
            media_type="text/csv",
            headers={"Content-Disposition": 'attachment; filename="callers.csv"'},
        )

    @routes.get("/desk/report")
    async def report(request: Request, day: str = "") -> Response:
        """Show one day, to be printed."""
        begin_ns = _begin_of(day) if day else None
        found = await site.ask(lambda store: _report(store, begin_ns))
        site.log(request, "printed a report", shown.moment(found["begin_ns"], "%Y-%m-%d"))
        numbers = sees_numbers(request)
        rows = [(entry, seen(entry.call, numbers)) for entry in found.pop("queue")]
        return site.render(
            request,
            "report.html",
            "desk",
            rows=rows,
            shown_caller=(lambda text: text) if numbers else shown.masked,
            **found,
        )

    return routes


def _begin_of(day: str) -> int:
    """Return when a day begins. Raises HTTPException for what is none, or one that no packet is from."""
    try:
        begin_ns = time_of(day) // DAY_NS * DAY_NS
    except Exception as error:
        raise HTTPException(400, "A day is written 2026-11-28.") from error
    if abs(begin_ns) >= MOST_NS:
        raise HTTPException(400, "No packet is from that day.")
    return begin_ns


def look(store: VerdictStore, group: str, settled: bool, query: CallQuery | None = None) -> Desk:
    """Return the queue: by caller or campaign, the highest score first; `settled`: also what has votes already."""
    votes: dict[str, list[Vote]] = defaultdict(list)
    for vote in store.votes():
        votes[vote.caller].append(vote)
    allowed = list(store.allowed())
    names = {entry.caller for entry in allowed}
    groups: dict[str, list[CallRecord]] = defaultdict(list)
    calls = list(store.calls(query or CallQuery(spam=True, limit=LOOKED_AT)))
    for call in calls:
        key = voted_caller(call) if group == "caller" or not call.campaign else call.campaign
        groups[key].append(call)
    queue = [_entry(key, members, votes, names) for key, members in groups.items()]
    if not settled:
        queue = [entry for entry in queue if not entry.settled]
    queue.sort(key=lambda entry: (-(entry.call.spam_score or 0.0), -entry.calls, -entry.last_ns))
    latest = sorted((vote for given in votes.values() for vote in given), key=lambda vote: -vote.given_at_ns)
    return Desk(queue[:LONGEST_QUEUE], latest[:VOTES_SHOWN], allowed, len(calls))


def _entry(key: str, calls: list[CallRecord], votes: dict[str, list[Vote]], allowed: set[str]) -> Entry:
    worst = max(calls, key=lambda call: call.spam_score or 0.0)
    callers = {voted_caller(call) for call in calls}
    given = tuple(
        vote for caller in sorted(callers) for vote in votes.get(caller, ()) if vote.kind != WITHDRAWN
    )
    last_ns = max(call.started_ns for call in calls)
    return Entry(key, worst, len(calls), len(callers), last_ns, given, callers <= allowed)


def _report(store: VerdictStore, begin_ns: int | None) -> dict[str, Any]:
    if begin_ns is None:
        latest = next(iter(store.calls(CallQuery(limit=1))), None)
        begin_ns = (latest.started_ns if latest else time.time_ns()) // DAY_NS * DAY_NS
    span = (begin_ns, begin_ns + DAY_NS)
    actions: dict[str, dict[int, int]] = {action: {} for action in ACTIONS}
    for each in store.call_activity(*span, charts.step_of(1440)):
        actions.setdefault(each.name, {})[each.minute] = each.number
    query = CallQuery(spam=True, since_ns=span[0], until_ns=span[1], limit=LOOKED_AT)
    found = look(store, "caller", True, query)
    return {
        "begin_ns": begin_ns,
        "day_before": shown.moment(begin_ns - DAY_NS, "%Y-%m-%d"),
        "day_after": shown.moment(begin_ns + DAY_NS, "%Y-%m-%d"),
        "chart": charts.stacked_bars(
            actions,
            {name: charts.tone_of(name) for name in actions},
            begin_ns // MINUTE_NS,
            1440,
            "Actions advised on calls by time of day",
        ),
        "totals": [(name, charts.tone_of(name), sum(counts.values())) for name, counts in actions.items()],
        "queue": found.queue[:25],
        "votes": [vote for vote in found.votes if span[0] <= vote.given_at_ns < span[1]],
        "spam_calls": found.looked_at,
    }


def _csv(queue: list[Entry]) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(("caller", "spam_score", "action", "calls", "last_call", "campaign", "reason", "votes"))
    for entry in queue:
        call = entry.call
        votes = " ".join(f"{vote.user}:{vote.says}" for vote in entry.votes)
        cells = (
            entry.key, call.spam_score, call.action, entry.calls, shown.moment(entry.last_ns),
            call.campaign, call.reason, votes,
        )  # fmt: skip
        writer.writerow([_harmless(cell) for cell in cells])
    return text.getvalue()


def _harmless(cell: Any) -> Any:
    """Keep a spreadsheet from taking a text for a formula; a telephone number keeps its plus sign."""
    if isinstance(cell, str) and cell[:1] in ("=", "-", "@", "\t", "\r"):
        return "'" + cell
    if isinstance(cell, str) and cell[:1] == "+" and not cell[1:].isdecimal():
        return "'" + cell
    return cell


def _back(path: str, **said: str) -> str:
    """Return where to go on: a page of ours, never elsewhere."""
    inside = path if path.startswith("/") and not path.startswith(("//", "/\\")) else "/desk"
    plain, _, query = inside.partition("?")
    kept = {
        name: value
        for name, _, value in (part.partition("=") for part in query.split("&"))
        if name in ("group", "settled")
    }
    return next_url(plain, **kept, **said)
