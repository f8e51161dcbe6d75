"""SIP messages (RFC 3261): bytes in, one immutable value out, or the one SipError that names the defect.

What is refused: anything without a readable start line, header block, Call-ID, From, To or CSeq, because a
message that cannot be assigned to a call is of no use here. What is forgiven: bare line feeds, odd capitals,
unknown headers and methods, a missing Via, an address with broken quotes or brackets in which one URI is
intact, damaged header lines that nobody needs, leading empty lines, a missing
last empty line, bytes after Content-Length in a datagram (dropped, as RFC 3261 18.3 has it). Text that is not
UTF-8 is kept with its bytes escaped. Forgiven, but named in `forgiven`: a Content-Length that is no number or more than
follows (the datagram ends the body), a needed header that comes twice (the first counts), text that stops inside
a header line after all needed ones (that line is dropped). A user agent should refuse these (RFC 4475 3.1.2.2,
3.1.2.3, 3.3.8), yet some do not, and nobody may hide a call behind them. For the same reason, of more headers than
MAXIMUM_HEADERS those beyond count for nothing (TOO_LONG), but for one that is needed and has not come before.

Invariant, fuzzed: any bytes give a SipMessage or a SipError whose offset lies within them; nothing else.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple

from callprint.core.signalling.address import Address, Uri, parse_address, parse_uri, recovered_address
from callprint.core.signalling.defects import SipDefect, SipError
from callprint.core.signalling.text import identifier, printable, split_outside

MAXIMUM_MESSAGE = 131_072
"""Longest message, bytes: above what a UDP datagram can hold, and twice what TCP messages need in practice."""
MAXIMUM_HEADERS = 256

_COMPACT = {
    "a": "accept-contact",
    "b": "referred-by",
    "c": "content-type",
    "d": "request-disposition",
    "e": "content-encoding",
    "f": "from",
    "i": "call-id",
    "j": "reject-contact",
    "k": "supported",
    "l": "content-length",
    "m": "contact",
    "n": "identity-info",
    "o": "event",
    "r": "refer-to",
    "s": "subject",
    "t": "to",
    "u": "allow-events",
    "v": "via",
    "x": "session-expires",
    "y": "identity",
}
"""Compact forms: RFC 3261 7.3.3 and the registry of SIP header fields."""

_SPELLED = {
    spelled: name.lower()
    for name in (
        *(
            "Via",
            "From",
            "To",
            "Call-ID",
            "CSeq",
            "Contact",
            "Max-Forwards",
            "Route",
            "Record-Route",
            "Expires",
        ),
        *("Allow", "Supported", "Require", "Content-Type", "Content-Length", "Content-Disposition", "Date"),
        *("User-Agent", "Server", "Accept", "Session-Expires", "Min-SE", "Allow-Events", "Reason", "Event"),
        *("P-Asserted-Identity", "P-Preferred-Identity", "Privacy", "Identity", "Diversion", "History-Info"),
    )
    for spelled in (name, name.lower())
} | {compact: name for short, name in _COMPACT.items() for compact in (short, short.upper())}
"""Headers as they are nearly always written; any other goes the long way through `_HEADER`."""

_TOKEN = r"[A-Za-z0-9\-.!%*_+`'~]+"
HEADER_END = re.compile(rb"\r?\n\r?\n")
_EMPTY_LINE = re.compile(rb"\n\r?\n")
_REQUEST = re.compile(rf"({_TOKEN}) +(\S+) +SIP/(\d+\.\d+)[ \t]*", re.IGNORECASE | re.ASCII)
_RESPONSE = re.compile(r"SIP/(\d+\.\d+) +(\d{1,10})(?: (.*))?", re.IGNORECASE | re.DOTALL | re.ASCII)
_HEADER = re.compile(rf"({_TOKEN})[ \t]*:")
_CSEQ = re.compile(rf"0*(\d{{1,10}})\s+({_TOKEN})", re.ASCII)
_NEEDED = ("call-id", "from", "to", "cseq")

_MAXIMUM_REMEMBERED = 256
"""Longest text, characters, that is remembered: of start lines and CSeq, which are the same in most messages."""


class SipMessage(NamedTuple):
    """A request or a response."""

    method: str  # of the request, or of the request that the response answers (CSeq)
    status: int  # 0 for a request, else 100-699
    request_uri: Uri | None  # None for a response, and when the URI does not parse
    call_id: str
    from_: Address
    to: Address
    cseq: int
    headers: tuple[tuple[str, str], ...]  # lower-case long names, unfolded values, in order
    body: bytes
    forgiven: tuple[SipDefect, ...] = ()
    first: Mapping[str, str] = MappingProxyType({})  # of `headers`, by name

    @property
    def is_request(self) -> bool:
        """True for a request."""
        return self.status == 0

    @property
    def is_first_invite(self) -> bool:
        """True for an INVITE outside any dialog: it begins a call, or is sent again (RFC 3261 12.1, 13.2)."""
        return self.method == "INVITE" and self.is_request and not self.to.tag

    @property
    def sender_tag(self) -> str:
        """The tag of who sends it: one telephone's in one call, of several that ring."""
        return self.from_.tag if self.is_request else self.to.tag

    def header(self, name: str) -> str | None:
        """Return the value of the first header of that name (lower-case, long form), or None."""
        return self.first.get(name)

    def values(self, name: str) -> list[str]:
        """Return all values of a header: lines split at commas (RFC 3261 7.3.1), blanks stripped."""
        found: list[str] = []
        if name not in self.first:
            return found
        for key, value in self.headers:
            if key == name:
                found.extend(piece.strip() for piece in split_outside(value, ","))
        return found


def parse_message(data: bytes) -> SipMessage:
    """Parse one message: a datagram, or what the framer cut from a TCP stream.

    Raises SipError for anything else; see the top of the file for what is forgiven.
    """
    if len(data) > MAXIMUM_MESSAGE:
        raise SipError(SipDefect.TOO_LONG, MAXIMUM_MESSAGE, f"{len(data)} bytes in one message")
    start = len(data) - len(data.lstrip(b"\r\n"))  # RFC 3261 7.5
    end = _EMPTY_LINE.search(data, start)
    # A CR before the last line feed stays in the last line, where it is stripped like any blank.
    head_end, body_start = end.span() if end else (len(data), len(data))
    lines = data[start:head_end].decode("utf-8", "backslashreplace").split("\n")
    line = lines[0].rstrip("\r")
    known = _known_start_line if len(line) <= _MAXIMUM_REMEMBERED else _start_line
    method, status, request_uri = known(line, start)
    cut = end is None and lines[-1] != ""
    headers, beyond = _headers(lines[1:-1] if cut else lines[1:])
    first = dict(reversed(headers))
    if cut and not first.keys() >= set(_NEEDED):
        raise SipError(SipDefect.NO_HEADER_END, len(data), "no empty line after the headers")
    repeated = _check_needed(first, headers, start)
    body, wrong_length = _cut_to_length(first, headers, data[body_start:], body_start)
    cseq, cseq_method = _cseq(first["cseq"], start)
    if status == 0 and cseq_method != method:
        raise SipError(SipDefect.CSEQ, start, f"CSeq of a {cseq_method} on a {method}")
    call_id = _call_id(first["call-id"], start)
    from_, to = _address(first["from"], start), _address(first["to"], start)
    forgiven = (*((SipDefect.NO_HEADER_END,) if cut else ()), *beyond, *repeated, *wrong_length)
    # By position: this is made for every message, and names take longer than everything else about it.
    return SipMessage(
        cseq_method, status, request_uri, call_id, from_, to, cseq, headers, body, forgiven, first
    )


def content_length(headers: tuple[tuple[str, str], ...], offset: int) -> int | None:
    """Return the announced length of the body, or None when no header announces it.

    Raises SipError (CONTENT_LENGTH) when it is not a number, or two headers disagree.
    """
    announced = {value.strip() for name, value in headers if name == "content-length"}
    if not announced:
        return None
    text = announced.pop()
    if announced or not (text.isascii() and text.isdigit()) or len(text) > 10:
        raise SipError(SipDefect.CONTENT_LENGTH, offset, f"Content-Length {printable(text, 40)!r}")
    return int(text)


def read_headers(head: bytes) -> tuple[tuple[str, str], ...]:
    """Return the headers of a message's head (start line first, no empty line): for the TCP framer."""
    return _headers(head.decode("utf-8", "backslashreplace").split("\n")[1:])[0]


def _start_line(line: str, offset: int) -> tuple[str, int, Uri | None]:
    response = _RESPONSE.fullmatch(line)
    if response is not None:
        _check_version(response.group(1), offset)
        status = int(response.group(2))
        if not 100 <= status <= 699:
            raise SipError(SipDefect.STATUS, offset, f"status {status}")
        return "", status, None
    request = _REQUEST.fullmatch(line)
    if request is None:
        defect = SipDefect.START_LINE if "sip/" in line.lower() else SipDefect.NOT_SIP
        raise SipError(defect, offset, f"start line {printable(line, 40)!r}")
    _check_version(request.group(3), offset)
    try:
        uri = parse_uri(request.group(2))
    except SipError:
        uri = None  # only proxies need it, to route by: To names the callee
    return request.group(1).upper(), 0, uri


_known_start_line = lru_cache(maxsize=256)(_start_line)


def _check_version(version: str, offset: int) -> None:
    if version != "2.0":
        raise SipError(SipDefect.VERSION, offset, f"SIP version {printable(version, 20)}")


def _headers(lines: list[str]) -> tuple[tuple[tuple[str, str], ...], tuple[SipDefect, ...]]:
    headers: list[tuple[str, str]] = []
    folded: list[str] = []  # lines of the last header
    for line in lines:
        spelled, colon, value = line.partition(":")
        name = _SPELLED.get(spelled) if colon else None
        if name is None:
            match = _HEADER.match(line)
            if match is None:
                if line[:1] in (" ", "\t") and headers:  # folding, RFC 3261 7.3.1
                    folded.append(line.strip())
                continue
            name = match.group(1).lower()
            name = _COMPACT.get(name, name)
        if folded:
            headers[-1] = _unfolded(headers[-1], folded)
        headers.append((name, value.strip()))
    if folded:
        headers[-1] = _unfolded(headers[-1], folded)
    if len(headers) > MAXIMUM_HEADERS:
        return _within_limit(headers), (SipDefect.TOO_LONG,)
    return tuple(headers), ()


def _within_limit(headers: list[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    kept = headers[:MAXIMUM_HEADERS]
    missing = {*_NEEDED, "content-length"} - dict(kept).keys()
    late = dict(reversed([header for header in headers[MAXIMUM_HEADERS:] if header[0] in missing]))
    return (*kept, *late.items())


def _unfolded(header: tuple[str, str], folded: list[str]) -> tuple[str, str]:
    name, value = header
    whole = " ".join((value, *folded))
    folded.clear()
    return name, whole


def _check_needed(
    first: dict[str, str], headers: tuple[tuple[str, str], ...], offset: int
) -> tuple[SipDefect, ...]:
    for name in _NEEDED:
        if name not in first:
            raise SipError(SipDefect.MISSING_HEADER, offset, f"no {name} header")
    if len(first) < len(headers) and any(name in _NEEDED and first[name] != value for name, value in headers):
        return (SipDefect.REPEATED_HEADER,)
    return ()


def _cseq(value: str, offset: int) -> tuple[int, str]:
    found = _known_cseq(value) if len(value) <= _MAXIMUM_REMEMBERED else _read_cseq(value)
    if found is None:
        raise SipError(SipDefect.CSEQ, offset, f"CSeq {printable(value, 40)!r}")
    return found


def _read_cseq(value: str) -> tuple[int, str] | None:
    match = _CSEQ.fullmatch(value)
    if match is None or int(match.group(1)) >= 2**32:
        return None
    return int(match.group(1)), match.group(2).upper()


_known_cseq = lru_cache(maxsize=256)(_read_cseq)


def _call_id(value: str, offset: int) -> str:
    if value.split() != [value]:
        raise SipError(SipDefect.CALL_ID, offset, f"Call-ID {printable(value, 40)!r}")
    return identifier(value)


def _address(value: str, offset: int) -> Address:
    try:
        return parse_address(value)
    except SipError as error:
        found = recovered_address(value)
        if found is None:
            raise error.moved(offset) from None
        return found


def _cut_to_length(
    first: dict[str, str], headers: tuple[tuple[str, str], ...], body: bytes, offset: int
) -> tuple[bytes, tuple[SipDefect, ...]]:
    if len(first) == len(headers) and first.get("content-length") == str(len(body)):
        return body, ()
    try:
        announced = content_length(headers, offset)
    except SipError as error:
        return body, (error.defect,)
    if announced is None:
        return body, ()
    return body[:announced], (SipDefect.CONTENT_LENGTH,) if announced > len(body) else ()
