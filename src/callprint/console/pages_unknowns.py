"""The pages of unknown flows: clusters, what each is made of, names, splits and merges, the named ones as a dataset."""

import asyncio
import io
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response, StreamingResponse
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException

from callprint.console.background import changes_of
from callprint.console.csrf import checked_form
from callprint.console.hints import counted
from callprint.console.listing import next_url
from callprint.console.sessions import Role
from callprint.console.site import Site, require
from callprint.console.standing_map import StandingMap, View
from callprint.core.ground.errors import DatasetError
from callprint.stores.base import EvidenceState

if TYPE_CHECKING:
    from callprint.unknowns.clusters import Cluster, KeptFlow

STORE_WAITS_S = 0.1  # for how much is kept; a page does without rather than be late
FLOWS_SHOWN = 200
HOSTS_SHOWN = 50
LONGEST_EXPORT = 200 << 20
DONE = {
    "name": "Flows that are now training data for {what}: {number}.",
    "split": "Cluster {what} is now two.",
    "merge": "The chosen clusters are now one.",
    "undo": "The last split or merge is taken back.",
}


@dataclass(frozen=True, slots=True)
class ShownCluster:
    """A cluster, with what its flows say of themselves."""

    letter: str
    cluster: "Cluster"
    flows: list["KeptFlow"]
    declared: list[tuple[str, int]]
    user_agents: list[tuple[str, int]]
    hosts: list[tuple[str, int]]


def router(site: Site, standing: StandingMap) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(include_in_schema=False)

    async def view_now() -> View:
        view = await asyncio.to_thread(standing.look, None)
        if view is None:
            raise HTTPException(
                409, standing.work.problem or "The flows are still being clustered: try again."
            )
        return view

    @routes.get("/unknowns")
    async def unknowns(request: Request) -> Response:
        """Show the clusters, or say that they are being found."""
        state = await state_of(site)
        view = await asyncio.to_thread(standing.look, state)
        return site.render(
            request,
            "unknowns.html",
            "unknowns",
            view=view,
            clusters=shown_clusters(view) if view else [],
            singles=[view.found.flows[i] for i in view.found.single[:FLOWS_SHOWN]] if view else [],
            state=state,
            running=standing.work.running,
            problem=standing.work.problem,
            steps=len(standing.regroupings.steps()) if view else 0,
            named=named_so_far(site.settings.named),
            named_folder=str(site.settings.named),
            most=FLOWS_SHOWN,
            done=_done(request),
        )

    @routes.get("/unknowns/map.svg")
    async def picture() -> Response:
        """Draw the flows: near each other are those that are alike."""
        from callprint.unknowns.picture import map_svg  # noqa: PLC0415 - extra `spit`

        view = await view_now()
        return Response(map_svg(view.found, points=view.points), media_type="image/svg+xml")

    @routes.get("/unknowns/events")
    async def events(request: Request) -> StreamingResponse:
        """Say when clusters change."""
        return StreamingResponse(
            changes_of(lambda: standing.work.version, request), media_type="text/event-stream"
        )

    @routes.get("/unknowns/clusters/{name}")
    async def cluster(request: Request, name: str) -> Response:
        """Show the flows and hosts of one cluster."""
        view = await view_now()
        found = next((each for each in shown_clusters(view) if each.cluster.name == name), None)
        if found is None:
            raise HTTPException(404, "There is no such cluster any more.")
        return site.render(
            request,
            "cluster.html",
            "unknowns",
            each=found,
            hints=view.standing.hints,
            most=FLOWS_SHOWN,
            most_hosts=HOSTS_SHOWN,
            done=_done(request),
        )

    @routes.post("/unknowns/name")
    async def name(request: Request) -> Response:
        """Give clusters, flows or hosts the name of an application: they become training data."""
        require(request, Role.ANALYST)
        form = await checked_form(request)
        application = str(form.get("application", "")).strip()
        number = await give_name(site, request, await view_now(), application, _chosen(form))
        return RedirectResponse(next_url("/unknowns", done="name", what=application, number=str(number)), 303)

    @routes.post("/unknowns/{kind}")
    async def regroup(request: Request, kind: str) -> Response:
        """Split a cluster, merge several, take the last of this back, or cluster anew."""
        require(request, Role.ANALYST)
        form = await checked_form(request)
        chosen = tuple(map(str, form.getlist("cluster")))
        if kind == "renew":
            standing.look(None, renew=True)
            return RedirectResponse("/unknowns", 303)
        if kind not in DONE:
            raise HTTPException(404, "There is no such page.")
        await asyncio.to_thread(change, site, request, standing, kind, chosen)
        return RedirectResponse(next_url("/unknowns", done=kind, what=", ".join(chosen)[:80]), 303)

    @routes.get("/unknowns/dataset.zip")
    async def dataset(request: Request) -> Response:
        """Give the named flows as the folder that `callprint train` reads."""
        require(request, Role.ANALYST)
        site.log(request, "exported named flows", str(site.settings.named))
        content = await asyncio.to_thread(_zipped, site.settings.named)
        return Response(
            content,
            media_type="application/zip",
            headers={"Content-Disposition": 'attachment; filename="named-flows.zip"'},
        )

    return routes


async def state_of(site: Site) -> EvidenceState | None:
    """Return how much evidence the store keeps, None when it does not say so at once."""
    try:
        return await asyncio.wait_for(site.ask(lambda store: store.evidence_state()), STORE_WAITS_S)
    except TimeoutError:
        return None


def shown_clusters(view: View) -> list[ShownCluster]:
    """Return the clusters, the largest first."""
    from callprint.unknowns.picture import cluster_letter  # noqa: PLC0415 - extra `spit`

    hints, clusters = view.standing.hints, []
    for number, cluster in enumerate(view.found.clusters):
        flows = [view.found.flows[i] for i in cluster.members]
        clusters.append(
            ShownCluster(
                cluster_letter(number),
                cluster,
                flows,
                counted(hints.declared.get(each.kept.flow) for each in flows),
                counted(hints.user_agents.get(each.kept.flow) for each in flows),
                counted(each.kept.flow.src_ip for each in flows),
            )
        )
    return clusters


@dataclass(frozen=True, slots=True)
class Chosen:
    """What is to be named: flows by their digests, whole clusters, or the flows of hosts within these."""

    clusters: frozenset[str]
    flows: frozenset[str] = frozenset()
    hosts: frozenset[str] = frozenset()


def _chosen(form: FormData) -> Chosen:
    return Chosen(*(frozenset(map(str, form.getlist(name))) for name in ("cluster", "flow", "host")))


async def give_name(site: Site, request: Request, view: View, application: str, chosen: Chosen) -> int:
    """Write what is chosen to the training folder; returns how many flows are new there. Raises HTTPException."""
    found = view.found
    of_clusters = [
        found.flows[i] for each in found.clusters if each.name in chosen.clusters for i in each.members
    ]
    if chosen.flows or chosen.hosts:
        members = [each for each in found.flows if each.digest in chosen.flows]
        members += [each for each in of_clusters if each.kept.flow.src_ip in chosen.hosts]
    else:
        members = of_clusters
    if not members:
        raise HTTPException(404, "Nothing is chosen, or it is not there any more.")
    from callprint.unknowns.naming import engine_of  # noqa: PLC0415 - extra `spit`

    engine = engine_of(application, view.standing.engines)
    digests = ", ".join(each.digest for each in members)
    site.log(request, f"named unknown flows {application}", digests)
    try:
        return await asyncio.to_thread(_write, site.settings.named, application, engine, members)
    except DatasetError as error:
        raise HTTPException(400, str(error)) from error


def change(site: Site, request: Request, standing: StandingMap, kind: str, chosen: tuple[str, ...]) -> None:
    """Split, merge, or take the last of this back. Raises HTTPException where nothing would change."""
    from callprint.unknowns.regroup import Step, regrouped  # noqa: PLC0415 - extra `spit`

    view = standing.look(None)
    if view is None:
        raise HTTPException(409, "The flows are still being clustered: try again.")
    site.log(request, f"clusters of unknown flows: {kind}", ", ".join(chosen))
    if kind == "undo":
        if not standing.regroupings.undo():
            raise HTTPException(409, "There is nothing to take back.")
    else:
        step = Step(kind, chosen)
        if not chosen or regrouped(view.found, (step,)) is view.found:
            what = "Choose two clusters or more." if kind == "merge" else "This cluster cannot be split."
            raise HTTPException(409, what)
        standing.regroupings.add(step)
    standing.work.version += 1


def _done(request: Request) -> str:
    text = DONE.get(request.query_params.get("done", ""), "")
    what, number = request.query_params.get("what", "")[:80], request.query_params.get("number", "")[:6]
    return text.format(what=what, number=number)


def _write(folder: Path, application: str, engine: str, members: list[Any]) -> int:
    from callprint.unknowns.naming import write_named  # noqa: PLC0415 - extra `spit`

    return write_named(folder, application, engine, members)


def named_so_far(folder: Path) -> list[tuple[str, int]]:
    """Return how many flows each application has in the training folder."""
    if not folder.is_dir():
        return []
    counts = (
        (each.name, sum(1 for _ in each.glob("*.pcap"))) for each in sorted(folder.iterdir()) if each.is_dir()
    )
    return [(name, number) for name, number in counts if number]


def _zipped(folder: Path) -> bytes:
    files = [path for path in (*folder.glob("flows.csv"), *folder.glob("*/*.pcap")) if path.is_file()]
    if sum(path.stat().st_size for path in files) > LONGEST_EXPORT:
        raise HTTPException(413, f"That is too much to send at once: copy {folder} itself.")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in files:
            archive.write(path, path.relative_to(folder))
    return buffer.getvalue()
