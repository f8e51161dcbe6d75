"""The page of training: a run beside the console, what came of it, and which network is in place."""

import asyncio
import shutil
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response, StreamingResponse
from starlette.exceptions import HTTPException

from callprint.console.background import changes_of
from callprint.console.csrf import checked_form
from callprint.console.listing import next_url
from callprint.console.pages_unknowns import named_so_far
from callprint.console.sessions import Role
from callprint.console.site import Site, require, session_of
from callprint.console.training_runs import NotNowError, Run, Training, TrainingRuns
from callprint.core.ground.errors import ConfigError, ModelError
from callprint.core.identify.card import card_text, parse_card
from callprint.model_files import DEFAULT_MODEL, ModelFile, models_at
from callprint.network_in_place import network_in_place, networks_in_place, put_in_place, roll_back
from callprint.training.settings import TrainingSettings
from callprint.whole_files import write_whole

MOST_ROUNDS = 1_000
DONE = {
    "start": "Training has begun.",
    "go-on": "Training goes on.",
    "stop": "Training is stopped; it can go on later.",
    "place": "This network is in place. Commands use it from their next start on.",
    "roll-back": "The network before is in place again.",
}


def router(site: Site, runs: TrainingRuns) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(include_in_schema=False)
    settings = site.settings

    @routes.get("/training")
    async def training(request: Request) -> Response:
        """Show the latest run, and which network is in place."""
        found, placed = await asyncio.to_thread(lambda: (runs.look(), networks_in_place(settings.placed)))
        in_place = network_in_place(settings.placed)
        network = runs.network(found.run) if found.run else None
        return site.render(
            request,
            "training.html",
            "models",
            training=found,
            network=network,
            may_place=found.state == "done" and network != in_place,
            in_place=named_network(in_place),
            for_topology=str(for_topology(runs.folder) if placed else DEFAULT_MODEL),
            before=[named_network(path) for path in placed[-2::-1]],
            own=bool(placed),
            named=named_so_far(settings.named),
            train_with=settings.train_with,
            defaults=TrainingSettings(),
            most=MOST_ROUNDS,
            done=DONE.get(request.query_params.get("done", ""), ""),
        )

    @routes.get("/training/events")
    async def events(request: Request) -> StreamingResponse:
        """Say when training has gone on."""
        return StreamingResponse(changes_of(lambda: _state(runs), request), media_type="text/event-stream")

    @routes.post("/training/{kind}")
    async def change(request: Request, kind: str) -> Response:
        """Start, stop, go on; put the new network in place, or the one before."""
        require(request, Role.ANALYST)
        form = await checked_form(request)
        if kind not in DONE:
            raise HTTPException(404, "There is no such page.")
        site.log(request, f"training: {kind}", "")
        try:
            await asyncio.to_thread(act, site, runs, kind, form, session_of(request).user.name)
        except NotNowError as error:
            raise HTTPException(409, str(error)) from error
        return RedirectResponse(next_url("/training", done=kind), 303)

    return routes


def act(site: Site, runs: TrainingRuns, kind: str, form: Mapping[str, Any], user: str) -> None:
    """Do one of `DONE`. Raises HTTPException where it makes no sense now, NotNowError and ConfigError."""
    if kind == "start":
        runs.start(_asked(site, form, user))
    elif kind == "go-on":
        runs.go_on()
    elif kind == "stop":
        if not runs.stop():
            raise HTTPException(409, "No training runs.")
    elif kind == "place":
        found = runs.look()
        if found.run is None or found.state != "done":
            raise HTTPException(409, "There is no new network.")
        network = runs.network(found.run)
        model = next(iter(models_at([network])))
        if not isinstance(model, ModelFile) or not model.intact:
            raise HTTPException(409, f"{network} is damaged: train again.")
        put_in_place(network, site.settings.placed)
        _copy_for_topology(runs.folder, network)
    elif not roll_back(site.settings.placed):
        raise HTTPException(409, "The network that ships is in place already.")
    else:
        for network in networks_in_place(site.settings.placed)[-1:]:
            _copy_for_topology(runs.folder, network)


def for_topology(folder: Path) -> Path:
    """Return the file of the network in place under the name that topologies know: they replace files of one name."""
    return folder / "topology" / DEFAULT_MODEL.name


def _copy_for_topology(folder: Path, network: Path) -> None:
    target = for_topology(folder)
    try:
        card = parse_card(network.with_suffix(".json").read_text("utf-8"))
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(network, target)
    except OSError as error:
        raise ConfigError(f"{target} cannot be written: {error.strerror}") from error
    write_whole(target.with_suffix(".json"), card_text(replace(card, onnx_file=target.name)))


def _asked(site: Site, form: Mapping[str, Any], user: str) -> Run:
    settings = site.settings
    if settings.train_with is None or not named_so_far(settings.named):
        raise HTTPException(409, "Training needs named flows, and a dataset to add them to (--train-with).")
    rounds = {}
    for name in ("epochs", "windows"):
        text = str(form.get(name, ""))
        if not text.isdecimal() or len(text) > 9 or not 1 <= int(text) <= MOST_ROUNDS:
            raise HTTPException(400, f"{name}: a number from 1 to {MOST_ROUNDS}")
        rounds[name] = int(text)
    return Run(
        number=0,
        data=(str(settings.train_with), str(settings.named)),
        named=str(settings.named),
        today=str(network_in_place(settings.placed)),
        by=user,
        begun_ns=time.time_ns(),
        **rounds,
    )


def named_network(path: Path) -> str:
    """Return name and version of a network, or its file where its card cannot be read."""
    model = next(iter(models_at([path])))
    return str(path) if isinstance(model, ModelError) else f"{model.card.name} {model.card.version}"


def _state(runs: TrainingRuns) -> Training | None:
    try:
        return runs.look()
    except ConfigError:
        return None
