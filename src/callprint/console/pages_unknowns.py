"""The page of unknown flows: clusters, names for them and for single flows, the named ones as a dataset."""

import asyncio
import io
import zipfile
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response
from starlette.exceptions import HTTPException

from callprint.console.csrf import checked_form
from callprint.console.listing import next_url
from callprint.console.sessions import Role
from callprint.console.site import Site, require
from callprint.core.ground.errors import DatasetError
from callprint.model_files import DEFAULT_MODEL
from callprint.stores import VerdictStore
from callprint.stores.base import UnknownEvidence

MOST_FLOWS = 2_000  # clustered by the page; `callprint unknowns` takes them all
MEMBERS_SHOWN = 8
LONGEST_EXPORT = 200 << 20


def router(site: Site) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(include_in_schema=False)
    one_at_a_time = asyncio.Lock()

    async def clustered() -> Any:
        kept = await site.ask(_kept)
        async with one_at_a_time:
            return await asyncio.to_thread(_clustered, kept, site.settings.named)

    @routes.get("/unknowns")
    async def unknowns(request: Request) -> Response:
        """Show the clusters."""
        found = problem = None
        try:
            found, _ = await clustered()
        except ImportError as error:
            problem = f"Clustering needs {error.name}: the extras `cpu` and `spit` bring it."
        named = site.settings.named
        return site.render(
            request,
            "unknowns.html",
            "unknowns",
            found=found,
            problem=problem,
            members=MEMBERS_SHOWN,
            named=_named(named),
            named_folder=str(named),
            done=request.query_params.get("done", "")[:80],
            number=request.query_params.get("number", "")[:6],
        )

    @routes.get("/unknowns/map.svg")
    async def picture() -> Response:
        """Draw the flows: near each other are those that are alike."""
        from callprint.unknowns.picture import map_svg  # noqa: PLC0415 - extra `spit`

        found, _ = await clustered()
        async with one_at_a_time:
            return Response(await asyncio.to_thread(map_svg, found), media_type="image/svg+xml")

    @routes.post("/unknowns/name")
    async def name(request: Request) -> Response:
        """Give a cluster, or chosen flows, the name of an application: they become training data."""
        require(request, Role.ANALYST)
        form = await checked_form(request)
        application = str(form.get("application", "")).strip()
        flows = {str(text) for text in form.getlist("flow")}
        cluster = str(form.get("cluster", ""))
        found, engines = await clustered()
        members = [each for each in found.flows if each.digest in flows]
        if not members:
            chosen = next((each for each in found.clusters if each.name == cluster), None)
            members = [found.flows[i] for i in chosen.members] if chosen else []
        if not members:
            raise HTTPException(404, "There is no such cluster or flow any more.")
        site.log(request, f"named unknown flows {application}", ", ".join(each.digest for each in members))
        try:
            number = await asyncio.to_thread(
                _write, site.settings.named, application, engines.get(application, application), members
            )
        except DatasetError as error:
            raise HTTPException(400, str(error)) from error
        return RedirectResponse(next_url("/unknowns", done=application, number=str(number)), 303)

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


def _kept(store: VerdictStore) -> list[UnknownEvidence]:
    return list(store.unknown_evidence(MOST_FLOWS))


def _clustered(kept: list[UnknownEvidence], named: Path) -> tuple[Any, dict[str, str]]:
    """Return the map of what is kept, and the engine of each application that the network knows."""
    from callprint.inference import load_model  # noqa: PLC0415 - extras `cpu` and `spit`
    from callprint.unknowns.clusters import unknown_map  # noqa: PLC0415
    from callprint.unknowns.naming import named_flows  # noqa: PLC0415

    identifier = load_model(DEFAULT_MODEL)
    card = identifier.card
    found = unknown_map(kept, identifier, named_flows(named))
    return found, dict(zip(card.classes, card.engines, strict=True))


def _write(folder: Path, application: str, engine: str, members: list[Any]) -> int:
    from callprint.unknowns.naming import write_named  # noqa: PLC0415 - extra `spit`

    return write_named(folder, application, engine, members)


def _named(folder: Path) -> list[tuple[str, int]]:
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
