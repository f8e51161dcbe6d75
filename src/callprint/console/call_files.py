"""The packets of a call that are kept, and its evidence, as files for whoever may have them."""

from typing import Any, NamedTuple

from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from callprint.console import shown
from callprint.console.sessions import Role
from callprint.console.site import Site, require
from callprint.console.voting import calls_of
from callprint.core.call import CallRecord
from callprint.stores import VerdictStore

try:
    from callprint import call_evidence
except ImportError:  # a callprint that keeps no packets of calls
    call_evidence = None


class Kind(NamedTuple):
    """A file that there is of a call."""

    name: str  # of the file
    function: str  # of call_evidence that gives it
    did: str  # as the log says it


KINDS = {
    "pcap": Kind("call.pcapng", "pcap_of_call", "took the packets of a call"),
    "evidence": Kind("evidence.pcapng", "evidence_of_call", "took the evidence of a call"),
}


def has_files(store: VerdictStore, call: CallRecord) -> bool:
    """Return whether packets of a call are kept."""
    return call_evidence is not None and bool(call_evidence.has_kept_packets(store, call))


def router(site: Site) -> APIRouter:
    """Return the routes."""
    routes = APIRouter()

    async def file_of(request: Request, key: str, kind: Kind) -> Response:
        require(request, Role.ANALYST)
        identity = shown.call_of(key)

        def ask(store: VerdictStore) -> tuple[CallRecord | None, Any]:
            call = next(iter(calls_of(store, [identity])), None) if identity else None
            if call is None or not has_files(store, call):
                return call, None
            site.log(request, kind.did, call.call_id)  # before anybody has it
            return call, getattr(call_evidence, kind.function)(store, call)

        call, content = await site.ask(ask)
        if call is None:
            raise HTTPException(404, "The store has no such call.")
        if content is None:
            raise HTTPException(404, "No packets of this call are kept.")
        return Response(
            content,
            media_type="application/x-pcapng",
            headers={"Content-Disposition": f'attachment; filename="{kind.name}"'},
        )

    @routes.get("/calls/{key}/call.pcapng", include_in_schema=False)
    async def packets(request: Request, key: str) -> Response:
        """Give the packets of a call that are kept."""
        return await file_of(request, key, KINDS["pcap"])

    @routes.get("/calls/{key}/evidence.pcapng", include_in_schema=False)
    async def evidence(request: Request, key: str) -> Response:
        """Give what its verdicts can be reproduced from: headers alone, pseudonymised."""
        return await file_of(request, key, KINDS["evidence"])

    return routes
