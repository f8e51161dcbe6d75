"""The pages of calls: the list with its search, and a call: its times, media, score, caller and campaign."""

import math
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response
from starlette.exceptions import HTTPException

from callprint.call_evidence import has_kept_packets
from callprint.console import charts, flow_charts, search, shown
from callprint.console.listing import PAGE, bounded, next_url
from callprint.console.site import Site, sees_numbers, session_of
from callprint.console.vote_effects import Effect, effects
from callprint.core.call import (
    ANONYMOUS_CALLER,
    MEDIA_ONLY_PREFIX,
    WITHDRAWN,
    AllowEntry,
    CallRecord,
    EndedBy,
    Phase,
    voted_caller,
)
from callprint.core.ground.fields import values_of
from callprint.core.spam.features import FEATURE_COUNT, FEATURES, transform
from callprint.core.spam.prior_weights import WEIGHTS
from callprint.core.spam.scorecard import Scorecard, load
from callprint.core.verdict import FlowKey
from callprint.stores import CallQuery, StoredVerdict, VerdictQuery, VerdictStore
from callprint.stores.queries import Where

SEARCHABLE = search.searchable(search.CALL_FIELDS)
SECOND_NS = 1_000_000_000
NEIGHBOURS = 20  # calls shown of a caller or a campaign
MOST_FLOWS = 12
MOST_BARS = 14

EXAMPLES = (
    ("spam", "spam=yes"),
    ("to block", "action=block"),
    ("to watch", "action=watch"),
    ("not answered", "state=failed"),
    ("cancelled", "state=cancelled"),
)


class About(NamedTuple):
    """What the store knows of a call."""

    rows: list[CallRecord]  # the one that counts first
    flows: list[tuple[str, StoredVerdict]]  # who sends it
    of_caller: list[CallRecord]
    of_campaign: list[CallRecord]
    votes: list[Effect]  # of the caller
    allowed: AllowEntry | None
    has_files: bool  # whether its packets are kept


def router(site: Site) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/calls")
    async def calls(request: Request, q: str = "", after: str = "", cols: str = "") -> Response:
        """List calls."""
        numbers = sees_numbers(request)
        hidden = () if numbers else search.NOT_FOR_VIEWERS
        field, sign, value = (request.query_params.get(name, "") for name in ("field", "sign", "value"))
        if field:
            return RedirectResponse(next_url("/calls", q=search.with_term(q, field, sign, value), cols=cols))
        asked = search.parse(q, SEARCHABLE, hidden)
        place = await site.ask(lambda store: site.call_ids.place(store, after)) if after else None
        query, errors = search.call_query(asked, PAGE + 1, place, numbers=numbers)
        rows, further = await site.ask(lambda store: bounded(store, query, store.calls))
        if numbers and rows:
            site.log(request, "listed calls", q or "all")
        columns = [name for name in dict.fromkeys(cols.split(",")) if name in SEARCHABLE]
        more = (
            next_url("/calls", q=q, cols=cols, after=site.call_ids.of(rows[PAGE - 1])) if rows[PAGE:] else ""
        )
        return site.render(
            request,
            "calls.html",
            "calls",
            rows=[(row, seen(row, numbers)) for row in rows[:PAGE]],
            q=asked.text,
            errors=errors,
            more=more,
            further=next_url("/calls", q=search.before(q, "started_ns", further), cols=cols)
            if further
            else "",
            further_ns=further,
            fields={name: field for name, field in SEARCHABLE.items() if name not in hidden},
            columns=[SEARCHABLE[name] for name in columns],
            cols=cols,
            first_page=not after,
            examples=EXAMPLES,
        )

    @routes.get("/calls/{key}")
    async def call(request: Request, key: str) -> Response:
        """Show one call."""
        found = await site.ask(lambda store: _about(site, store, key))
        if found is None:
            raise HTTPException(404, "The store has no such call.")
        numbers = sees_numbers(request)
        last = found.rows[0]
        if numbers:
            site.log(request, "looked at a call", last.call_id)
        values = seen(last, numbers)
        return site.render(
            request,
            "call.html",
            "calls",
            row=last,
            key=key,
            values=values,
            fields=[SEARCHABLE[name] for name in SEARCHABLE if name != "reason"],
            rows=[(each, seen(each, numbers)) for each in found.rows],
            seen=lambda each: seen(each, numbers),
            flows=found.flows,
            ladder=_ladder(last, values),
            media=_media(last, found.flows),
            bars=_bars(last),
            about_caller=[(each, seen(each, numbers)) for each in found.of_caller],
            about_campaign=[(each, seen(each, numbers)) for each in found.of_campaign],
            votes=found.votes,
            has_files=found.has_files and numbers,
            own_vote=any(
                each.vote.user == session_of(request).user.name and each.vote.kind != WITHDRAWN
                for each in found.votes
            ),
            allowed=found.allowed,
        )

    return routes


def seen(call: CallRecord, numbers: bool) -> dict[str, Any]:
    """Return the values of a call as whoever asks may see them."""
    values = values_of(call)
    return values if numbers else shown.masked_values(values, search.NUMBERS)


def _about(site: Site, store: VerdictStore, key: str) -> About | None:
    call = site.call_ids.find(store, key)
    if call is None:
        return None
    span = {"since_ns": call.started_ns, "until_ns": call.started_ns + 1}
    rows = [
        row
        for row in store.calls(CallQuery(call_id=call.call_id, last_only=False, limit=200, **span))
        if (row.from_tag, row.started_ns) == (call.from_tag, call.started_ns)
    ]
    if not rows:
        return None
    last = rows[0]
    keys = [("caller", key) for key in last.caller_flows] + [("callee", key) for key in last.callee_flows]
    flows = [(who, stored) for who, key in keys[:MOST_FLOWS] for stored in _last_verdict(store, key)]
    known = last.caller not in ("", ANONYMOUS_CALLER)
    of_caller = _others(store.calls(CallQuery(number=last.caller, limit=NEIGHBOURS)), last) if known else []
    campaign = CallQuery(where=(Where("campaign", "=", last.campaign),), limit=NEIGHBOURS)
    of_campaign = _others(store.calls(campaign), last) if last.campaign else []
    caller = voted_caller(last)
    allowed = next((entry for entry in store.allowed() if entry.caller == caller), None)
    return About(
        rows,
        flows,
        of_caller,
        of_campaign,
        effects(store, caller),
        allowed,
        has_kept_packets(store, last, site.settings.kept_calls),
    )


def _last_verdict(store: VerdictStore, flow: FlowKey) -> list[StoredVerdict]:
    return list(store.verdicts(VerdictQuery(flow=flow, limit=1)))


def _others(calls: Any, one: CallRecord) -> list[CallRecord]:
    identity = (one.call_id, one.from_tag, one.started_ns)
    return [call for call in calls if (call.call_id, call.from_tag, call.started_ns) != identity]


def _ladder(call: CallRecord, values: dict[str, Any]) -> Any:
    """Draw what the times in the row say; messages themselves are not kept in it."""
    status = f" {call.final_status}" if call.final_status else ""
    if call.call_id.startswith(MEDIA_ONLY_PREFIX):
        marks = [(call.started_ns, "first media packet: no signalling was seen", 0, "")]
        if call.ended_ns is not None:
            marks.append((call.ended_ns, "the media stopped", 0, ""))
        left = values["caller"] or "caller not seen"
        return charts.ladder(left, values["callee"] or "callee not seen", marks, "What happened when")
    marks = [(call.started_ns, "INVITE", 1, "")]
    if call.ringing_ns is not None:
        marks.append((call.ringing_ns, "ringing (18x)", -1, ""))
    if call.answered_ns is not None:
        marks.append((call.answered_ns, "answered (2xx)", -1, "good"))
    if call.ended_ns is not None:
        words, direction = {
            EndedBy.CALLER: ("BYE" if call.answered_ns else "CANCEL", 1),
            EndedBy.CALLEE: ("BYE" if call.answered_ns else f"refused{status}", -1),
        }.get(call.ended_by, (f"ended: {call.ended_by or call.state}", 0))  # type: ignore[arg-type]
        marks.append((call.ended_ns, words, direction, "bad" if not call.answered_ns else ""))
    left = values["caller"] or "caller not seen"
    return charts.ladder(left, values["callee"] or "callee not seen", marks, "What happened when")


def _media(call: CallRecord, flows: list[tuple[str, StoredVerdict]]) -> Any:
    if not flows:
        return ""
    rows = []
    for who, stored in flows:
        until = stored.summary.last_seen_ns if stored.summary else stored.verdict.last_seen_ns
        since = stored.verdict.flow.first_seen_ns
        words = f"{who}: {stored.verdict.application}"
        tone = charts.tone_of(stored.verdict.application)
        rows.append(charts.Lane(words[:28], since, until, tone, _marks(stored, since)))
    begin = min(call.started_ns, *(row.since_ns for row in rows))
    end = max(call.ended_ns or 0, *(row.until_ns for row in rows))
    return charts.lanes(rows, begin, end, "Media over time")


def _marks(stored: StoredVerdict, since_ns: int) -> list[tuple[int, int, str, str]]:
    """Return the windows of a flow with the class of their MOS, those without one left out."""
    return [
        (
            since_ns + window.begins_s * SECOND_NS,
            since_ns + (window.begins_s + window.covers_s) * SECOND_NS,
            flow_charts.tone_of_mos(window.rating.mos),
            f"{window.begins_s}–{window.begins_s + window.covers_s} s: MOS {window.rating.mos:.2f}, "
            f"{window.heard.lost:,} lost, {window.heard.late:,} late of {window.heard.expected:,}",
        )
        for window in flow_charts.windows_of(stored.summary)
        if window.rating.mos is not None and window.covers_s
    ]


@cache
def _scorecard() -> Scorecard:
    return load(WEIGHTS)


def _in_words(value: float, unit: str) -> str:
    if unit == "0/1":
        return "yes" if value else "no"
    words = {"ratio": "", "numbers": "", "1/d": "a day"}.get(unit, unit)
    return f"{value:,.3g} {words}".strip()


def _bars(call: CallRecord) -> Any:
    """Draw what the scorecard's points say about the call alone; votes come on top of them."""
    if len(call.features) != FEATURE_COUNT or call.spam_score is None:
        return ""
    raw = np.array([call.features], np.float64)
    points = _scorecard().points(transform(raw), call.phase is Phase.END)[0]
    order = [int(i) for i in np.argsort(-np.abs(points)) if abs(points[i]) >= 0.05][:MOST_BARS]
    rows = []
    for i in order:
        value = call.features[i]
        words = "not known" if math.isnan(value) else _in_words(value, FEATURES[i].unit)
        name = FEATURES[i].column.removesuffix("_s").removesuffix("_ms").replace("_", " ")
        rows.append((name, words, float(points[i])))
    return charts.balance(rows, "What spoke for spam and against it") if rows else ""
