"""The REST interface under /api/v1: the same objects as `--json`, for fraud systems and scripts."""

import json
from importlib.resources import files
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from callprint.console import pages_calls, pages_flows, search, shown, voting
from callprint.console.csrf import check_origin, check_token
from callprint.console.listing import bounded
from callprint.console.pages_now import RANGES, look
from callprint.console.sessions import Role
from callprint.console.site import Site, require, sees_numbers, session_of
from callprint.core.call import CallRecord
from callprint.output.call_json import call_object
from callprint.output.json_lines import flow_object
from callprint.stores import VerdictQuery

MOST_ROWS = 1_000


def _schema(name: str) -> dict[str, Any]:
    """Return a schema that ships, without its address, and with its definitions where they are used."""
    schema: dict[str, Any] = json.loads((files("callprint") / "schemas" / name).read_text("utf-8"))
    definitions = schema.get("$defs", {})

    def inside(part: Any) -> Any:
        if isinstance(part, list):
            return [inside(each) for each in part]
        if not isinstance(part, dict):
            return part
        if "$ref" in part:
            return inside(definitions[part["$ref"].rpartition("/")[2]])
        return {key: inside(value) for key, value in part.items()}

    found: dict[str, Any] = inside({key: value for key, value in schema.items() if not key.startswith("$")})
    return found


def _page(name: str) -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["items", "next", "errors"],
        "properties": {
            "items": {"type": "array", "items": _with_id(name)},
            "next": {"type": ["string", "null"], "description": "`after` of the next page"},
            "further_ns": {"type": ["integer", "null"], "description": "look further back from this time"},
            "errors": {
                "type": "array",
                "items": {"type": "string"},
                "description": "what was not understood",
            },
        },
    }


def _with_id(name: str) -> dict[str, Any]:
    schema = _schema(name)
    properties = {"id": {"type": "string"}, **schema.get("properties", {})}
    return {**schema, "properties": properties, "required": ["id", *schema.get("required", [])]}


def _answers(schema: dict[str, Any], *errors: int) -> dict[int | str, dict[str, Any]]:
    detail = {"type": "object", "required": ["detail"], "properties": {"detail": {}}}
    texts = {
        400: "what was asked makes no sense",
        401: "nobody has come in",
        403: "not with this role, or the token is missing",
        404: "there is no such thing",
        409: "not as things stand",
        429: "too many requests",
        503: "the store does not answer",
    }
    return {
        200: {"description": "the answer", "content": {"application/json": {"schema": schema}}},
        **{
            code: {"description": texts[code], "content": {"application/json": {"schema": detail}}}
            for code in (401, 503, *errors)
        },
    }


class VoteIn(BaseModel):
    """A vote on calls, one for each caller."""

    model_config = ConfigDict(extra="forbid")

    calls: Annotated[list[str], Field(min_length=1, max_length=voting.MOST_AT_ONCE)]
    kind: Annotated[str, Field(pattern="^(spam|not_spam|watch|withdraw|allow|disallow)$")]


Words = Annotated[str, Query(max_length=search.LONGEST, description="as in the search box of the pages")]
After = Annotated[str, Query(max_length=shown.LONGEST_ID, description="`next` of the page before")]
Limit = Annotated[int, Query(ge=1, le=MOST_ROWS)]
Key = Annotated[str, Path(max_length=shown.LONGEST_ID)]


def router(site: Site) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(prefix="/api/v1", default_response_class=JSONResponse)

    @routes.get("/flows", responses=_answers(_page("flow.schema.json")), response_model=None)
    async def flows(q: Words = "", after: After = "", limit: Limit = 50) -> dict[str, Any]:
        """Search flows, by their last verdicts, the latest decision first."""
        asked = search.parse(q, pages_flows.SEARCHABLE)
        query, errors = search.flow_query(asked, limit + 1, pages_flows.place(after))
        rows, further = await site.ask(lambda store: bounded(store, query, store.verdicts))
        last = rows[limit - 1].verdict if len(rows) > limit else None
        return {
            "items": [{"id": shown.flow_id(row.verdict.flow), **flow_object(row)} for row in rows[:limit]],
            "next": f"{last.decided_at_ns}~{shown.flow_id(last.flow)}" if last else None,
            "further_ns": further,
            "errors": list(errors),
        }

    @routes.get("/flows/{key}", responses=_answers(_with_id("flow.schema.json"), 404), response_model=None)
    async def flow(key: Key) -> dict[str, Any]:
        """Give one flow, by its last verdict."""
        asked = shown.flow_of(key)
        rows = await site.ask(lambda store: list(store.verdicts(VerdictQuery(flow=asked)))) if asked else []
        if not rows:
            raise HTTPException(404, "the store has no such flow")
        return {"id": key, **flow_object(rows[0])}

    def call_with_id(row: CallRecord, numbers: bool) -> dict[str, Any]:
        values = call_object(row)
        return {
            "id": site.call_ids.of(row),
            **(values if numbers else shown.masked_values(values, search.NUMBERS)),
        }

    @routes.get("/calls", responses=_answers(_page("call.schema.json")), response_model=None)
    async def calls(request: Request, q: Words = "", after: After = "", limit: Limit = 50) -> dict[str, Any]:
        """Search calls, by their last rows, the latest first. Viewers get masked numbers."""
        numbers = sees_numbers(request)
        asked = search.parse(q, pages_calls.SEARCHABLE, () if numbers else search.NOT_FOR_VIEWERS)
        at = await site.ask(lambda store: site.call_ids.place(store, after)) if after else None
        query, errors = search.call_query(asked, limit + 1, at, numbers=numbers)
        rows, further = await site.ask(lambda store: bounded(store, query, store.calls))
        if numbers and rows:
            site.log(request, "listed calls", q or "all")
        return {
            "items": [call_with_id(row, numbers) for row in rows[:limit]],
            "next": site.call_ids.of(rows[limit - 1]) if len(rows) > limit else None,
            "further_ns": further,
            "errors": list(errors),
        }

    @routes.get("/calls/{key}", responses=_answers(_with_id("call.schema.json"), 404), response_model=None)
    async def call(request: Request, key: Key) -> dict[str, Any]:
        """Give one call, by its last row."""
        row = await site.ask(lambda store: site.call_ids.find(store, key))
        if row is None:
            raise HTTPException(404, "the store has no such call")
        numbers = sees_numbers(request)
        if numbers:
            site.log(request, "looked at a call", row.call_id)
        return call_with_id(row, numbers)

    @routes.get("/activity", responses=_answers({"type": "object"}, 400), response_model=None)
    async def activity(range: Annotated[str, Query(pattern="^(15m|1h|6h|24h|7d)$")] = "1h") -> dict[str, Any]:
        """Count final verdicts by application, and calls that are over by action, by minutes since 1970.

        Over a long time `step_minutes` are counted together, under the first of them.
        """
        found = await site.ask(lambda store: look(store, RANGES[range]))
        return {
            "begin_minute": found.begin,
            "minutes": found.minutes,
            "step_minutes": found.every,
            "flows": found.flows,
            "calls": found.calls,
        }

    @routes.get("/votes", responses=_answers({"type": "array"}, 403), response_model=None)
    async def votes(request: Request) -> list[dict[str, Any]]:
        """Give the votes that count: the latest of each user on each caller, without those taken back."""
        require(request, Role.ANALYST)
        site.log(request, "listed votes", "")
        found = await site.ask(lambda store: list(voting.standing(store)))
        return [
            {
                name: getattr(vote, name)
                for name in ("caller", "user", "spam", "says", "given_at_ns", "call_id", "from_tag")
            }
            for vote in found
        ]

    @routes.post("/votes", responses=_answers({"type": "object"}, 400, 403, 404), response_model=None)
    async def vote(
        request: Request, body: VoteIn, x_csrf_token: Annotated[str, Header(max_length=200)] = ""
    ) -> dict[str, Any]:
        """Vote on calls (spam, not spam, watch, or take it back), or change the allow-list."""
        require(request, Role.ANALYST)
        check_origin(request)
        check_token(request, x_csrf_token)
        user = session_of(request).user.name
        rows = await site.ask(
            lambda store: [row for key in body.calls if (row := site.call_ids.find(store, key))]
        )
        if not rows:
            raise HTTPException(404, "the store has no such call")
        site.log(request, f"voted {body.kind}", ", ".join(row.call_id for row in rows))
        done = await site.ask(lambda store: voting.vote(store, site.settings, rows, body.kind, user))
        return {"callers": done.number, "refused": done.refused}

    @routes.get("/allowed", responses=_answers({"type": "array"}, 403), response_model=None)
    async def allowed(request: Request) -> list[dict[str, Any]]:
        """Give the allow-list."""
        require(request, Role.ANALYST)
        found = await site.ask(lambda store: list(store.allowed()))
        return [{"caller": each.caller, "user": each.user, "given_at_ns": each.given_at_ns} for each in found]

    @routes.get("/models", responses=_answers({"type": "array"}), response_model=None)
    async def models() -> list[dict[str, Any]]:
        """Give the models that gave verdicts."""
        found = await site.ask(lambda store: list(store.models()))
        return [
            {"name": each.name, "sha256": each.digest, "first_used_ns": each.first_used_ns} for each in found
        ]

    return routes
