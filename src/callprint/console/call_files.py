"""The packets of a call that are kept: their messages as a page, they and the evidence as files, for whoever may."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from callprint.call_evidence import evidence_of_call, has_kept_packets, messages_in, pcap_of_call
from callprint.console.api import Key
from callprint.console.api import _answers as answers
from callprint.console.sessions import Role
from callprint.console.site import Site, require
from callprint.core.call import CallRecord
from callprint.output.console import endpoint
from callprint.stores import VerdictStore

_Give = Callable[[VerdictStore, CallRecord, Path | None, Path | None], Any]
"""From a store, a call, the file of the key, and the folder of kept packets; the two None where they are not named."""


MESSAGES = {
    "type": "object",
    "required": ["messages", "left_out"],
    "properties": {
        "messages": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["time_ns", "source", "target", "text", "codecs", "again"],
                "properties": {
                    "time_ns": {"type": "integer"},
                    "source": {"type": "string"},
                    "target": {"type": "string"},
                    "text": {"type": "string", "description": "the method, or the status and its phrase"},
                    "codecs": {"type": "array", "items": {"type": "string"}},
                    "again": {"type": "boolean", "description": "a retransmission, or the next hop's copy"},
                },
            },
        },
        "left_out": {"type": "integer", "description": "how many more messages there are"},
    },
}


class Kind(NamedTuple):
    """A file that there is of a call."""

    name: str  # of the file
    give: _Give
    did: str  # as the log says it


KINDS = {
    "pcap": Kind("call.pcapng", pcap_of_call, "took the packets of a call"),
    "evidence": Kind("evidence.pcapng", evidence_of_call, "took the evidence of a call"),
}


def router(site: Site) -> APIRouter:
    """Return the routes."""
    routes = APIRouter()
    key_file, folder = site.settings.key_file, site.settings.kept_calls

    async def asked(request: Request, key: str, did: str, give: _Give) -> tuple[CallRecord, Any]:
        require(request, Role.ANALYST)

        def ask(store: VerdictStore) -> tuple[CallRecord | None, Any]:
            call = site.call_ids.find(store, key)
            if call is None or not has_kept_packets(store, call, folder):
                return call, None
            site.log(request, did, call.call_id)  # before anybody has it
            return call, give(store, call, key_file, folder)

        call, content = await site.ask(ask)
        if call is None:
            raise HTTPException(404, "The store has no such call.")
        if content is None:
            raise HTTPException(404, "No packets of this call are kept.")
        return call, content

    async def file_of(request: Request, key: str, kind: Kind) -> Response:
        _, content = await asked(request, key, kind.did, kind.give)
        return Response(
            content,
            media_type="application/x-pcapng",
            headers={"Content-Disposition": f'attachment; filename="{kind.name}"'},
        )

    @routes.get("/calls/{key}/messages", include_in_schema=False)
    async def messages(request: Request, key: str) -> Response:
        """List the messages of a call whose packets are kept."""
        call, (found, left_out) = await asked(request, key, "read the messages of a call", _messages)
        return site.render(
            request, "messages.html", "calls", row=call, key=key, messages=found, left_out=left_out
        )

    @routes.get("/api/v1/calls/{key}/messages", responses=answers(MESSAGES, 403, 404), response_model=None)
    async def message_objects(request: Request, key: Key) -> dict[str, Any]:
        """Give the messages of a call whose packets are kept, the earliest first."""
        _, (found, left_out) = await asked(request, key, "read the messages of a call", _messages)
        return {
            "messages": [
                each._asdict() | {"source": endpoint(*each.source), "target": endpoint(*each.target)}
                for each in found
            ],
            "left_out": left_out,
        }

    @routes.get("/calls/{key}/call.pcapng", include_in_schema=False)
    async def packets(request: Request, key: str) -> Response:
        """Give the packets of a call that are kept."""
        return await file_of(request, key, KINDS["pcap"])

    @routes.get("/calls/{key}/evidence.pcapng", include_in_schema=False)
    async def evidence(request: Request, key: str) -> Response:
        """Give what its verdicts can be reproduced from: headers alone, pseudonymised."""
        return await file_of(request, key, KINDS["evidence"])

    return routes


def _messages(store: VerdictStore, call: CallRecord, key_file: Path | None, folder: Path | None) -> Any:
    """Return the messages in the kept packets of a call, and how many more there are; None where none are kept."""
    capture = pcap_of_call(store, call, key_file, folder)
    return None if capture is None else messages_in(capture, call)
