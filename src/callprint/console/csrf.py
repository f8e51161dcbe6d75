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
    form = await form_of(request)
    check_token(request, str(form.get("csrf", "")))
    return form


async def form_of(request: Request, most_fields: int = MOST_FIELDS) -> FormData:
    """Return the form of a request. Raises 400 for texts that no answer can hold, as UTF-7 has them."""
    form = await request.form(max_files=0, max_fields=most_fields)
    try:
        "".join(f"{name}{value}" for name, value in form.multi_items()).encode()
    except UnicodeEncodeError:
        raise HTTPException(400, "The form holds half a surrogate pair.") from None
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
