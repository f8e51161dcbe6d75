"""The page of models: their cards, how often each was right, and the verdicts that each gave."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from callprint.console.listing import next_url
from callprint.console.site import Site
from callprint.model_files import ModelFile, models_at
from callprint.stores.base import RegisteredModel


def router(site: Site) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/models")
    async def models(request: Request) -> Response:
        """Show the models."""
        registered = await site.ask(lambda store: list(store.models()))
        found = list(models_at(path for path in site.settings.models if path.exists()))
        return site.render(
            request,
            "models.html",
            "models",
            models=[_shown(each, registered) for each in found if isinstance(each, ModelFile)],
            broken=[str(each) for each in found if not isinstance(each, ModelFile)],
            registered=[(each, next_url("/flows", q=f'model="{each.name}"')) for each in registered],
        )

    return routes


def _shown(model: ModelFile, registered: list[RegisteredModel]) -> dict[str, Any]:
    card = model.card
    name = f"{card.name} {card.version}"
    return {
        "name": name,
        "card": card,
        "intact": model.intact,
        "file": model.path.name,
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
