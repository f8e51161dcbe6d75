"""What every request passes: the Host check, limits, who it is, and the headers of every answer."""

import ipaddress
import time
from urllib.parse import quote, urlsplit

from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from callprint.console.sessions import RateLimit, Role, Session, Sessions, User
from callprint.console.settings import ConsoleSettings
from callprint.console.users import Users

COOKIE = "callprint_session"
LOOPBACK = ("127.0.0.1", "localhost", "::1")
OPEN_PATHS = ("/enter", "/login", "/static/")
LOCAL_USER = "local"
MOST_BYTES = 4 << 20
"""Of a request: several times a form with a thousand names. Whoever may look could fill the memory otherwise."""

HEADERS = {
    # Nothing from elsewhere, nothing inline: a name from a capture that looks like a script stays text.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


class Guard:
    """ASGI middleware around everything; it puts the session into the request's state."""

    def __init__(self, app: ASGIApp, settings: ConsoleSettings, sessions: Sessions, users: Users) -> None:
        self._app = app
        self._settings = settings
        self._sessions = sessions
        self._users = users
        self._hosts = {host.lower() for host in (*LOOPBACK, *settings.hosts)}
        self._limit = RateLimit(1_200, 60.0)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request itself, or let it pass."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        peer = client_of(connection)
        if peer in self._settings.trusted_proxies:
            scope["client"] = (_asker(connection, peer, self._settings.trusted_proxies), 0)
        answer = self._stopped(connection) or self._unknown(connection, peer)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        left = MOST_BYTES

        async def receive_some() -> Message:
            nonlocal left
            message = await receive()
            left -= len(message.get("body", b""))
            if left < 0:
                raise HTTPException(413, f"A request holds {MOST_BYTES >> 20} MiB at most.")
            return message

        await (answer or self._app)(scope, receive_some, send_with_headers)

    def _stopped(self, connection: HTTPConnection) -> Response | None:
        if _host_of(connection) not in self._hosts:
            # DNS rebinding: a page elsewhere whose name now leads here must not read on.
            return PlainTextResponse("This server has another name: start it with --host-name.", 421)
        if not self._limit.take(client_of(connection), time.monotonic()):
            return PlainTextResponse("Too many requests: wait a moment.", 429, {"Retry-After": "5"})
        return None

    def _unknown(self, connection: HTTPConnection, peer: str) -> Response | None:
        session = self._session(connection, peer)
        connection.state.session = session
        # That of the scope, by which routes are chosen: in a URL the Host header stands before it, and is the asker's.
        path = str(connection.scope["path"])
        if session is not None or path.startswith(OPEN_PATHS):
            return None
        if path.startswith("/api/"):
            return JSONResponse({"detail": "who are you? see docs/use/console.md"}, 401)
        back = quote(path + ("?" + connection.url.query if connection.url.query else ""))
        return RedirectResponse(f"/login?next={back}" if path != "/" else "/login", 303)

    def _session(self, connection: HTTPConnection, peer: str) -> Session | None:
        header = connection.headers.get("authorization", "")
        if header.lower().startswith("bearer "):
            user = self._users.by_token(header[7:].strip())
            return Session(user, "", 0.0) if user else None
        if self._settings.forward_auth and peer in self._settings.trusted_proxies:
            user = self._users.by_name(connection.headers.get(self._settings.forward_auth, ""))
            if user is not None:
                return Session(user, self._sessions.csrf_of(user.name), 0.0)
        session = self._sessions.get(connection.cookies.get(COOKIE, ""), time.monotonic())
        # Whoever was taken out, or got another role, comes in no more; with users the one-time link ends, too.
        if session is not None and self._users.accounts():
            return session if self._users.by_name(session.user.name) == session.user else None
        return session


def _host_of(connection: HTTPConnection) -> str:
    """Return the name that a request gives this server, without its port; empty where it is none."""
    try:
        return urlsplit("//" + connection.headers.get("host", "")).hostname or ""
    except ValueError:  # brackets around what is no IPv6 address
        return ""


def client_of(connection: HTTPConnection) -> str:
    """Return the address that a request came from; behind the guard that of who asked a trusted proxy."""
    return connection.client.host if connection.client else ""


def _asker(connection: HTTPConnection, peer: str, proxies: tuple[str, ...]) -> str:
    """Return for whom a proxy asks, as X-Forwarded-For says: what stands before its last address is the asker's word.

    The proxy itself where it says nothing, or what is no address.
    """
    for text in reversed(",".join(connection.headers.getlist("x-forwarded-for")).split(",")):
        try:
            address = str(ipaddress.ip_address(text.strip()))
        except ValueError:
            break
        if address not in proxies:
            return address
    return peer


def local_user() -> User:
    """Return who comes in by the one-time link: whoever may read the terminal may do everything."""
    return User(LOCAL_USER, Role.ADMINISTRATOR)
