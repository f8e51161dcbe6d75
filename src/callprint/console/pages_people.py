"""The page of people: who may come in, and the log of who looked at what."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from callprint.console.sessions import Role
from callprint.console.site import Site, require

LINES = 200


def router(site: Site) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/people")
    async def people(request: Request) -> Response:
        """Show users and the log."""
        require(request, Role.ADMINISTRATOR)
        return site.render(
            request,
            "people.html",
            "people",
            accounts=sorted(site.users.accounts().items()),
            lines=site.audit.latest(LINES),
        )

    return routes
