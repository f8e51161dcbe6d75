"""The SDP in a SIP message: a body of its own, or one part of a multipart body (RFC 2046 5.1, RFC 5621)."""

import re

from callprint.core.signalling.defects import SipDefect, SipError
from callprint.core.signalling.sip import HEADER_END, SipMessage
from callprint.core.signalling.text import parameters

MAXIMUM_PARTS = 32
MAXIMUM_DEPTH = 3
"""How deep multipart bodies may nest; deeper ones are refused."""

_FOLDING = re.compile(rb"\r?\n[ \t]+")
_CONTENT_TYPE = re.compile(rb"(?:^|\n)(?:content-type|c)[ \t]*:[ \t]*([^\r\n]*)", re.IGNORECASE)


def sdp_of(message: SipMessage) -> bytes | None:
    """Return the first application/sdp body of a message, or None when it has none.

    A compressed body counts as none. Raises SipError: MULTIPART when a multipart body lacks its boundary or nests
    too deep, TOO_LONG when it has too many parts.
    """
    if not message.body.strip():
        return None
    encoding = message.header("content-encoding")
    if encoding is not None and encoding.strip().lower() not in ("", "identity"):
        return None
    return _find(message.header("content-type") or "", message.body, 0)


def _find(content_type: str, body: bytes, depth: int) -> bytes | None:
    kind, _, rest = content_type.partition(";")
    kind = kind.strip().lower()
    if kind == "application/sdp":
        return body
    if not kind.startswith("multipart/"):
        return None
    if depth == MAXIMUM_DEPTH:
        raise SipError(SipDefect.MULTIPART, 0, f"multipart bodies nested deeper than {MAXIMUM_DEPTH}")
    boundary = parameters(rest).get("boundary", "")
    if not 1 <= len(boundary) <= 70:
        raise SipError(SipDefect.MULTIPART, 0, "a multipart body without a boundary")
    for part in _parts(body, boundary.encode("utf-8")):
        header_end = HEADER_END.search(b"\n" + part)  # a part may begin with its empty line: no headers
        if header_end is None:
            continue
        head, content = part[: max(header_end.start() - 1, 0)], part[header_end.end() - 1 :]
        match = _CONTENT_TYPE.search(_FOLDING.sub(b" ", head))
        inner = match.group(1).decode("utf-8", "backslashreplace") if match else "text/plain"
        found = _find(inner, content, depth + 1)
        if found is not None:
            return found
    return None


def _parts(body: bytes, boundary: bytes) -> list[bytes]:
    delimiter = b"--" + boundary
    pieces = (b"\n" + body).split(b"\n" + delimiter)
    if len(pieces) < 2:
        raise SipError(SipDefect.MULTIPART, 0, "the boundary of a multipart body never comes")
    if len(pieces) > MAXIMUM_PARTS + 2:
        raise SipError(SipDefect.TOO_LONG, 0, f"more than {MAXIMUM_PARTS} parts in a multipart body")
    parts = []
    for piece in pieces[1:]:
        if piece.startswith(b"--"):  # the closing delimiter; what follows is an epilogue
            break
        parts.append(piece.partition(b"\n")[2].removesuffix(b"\r"))
    return parts
