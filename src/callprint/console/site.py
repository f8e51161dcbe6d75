"""What all pages share: the parts of the running console, and how a template is rendered."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse

from callprint import __version__
from callprint.console import charts, shown
from callprint.console.call_ids import CallIds
from callprint.console.sessions import Role, Session, Sessions
from callprint.console.settings import ConsoleSettings
from callprint.console.store_pool import StorePool
from callprint.console.users import AuditLog, Users
from callprint.core.call import CallRecord
from callprint.output.console import endpoint, printable, quantity
from callprint.stores import VerdictStore

HERE = Path(__file__).parent
T = TypeVar("T")

_NAMES = {"/": "Now", "/flows": "Flows", "/calls": "Calls", "/desk": "Fraud desk"}
_NAMES |= {"/unknowns": "Unknowns", "/models": "Models"}
PAGES = tuple((path.strip("/") or "now", path, name) for path, name in _NAMES.items())
"""Key, path and name of each page in the menu."""


@pass_context
def _call_id(context: Context, call: CallRecord) -> str:
    return str(context["call_ids"].of(call))


_TEMPLATES = Environment(
    loader=FileSystemLoader(HERE / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_TEMPLATES.filters |= {
    "printable": printable,
    "moment": shown.moment,
    "clock": shown.clock,
    "percent": shown.percent,
    "count": shown.count,
    "flow_id": shown.flow_id,
    "call_id": _call_id,
}
_TEMPLATES.globals |= {
    "pages": PAGES,
    "version": __version__,
    "share_bar": charts.share_bar,
    "endpoint": endpoint,
    "span": shown.span,
    "quantity": quantity,
    "field_text": shown.field_text,
    "tone_of": charts.tone_of,
}


@dataclass(frozen=True, slots=True)
class Site:
    """A running console."""

    settings: ConsoleSettings
    pool: StorePool
    sessions: Sessions
    users: Users
    audit: AuditLog
    call_ids: CallIds

    async def ask(self, question: Callable[[VerdictStore], T]) -> T:
        """Ask the store."""
        return await self.pool.ask(question)

    def render(
        self, request: Request, template: str, page: str, status: int = 200, **context: Any
    ) -> HTMLResponse:
        """Return a page."""
        session: Session | None = getattr(request.state, "session", None)
        text = _TEMPLATES.get_template(template).render(
            page=page,
            session=session,
            user=session.user if session else None,
            csrf=session.csrf if session else "",
            Role=Role,
            numbers=session is not None and session.user.may(Role.ANALYST),
            store_url=printable(self.settings.store_url),
            call_ids=self.call_ids,
            query_string=request.url.query,
            **context,
        )
        return HTMLResponse(text, status)

    def log(self, request: Request, did: str, what: str) -> None:
        """Note who did what, before it is answered."""
        self.audit.add(time.time_ns(), session_of(request).user.name, did, printable(what)[:500])


def session_of(request: Request) -> Session:
    """Return the session: the guard lets nobody without one come here."""
    session: Session = request.state.session
    return session


def sees_numbers(request: Request) -> bool:
    """Return whether whoever asks may see the numbers of people."""
    return session_of(request).user.may(Role.ANALYST)


def require(request: Request, role: Role) -> None:
    """Raise 403 unless whoever asks has a role."""
    if not session_of(request).user.may(role):
        raise HTTPException(403, f"this needs the role {role.name.lower()}")
