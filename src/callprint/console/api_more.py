"""More of the REST interface: why a flow got its verdict, and its quality over time."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from callprint.console import shown
from callprint.console.api import Key
from callprint.console.api import _answers as answers
from callprint.console.flow_charts import windows_of
from callprint.console.pages_flows import about, explained
from callprint.console.pages_now import RANGES, look
from callprint.console.site import Site
from callprint.console.topology import plain
from callprint.console.watch import watch_of
from callprint.core.verdict import FlowKey
from callprint.stores.base import MINUTE_NS

NUMBER = {"type": ["number", "null"]}
WHY = {
    "type": "object",
    "required": ["problem", "probabilities", "groups"],
    "properties": {
        "problem": {"type": "string", "description": "why there is no explanation; empty where there is one"},
        "probabilities": {"type": "object", "additionalProperties": {"type": "number"}},
        "packets": {"type": ["integer", "null"]},
        "threshold": NUMBER,
        "novelty": NUMBER,
        "novelty_limit": NUMBER,
        "groups": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["group", "odds", "novelty"],
                "properties": {"group": {"type": "string"}, "odds": {"type": "number"}, "novelty": NUMBER},
            },
        },
    },
}
HEALTH = {
    "type": "object",
    "required": ["stretches", "agents", "topology", "alarms"],
    "properties": {
        "stretches": {
            "type": "array",
            "items": {"type": "object", "properties": {"mos": NUMBER, "lost": NUMBER}},
        },
        "topology": {
            "type": ["object", "null"],
            "required": ["topics", "dead_letters", "problem"],
            "properties": {"topics": {"type": "array"}, "problem": {"type": "string"}},
        },
        "agents": {"type": "array", "items": {"type": "object", "required": ["url", "problem"]}},
        "alarms": {"type": "array", "items": {"type": "object", "required": ["kind", "words"]}},
    },
}
QUALITY = {"type": "array", "items": {"type": "object", "required": ["begins_s", "covers_s", "lost", "mos"]}}


def router(site: Site) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(prefix="/api/v1", default_response_class=JSONResponse)

    def asked(key: str) -> FlowKey:
        flow = shown.flow_of(key)
        if flow is None:
            raise HTTPException(404, "the store has no such flow")
        return flow

    @routes.get("/flows/{key}/why", responses=answers(WHY, 404), response_model=None)
    async def why(key: Key) -> dict[str, Any]:
        """Explain a flow's verdict by its kept packets: probabilities, and what each group of features does."""
        flow = asked(key)
        history, kept, _ = await site.ask(lambda store: about(store, flow))
        if not history:
            raise HTTPException(404, "the store has no such flow")
        found = await explained(site, history, kept)
        reasons = found.explanation
        return {
            "problem": found.problem,
            "probabilities": dict(reasons.probabilities) if reasons else {},
            "packets": reasons.packets if reasons else None,
            "threshold": reasons.threshold if reasons else None,
            "novelty": reasons.novelty if reasons else None,
            "novelty_limit": reasons.novelty_limit if reasons else None,
            "groups": [
                {"group": each.group, "odds": each.odds, "novelty": each.novelty} for each in reasons.groups
            ]
            if reasons
            else [],
        }

    @routes.get("/flows/{key}/quality", responses=answers(QUALITY, 404), response_model=None)
    async def quality(key: Key) -> list[dict[str, Any]]:
        """Give the counters, R and MOS of each ten seconds of a flow; nothing where the row has totals alone."""
        flow = asked(key)
        history, _, _ = await site.ask(lambda store: about(store, flow))
        if not history:
            raise HTTPException(404, "the store has no such flow")
        return [
            {
                "begins_s": window.begins_s,
                "covers_s": window.covers_s,
                "lost": window.heard.lost,
                **window.heard._asdict(),
                "r_factor": window.rating.r,
                "mos": window.rating.mos,
            }
            for window in windows_of(history[0].summary)
        ]

    @routes.get("/health", responses=answers(HEALTH), response_model=None)
    async def health(
        range: Annotated[str, Query(pattern="^(15m|1h|6h|24h|7d)$")] = "1h",
    ) -> dict[str, Any]:
        """Give loss and MOS over time by samples of flows, agents and alarms; empty while they are looked for."""
        found = await site.ask(lambda store: look(store, RANGES[range]))
        end_ns = (found.begin + found.minutes) * MINUTE_NS
        watch = watch_of(site)
        stretches = await watch.stretches(found.begin * MINUTE_NS, end_ns)
        alarms = await watch.alarms(end_ns)
        topology = await watch.topology()
        return {
            "stretches": [each._asdict() for each in stretches],
            "agents": [each._asdict() for each in await watch.agents()],
            "topology": topology and plain(topology),
            "alarms": [{"kind": each.kind, "words": each.words} for each in alarms],
        }

    return routes
