"""The pages of flows: the list with its search, a flow with all that is known of it, its k-matrix as a picture."""

import asyncio
import re
from typing import Any

import numpy as np
from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response
from starlette.exceptions import HTTPException

from callprint.console import charts, flow_charts, search, shown
from callprint.console.listing import PAGE, bounded, next_url
from callprint.console.site import Site, sees_numbers
from callprint.console.why import GROUP_NAMES, Why, reasons_with
from callprint.core.call import CallRecord
from callprint.core.evidence import EVIDENCE_RTP, split
from callprint.core.ground.fields import values_of
from callprint.core.verdict import FlowKey
from callprint.output.json_lines import FIELDS, flow_object
from callprint.stores import CallQuery, StoredVerdict, VerdictQuery, VerdictStore
from callprint.stores.base import UnknownEvidence

SEARCHABLE = search.searchable(search.FLOW_FIELDS)
EXTRA_COLUMNS = ("mos", "engine", "declared_name")
"""Shown in the list as well where the field list has them."""
COLUMNS = tuple(name for name in EXTRA_COLUMNS if name in SEARCHABLE)
BEFORE_NS, AFTER_NS = 120_000_000_000, 5_000_000_000
CALLS_LOOKED_AT = 200
MATRIX_COLUMNS = 256
MOST_MATRIX_ROWS = 100
MOST_UNLIKE = 6  # groups of features shown that make a flow unlike others
MOST_CLASSES = 8  # shown of those that a flow could be
_TIME = re.compile(r"-?[0-9]{1,19}")

EXAMPLES = (
    ("unknown", "application=unknown"),
    ("not sure", "confidence<0.8"),
    ("lossy", "lost>20"),
    ("jitter over 30 ms", "jitter_ms>30"),
    ("running", "ended=running"),
)


def router(site: Site) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/flows")
    async def flows(request: Request, q: str = "", after: str = "", cols: str = "") -> Response:
        """List flows."""
        field, sign, value = (request.query_params.get(name, "") for name in ("field", "sign", "value"))
        if field:
            return RedirectResponse(next_url("/flows", q=search.with_term(q, field, sign, value), cols=cols))
        asked = search.parse(q, SEARCHABLE)
        query, errors = search.flow_query(asked, PAGE + 1, place(after))
        rows, further = await site.ask(lambda store: bounded(store, query, store.verdicts))
        columns = [name for name in dict.fromkeys((*COLUMNS, *cols.split(","))) if name in SEARCHABLE]
        more = ""
        if len(rows) > PAGE:
            last = rows[PAGE - 1].verdict
            more = next_url(
                "/flows", q=q, cols=cols, after=f"{last.decided_at_ns}~{shown.flow_id(last.flow)}"
            )
        return site.render(
            request,
            "flows.html",
            "flows",
            rows=[(row, flow_object(row)) for row in rows[:PAGE]],
            q=asked.text,
            errors=errors,
            more=more,
            further=next_url("/flows", q=search.before(q, "decided_at_ns", further), cols=cols)
            if further
            else "",
            further_ns=further,
            fields=SEARCHABLE,
            columns=[SEARCHABLE[name] for name in columns],
            cols=cols,
            first_page=not after,
            examples=EXAMPLES,
        )

    @routes.get("/flows/{key}")
    async def flow(request: Request, key: str) -> Response:
        """Show one flow."""
        asked = _asked(key)
        history, kept, calls = await site.ask(lambda store: about(store, asked))
        if not history:
            raise HTTPException(404, "The store has no such flow.")
        last = history[0]
        values = flow_object(last) | values_of(last.verdict)
        names = sees_numbers(request)
        why = await explained(site, history, kept)
        windows = flow_charts.windows_of(last.summary)
        return site.render(
            request,
            "flow.html",
            "flows",
            row=last,
            values=values,
            key=key,
            history=history,
            fields=FIELDS,
            kept=kept,
            records=_records(kept) if kept else [],
            rows_of_matrix=min(kept.k, MOST_MATRIX_ROWS) if kept else 0,
            why=why,
            classes=_classes(why),
            spoke=_spoke(why),
            unlike=_unlike(why),
            windows=windows,
            quality=flow_charts.quality(windows, "MOS and missing packets over time") if windows else "",
            calls=[(call, _who(call, names)) for call in calls],
        )

    @routes.get("/flows/{key}/k-matrix.png")
    async def k_matrix(key: str) -> Response:
        """Draw the k-matrix of a flow whose evidence is kept."""
        asked = _asked(key)
        kept = await site.ask(lambda store: next(iter(store.evidence_of(asked)), None))
        if kept is None:
            raise HTTPException(404, "No packets of this flow are kept.")
        return Response(charts.grey_png(_matrix(kept)), media_type="image/png")

    return routes


async def explained(site: Site, history: list[StoredVerdict], kept: UnknownEvidence | None) -> Why:
    """Return why a flow got the verdict that its kept evidence belongs to."""
    if kept is None:
        return Why(None, "Its packets are not kept.")
    of_kept = (row.verdict for row in history if row.verdict.decided_at_ns == kept.decided_at_ns)
    verdict = next(of_kept, history[0].verdict)
    return await asyncio.to_thread(reasons_with(site.settings.models).why, verdict, kept)


def _classes(why: Why) -> Any:
    """Draw the likeliest classes."""
    if why.explanation is None:
        return ""
    found = why.explanation
    rows = [(name, share, f"{charts.tone_of(name)}") for name, share in found.probabilities[:MOST_CLASSES]]
    return flow_charts.shares(rows, found.threshold, "Probability of each application")


def _spoke(why: Why) -> Any:
    """Draw what each group of features does for the best guess."""
    if why.explanation is None or not why.explanation.groups:
        return ""
    rows = [(GROUP_NAMES.get(each.group, each.group), "", each.odds) for each in why.explanation.groups]
    return charts.balance(rows, "What spoke for the best guess and against it", ("good", "bad"))


def _unlike(why: Why) -> Any:
    """Draw which groups make the flow unlike all that the model knows."""
    found = why.explanation
    if found is None or found.novelty is None or found.novelty_limit is None:
        return ""
    groups = [each for each in found.groups if each.novelty is not None]
    groups.sort(key=lambda each: -abs(each.novelty or 0.0))
    rows = [
        (GROUP_NAMES.get(each.group, each.group), "", each.novelty or 0.0) for each in groups[:MOST_UNLIKE]
    ]
    return charts.balance(rows, "What makes the flow unlike known applications") if rows else ""


def _asked(key: str) -> FlowKey:
    flow = shown.flow_of(key)
    if flow is None:
        raise HTTPException(404, "This is no flow's address.")
    return flow


def place(after: str) -> tuple[int, FlowKey] | None:
    """Return the place in the list that `after` in a URL names."""
    time_ns, _, key = after.partition("~")
    flow = shown.flow_of(key)
    if flow is None or not _TIME.fullmatch(time_ns) or not -(1 << 63) <= int(time_ns) < 1 << 63:
        return None
    return int(time_ns), flow


def about(
    store: VerdictStore, flow: FlowKey
) -> tuple[list[StoredVerdict], UnknownEvidence | None, list[CallRecord]]:
    """Return the verdicts on a flow, the last one first, its evidence, and the calls that it belongs to."""
    last = list(store.verdicts(VerdictQuery(flow=flow)))
    others = [row for row in store.verdicts(VerdictQuery(flow=flow, last_only=False)) if row not in last]
    span = CallQuery(
        since_ns=flow.first_seen_ns - BEFORE_NS,
        until_ns=flow.first_seen_ns + AFTER_NS,
        limit=CALLS_LOOKED_AT,
    )
    calls = [call for call in store.calls(span) if flow in (*call.caller_flows, *call.callee_flows)]
    return [*last, *others], next(iter(store.evidence_of(flow)), None), calls


def _who(call: CallRecord, numbers: bool) -> tuple[str, str]:
    both = (call.caller, call.callee)
    return both if numbers else (shown.masked(both[0]), shown.masked(both[1]))


def _records(kept: UnknownEvidence) -> list[dict[str, Any]]:
    kinds = ("RTP", "RTCP", "STUN", "DTLS")
    records = _split(kept)
    counts: dict[str, dict[str, Any]] = {}
    for time_ns, kind, payload in records:
        name = kinds[kind] if kind < len(kinds) else "other"
        row = counts.setdefault(name, {"name": name, "packets": 0, "bytes": 0, "first": time_ns, "last": 0})
        row["packets"] += 1
        row["bytes"] += len(payload)
        row["last"] = time_ns
    return list(counts.values())


def _split(kept: UnknownEvidence) -> list[tuple[int, int, bytes]]:
    try:
        return split(np.frombuffer(kept.evidence, np.uint8))
    except ValueError:
        return []  # a store is data from outside


def _matrix(kept: UnknownEvidence) -> np.ndarray:
    """Return the payload bytes of the first packets, (k, 256) uint8."""
    payloads = [payload for _, kind, payload in _split(kept) if kind == EVIDENCE_RTP][:MOST_MATRIX_ROWS]
    picture = np.zeros((max(1, len(payloads)), MATRIX_COLUMNS), np.uint8)
    for row, payload in zip(picture, payloads, strict=False):
        head = payload[:MATRIX_COLUMNS]
        row[: len(head)] = np.frombuffer(head, np.uint8)
    return picture
