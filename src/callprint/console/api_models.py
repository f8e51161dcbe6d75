"""The REST interface of unknown flows, training and drift: what the pages Unknowns, Training and Models offer."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from callprint.console import pages_training, pages_unknowns, shown
from callprint.console.api import Limit
from callprint.console.api import _answers as answers
from callprint.console.csrf import check_origin, check_token
from callprint.console.pages_models import model_paths
from callprint.console.pages_unknowns import Chosen
from callprint.console.sessions import Role
from callprint.console.site import Site, require, session_of
from callprint.console.standing_drift import StandingDrift
from callprint.console.standing_map import StandingMap, View
from callprint.console.training_runs import NotNowError, TrainingRuns
from callprint.model_files import ModelFile, models_at
from callprint.network_in_place import network_in_place

TEXT: dict[str, Any] = {"type": "string"}
COUNT: dict[str, Any] = {"type": "integer", "minimum": 0}
COUNTS: dict[str, Any] = {"type": "object", "additionalProperties": COUNT}


def _object(**properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": list(properties), "properties": properties}


def _list(of: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": of}


def _or_null(of: dict[str, Any]) -> dict[str, Any]:
    return {**of, "type": [of["type"], "null"]}


CLUSTER = _object(
    **{"cluster": TEXT, "flows": COUNT, "hosts": COUNTS, "codecs": COUNTS},
    **{"nearest_known": COUNTS, "declared": COUNTS, "user_agents": COUNTS},
)
UNKNOWNS = _object(
    state={"enum": ["clustering", "ready", "failed"]},
    problem=TEXT,
    as_of_ns=_or_null(COUNT),
    flows=COUNT,
    too_short=COUNT,
    clusters=_list(CLUSTER),
    named=COUNTS,
)
UNKNOWN_FLOW = _object(
    **{"flow": TEXT, "id": TEXT, "cluster": _or_null(TEXT), "codec": TEXT, "best_application": TEXT},
    **{"confidence": {"type": "number"}, "declared": _or_null(TEXT), "user_agent": _or_null(TEXT)},
)
TRAINING = _object(
    state={"enum": ["none", "running", "interrupted", "failed", "done"]},
    network=_or_null(TEXT),
    stage=TEXT,
    epoch=COUNT,
    epochs=_or_null(COUNT),
    problem=TEXT,
    comparison=_list({"type": "object"}),
    in_place=TEXT,
)
PART = _object(
    **{"part": TEXT, "flows": COUNT, "divergence": {"type": "number"}, "limit": {"type": "number"}},
    **{"alarm": {"type": "boolean"}, "moved": _list({"type": "object"})},
)
DRIFT = _object(
    state={"enum": ["measuring", "ready", "failed"]},
    problem=TEXT,
    models=_list(_object(name=TEXT, sha256=TEXT, flows=COUNT, parts=_list(PART))),
)
Name = Annotated[str, Field(max_length=100)]
CsrfToken = Annotated[str, Header(max_length=200)]


class NamesIn(BaseModel):
    """A name for clusters, flows, or the flows of hosts within the clusters."""

    model_config = ConfigDict(extra="forbid")

    application: Annotated[str, Field(min_length=1, max_length=64)]
    clusters: Annotated[list[Name], Field(max_length=1_000)] = []
    flows: Annotated[list[Name], Field(max_length=1_000)] = []
    hosts: Annotated[list[Name], Field(max_length=1_000)] = []


class RegroupIn(BaseModel):
    """A change of clusters."""

    model_config = ConfigDict(extra="forbid")

    kind: Annotated[str, Field(pattern="^(split|merge|undo|renew)$")]
    clusters: Annotated[list[Name], Field(max_length=1_000)] = []


class TrainingIn(BaseModel):
    """What to do about training."""

    model_config = ConfigDict(extra="forbid")

    kind: Annotated[str, Field(pattern="^(start|go-on|stop|place|roll-back)$")]
    epochs: Annotated[int, Field(ge=1, le=pages_training.MOST_ROUNDS)] = 30
    windows: Annotated[int, Field(ge=1, le=pages_training.MOST_ROUNDS)] = 20


def router(site: Site, standing: StandingMap, runs: TrainingRuns, drift: StandingDrift) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(prefix="/api/v1", default_response_class=JSONResponse)

    def check(request: Request, token: str) -> None:
        require(request, Role.ANALYST)
        check_origin(request)
        check_token(request, token)

    async def view_now() -> View:
        view = await asyncio.to_thread(standing.look, await pages_unknowns.state_of(site))
        if view is None:
            raise HTTPException(409, standing.work.problem or "the flows are still being clustered")
        return view

    @routes.get("/unknowns", responses=answers(UNKNOWNS), response_model=None)
    async def unknowns() -> dict[str, Any]:
        """Give the clusters of unknown flows; the first time they are being found."""
        view = await asyncio.to_thread(standing.look, await pages_unknowns.state_of(site))
        problem = standing.work.problem
        return {
            "state": "ready" if view else "failed" if problem else "clustering",
            "problem": problem,
            "as_of_ns": int(view.standing.made_at_s * 1e9) if view else None,
            "flows": len(view.found.flows) if view else 0,
            "too_short": view.found.too_short if view else 0,
            "clusters": [_cluster(each) for each in pages_unknowns.shown_clusters(view)] if view else [],
            "named": dict(pages_unknowns.named_so_far(site.settings.named)),
        }

    @routes.get("/unknowns/flows", responses=answers(_list(UNKNOWN_FLOW), 409), response_model=None)
    async def unknown_flows(
        cluster: Annotated[str, Query(max_length=100)] = "", limit: Limit = 100
    ) -> list[dict[str, Any]]:
        """Give unknown flows: those of one cluster, the most typical first, or of all and of none."""
        view = await view_now()
        of = {i: each.name for each in view.found.clusters for i in each.members}
        chosen = [i for i, name in of.items() if name == cluster] if cluster else [*of, *view.found.single]
        return [_flow(view, i, of.get(i)) for i in chosen[:limit]]

    @routes.post(
        "/unknowns/names", responses=answers(_object(named=COUNT), 400, 403, 404, 409), response_model=None
    )
    async def names(request: Request, body: NamesIn, x_csrf_token: CsrfToken = "") -> dict[str, Any]:
        """Give unknown flows a name: they become training data."""
        check(request, x_csrf_token)
        chosen = Chosen(frozenset(body.clusters), frozenset(body.flows), frozenset(body.hosts))
        return {
            "named": await pages_unknowns.give_name(site, request, await view_now(), body.application, chosen)
        }

    @routes.post(
        "/unknowns/clusters",
        responses=answers(_object(clusters=_list(TEXT)), 400, 403, 409),
        response_model=None,
    )
    async def regroup(request: Request, body: RegroupIn, x_csrf_token: CsrfToken = "") -> dict[str, Any]:
        """Split a cluster, merge several, take the last of this back, or cluster anew."""
        check(request, x_csrf_token)
        if body.kind == "renew":
            standing.look(None, renew=True)
        else:
            chosen = tuple(body.clusters)
            await asyncio.to_thread(pages_unknowns.change, site, request, standing, body.kind, chosen)
        return {"clusters": [each.name for each in (await view_now()).found.clusters]}

    @routes.get("/training", responses=answers(TRAINING), response_model=None)
    async def training() -> dict[str, Any]:
        """Say where the latest training stands, and which network is in place."""
        return await asyncio.to_thread(_training, site, runs)

    @routes.post("/training", responses=answers(TRAINING, 400, 403, 409), response_model=None)
    async def train(request: Request, body: TrainingIn, x_csrf_token: CsrfToken = "") -> dict[str, Any]:
        """Start a training, stop it, go on; put the new network in place, or the one before."""
        check(request, x_csrf_token)
        site.log(request, f"training: {body.kind}", "")
        rounds = {"epochs": str(body.epochs), "windows": str(body.windows)}
        user = session_of(request).user.name
        try:
            await asyncio.to_thread(pages_training.act, site, runs, body.kind, rounds, user)
        except NotNowError as error:
            raise HTTPException(409, str(error)) from error
        return await asyncio.to_thread(_training, site, runs)

    @routes.get("/drift", responses=answers(DRIFT), response_model=None)
    async def measured() -> dict[str, Any]:
        """Give the drift of each model at hand on the latest verdicts; the first time it is being measured."""
        found = drift.look(model_paths(site.settings))
        paths = [path for path in model_paths(site.settings) if path.exists()]
        names = {
            each.card.onnx_sha256: f"{each.card.name} {each.card.version}"
            for each in models_at(paths)
            if isinstance(each, ModelFile)
        }
        return {
            "state": "failed" if drift.work.problem else "measuring" if found is None else "ready",
            "problem": drift.work.problem,
            "models": [
                {
                    "name": names.get(digest, ""),
                    "sha256": digest,
                    "flows": each.flows,
                    "parts": [_part(part) for part in each.parts],
                }
                for digest, each in (found or {}).items()
            ],
        }

    return routes


def _cluster(each: pages_unknowns.ShownCluster) -> dict[str, Any]:
    return {
        "cluster": each.cluster.name,
        "flows": len(each.flows),
        "hosts": dict(each.hosts),
        "codecs": dict(each.cluster.codecs),
        "nearest_known": dict(each.cluster.guesses),
        "declared": dict(each.declared),
        "user_agents": dict(each.user_agents),
    }


def _flow(view: View, i: int, cluster: str | None) -> dict[str, Any]:
    flow = view.found.flows[i]
    hints = view.standing.hints
    return {
        "flow": flow.digest,
        "id": shown.flow_id(flow.kept.flow),
        "cluster": cluster,
        "codec": flow.codec,
        "best_application": flow.best_application,
        "confidence": round(flow.confidence, 4),
        "declared": hints.declared.get(flow.kept.flow),
        "user_agent": hints.user_agents.get(flow.kept.flow),
    }


def _training(site: Site, runs: TrainingRuns) -> dict[str, Any]:
    found = runs.look()
    return {
        "state": found.state,
        "network": found.run.title if found.run else None,
        "stage": found.stage,
        "epoch": found.epoch,
        "epochs": found.run.epochs if found.run else None,
        "problem": found.problem,
        "comparison": list(found.comparison),
        "in_place": pages_training.named_network(network_in_place(site.settings.placed)),
    }


def _part(part: Any) -> dict[str, Any]:
    return {
        "part": part.part,
        "flows": part.flows,
        "divergence": round(part.divergence, 4),
        "limit": round(part.limit, 4),
        "alarm": part.alarm,
        "moved": [{"what": what, "then": before, "now": now} for what, before, now in part.moved],
    }
