"""The page of models: cards, how often each was right, drift, and the verdicts that each gave."""

from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse

from callprint.console.background import changes_of
from callprint.console.listing import next_url
from callprint.console.settings import ConsoleSettings
from callprint.console.site import Site
from callprint.console.standing_drift import StandingDrift
from callprint.core.identify.drift import LEAST_FLOWS
from callprint.model_files import ModelFile, models_at
from callprint.network_in_place import network_in_place, networks_in_place
from callprint.stores.base import RegisteredModel


def router(site: Site, drift: StandingDrift) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/models")
    async def models(request: Request) -> Response:
        """Show the models."""
        registered = await site.ask(lambda store: list(store.models()))
        paths = model_paths(site.settings)
        found = list(models_at(path for path in paths if path.exists()))
        in_place = network_in_place(site.settings.placed)
        return site.render(
            request,
            "models.html",
            "models",
            models=[_shown(each, registered, in_place) for each in found if isinstance(each, ModelFile)],
            drift=drift.look(paths),
            measuring=drift.work.running,
            drift_problem=drift.work.problem,
            least_flows=LEAST_FLOWS,
            broken=[str(each) for each in found if not isinstance(each, ModelFile)],
            registered=[(each, next_url("/flows", q=f'model="{each.name}"')) for each in registered],
        )

    @routes.get("/models/events")
    async def events(request: Request) -> StreamingResponse:
        """Say when drift was measured."""
        return StreamingResponse(
            changes_of(lambda: drift.work.version, request), media_type="text/event-stream"
        )

    return routes


def model_paths(settings: ConsoleSettings) -> tuple[Path, ...]:
    """Return the folders and files of the models at hand; the network in place is among them."""
    return (*settings.models, *networks_in_place(settings.placed)[-1:])


def _shown(model: ModelFile, registered: list[RegisteredModel], in_place: Path) -> dict[str, Any]:
    card = model.card
    name = f"{card.name} {card.version}"
    return {
        "name": name,
        "card": card,
        "intact": model.intact,
        "in_place": model.path == in_place,
        "measured": list(_measured(card.accuracy)),
        "used": any(each.digest == card.onnx_sha256 for each in registered),
        "verdicts": next_url("/flows", q=f'model="{name}"'),
    }


def _measured(accuracy: dict[str, Any]) -> Any:
    """Yield what a card says of each split and view, where it is in the form that `callprint evaluate` gives it."""
    for split, views in accuracy.items():
        for view, numbers in views.items() if isinstance(views, dict) else ():
            if not isinstance(numbers, dict) or not isinstance(numbers.get("flows"), int):
                continue
            shares = [numbers.get(name) for name in ("accuracy", "coverage", "precision_of_sure")]
            yield split, view, numbers["flows"], [s if isinstance(s, int | float) else None for s in shares]
