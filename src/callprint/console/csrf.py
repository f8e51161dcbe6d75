"""Forms that only our own pages can send."""

import hmac

from fastapi import Request
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException

from callprint.console.site import session_of

MOST_FIELDS = 1_000


async def checked_form(request: Request) -> FormData:
    """Return the form of a request. Raises 403 unless it holds the token of the session and comes from our pages."""
    check_origin(request)
    form = await request.form(max_files=0, max_fields=MOST_FIELDS)
    check_token(request, str(form.get("csrf", "")))
    return form


def check_origin(request: Request) -> None:
    """Raise 403 when a browser says that another site sent this."""
    origin = request.headers.get("origin")
    if origin is not None and origin.partition("://")[2] != request.headers.get("host"):
        raise HTTPException(403, "This came from another site.")


def check_token(request: Request, token: str) -> None:
    """Raise 403 unless the token is that of the session; a script's own token, sent as such, needs no other."""
    session = session_of(request)
    if request.headers.get("authorization", "").lower().startswith("bearer ") and not session.csrf:
        return
    if not session.csrf or not hmac.compare_digest(session.csrf.encode(), token.encode()):
        raise HTTPException(403, "The form is out of date: load the page again.")
