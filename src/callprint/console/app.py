"""The console as an ASGI application: pages, REST interface, guard; and how people come in and leave."""

import asyncio
import json
import time
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from callprint import __version__
from callprint.console import (
    api,
    api_models,
    api_more,
    call_files,
    pages_calls,
    pages_desk,
    pages_flows,
    pages_models,
    pages_now,
    pages_people,
    pages_training,
    pages_unknowns,
)
from callprint.console.call_ids import CallIds
from callprint.console.csrf import check_origin, checked_form, form_of
from callprint.console.guard import COOKIE, Guard, client_of, local_user
from callprint.console.regroupings import Regroupings
from callprint.console.sessions import SESSION_S, RateLimit, Sessions, User
from callprint.console.settings import ConsoleSettings
from callprint.console.site import HERE, Site
from callprint.console.standing_drift import StandingDrift
from callprint.console.standing_map import StandingMap
from callprint.console.store_pool import StorePool
from callprint.console.training_runs import TrainingRuns
from callprint.console.users import AuditLog, Users
from callprint.console.warm_up import warm_up
from callprint.core.ground.errors import CallprintError
from callprint.network_in_place import network_in_place

DESCRIPTION = (
    "Flows with their verdicts, calls with their judgements, votes. "
    "Times are packet times in nanoseconds since 1970."
)


def make_app(settings: ConsoleSettings, sessions: Sessions | None = None) -> ASGIApp:
    """Return the console on a store. `sessions`: those that the one-time link belongs to."""
    sessions = sessions or Sessions()
    users = Users(settings.folder / "users.json")
    site = Site(
        settings,
        StorePool(settings.store_url),
        sessions,
        users,
        AuditLog(settings.folder / "audit.jsonl"),
        CallIds(settings.folder / "call-ids.key"),
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> Any:
        warming = asyncio.create_task(warm_up(site))
        yield
        warming.cancel()
        site.pool.close()

    app = FastAPI(
        title="callprint",
        version=__version__,
        description=DESCRIPTION,
        openapi_url="/api/v1/openapi.json",
        docs_url=None,  # it would load scripts from elsewhere
        redoc_url=None,
        lifespan=lifespan,
    )
    standing = StandingMap(
        settings.store_url,
        settings.named,
        Regroupings(settings.folder / "regroupings.json"),
        lambda: network_in_place(settings.placed),
    )
    for part in (pages_now, pages_flows, pages_calls, pages_desk, pages_people):
        app.include_router(part.router(site))
    app.include_router(pages_unknowns.router(site, standing))
    drift = StandingDrift(settings.store_url)
    app.include_router(pages_models.router(site, drift))
    runs = TrainingRuns(settings.folder / "training")
    app.include_router(pages_training.router(site, runs))
    app.include_router(api.router(site))
    app.include_router(api_more.router(site))
    app.include_router(call_files.router(site))
    app.include_router(api_models.router(site, standing, runs, drift))
    app.mount("/static", StaticFiles(directory=HERE / "static"))
    _add_doors(app, site)
    _add_errors(app, site)
    return Guard(app, settings, sessions, users)


def _add_doors(app: FastAPI, site: Site) -> None:
    attempts = RateLimit(10, 600.0)

    def let_in(user: User, path: str) -> Response:
        answer = RedirectResponse(path, 303)
        cookie = site.sessions.begin(user, time.monotonic())
        answer.set_cookie(
            COOKIE, cookie, max_age=int(SESSION_S), httponly=True, samesite="strict", secure=site.settings.tls
        )
        site.audit.add(time.time_ns(), user.name, "came in", "")
        return answer

    def check_limit(request: Request) -> None:
        if not attempts.take(client_of(request), time.monotonic()):
            raise HTTPException(429, "Too many attempts: wait a minute.")

    @app.get("/enter", include_in_schema=False)
    async def enter(request: Request, key: str = "") -> Response:
        """Come in by the one-time link."""
        check_limit(request)
        if site.users.accounts() or not site.sessions.take_link(key):
            return site.render(
                request, "login.html", "", 403, problem="This link was used already.", **_door(site, "")
            )
        return let_in(local_user(), "/")

    @app.get("/login", include_in_schema=False)
    async def login(request: Request, next: str = "/") -> Response:
        """Ask who it is."""
        return site.render(request, "login.html", "", problem="", **_door(site, next))

    @app.post("/login", include_in_schema=False)
    async def log_in(request: Request) -> Response:
        """Come in by name and password."""
        check_limit(request)
        check_origin(request)
        form = await form_of(request, 10)
        name, password = str(form.get("name", ""))[:64], str(form.get("password", ""))[:1_000]
        path = str(form.get("next", "/"))
        user = await asyncio.to_thread(
            site.users.by_password, name, password
        )  # it takes its time, on purpose
        if user is None:
            site.audit.add(time.time_ns(), name, "was refused", client_of(request))
            problem = "No user has this name and password."
            return site.render(request, "login.html", "", 403, problem=problem, **_door(site, path))
        return let_in(user, path if path.startswith("/") and not path.startswith(("//", "/\\")) else "/")

    @app.post("/logout", include_in_schema=False)
    async def log_out(request: Request) -> Response:
        """Leave."""
        await checked_form(request)
        site.sessions.end(request.cookies.get(COOKIE, ""))
        answer = RedirectResponse("/login", 303)
        answer.delete_cookie(COOKIE)
        return answer


def _door(site: Site, path: str) -> dict[str, Any]:
    return {"has_users": bool(site.users.accounts()), "next_path": path}


def _add_errors(app: FastAPI, site: Site) -> None:
    def answer(request: Request, status: int, text: str) -> Response:
        if request.url.path.startswith("/api/"):
            return JSONResponse({"detail": text}, status)
        return site.render(request, "error.html", "", status, code=status, text=text)

    @app.exception_handler(HTTPException)
    async def http_error(request: Request, error: HTTPException) -> Response:
        text = "There is no such page." if error.detail == "Not Found" else str(error.detail)
        return answer(request, error.status_code, text)

    @app.exception_handler(RequestValidationError)
    async def not_understood(_: Request, error: RequestValidationError) -> Response:
        # What was sent is not sent back: it may be half a surrogate pair, which no answer can hold unescaped.
        problems = [{name: each[name] for name in ("loc", "msg", "type")} for each in error.errors()]
        return Response(json.dumps({"detail": problems}), 422, media_type="application/json")

    @app.exception_handler(CallprintError)
    async def store_error(request: Request, error: CallprintError) -> Response:
        return answer(request, 503, str(error))
