"""SIP addresses: name-addr, addr-spec and the URIs in them (RFC 3261 19.1 and 20.10, RFC 3966)."""

import re
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote as percent_decode

from callprint.core.signalling.defects import SipDefect, SipError
from callprint.core.signalling.text import identifier, parameters, printable

MAXIMUM_URI = 1024
"""Longest URI that is remembered, characters; a longer one is read each time it comes."""

_MAXIMUM_REMEMBERED = 256
"""Longest address that is remembered, characters: all messages of a call have From and To."""

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]{0,31}")
_SUBSCRIBER = re.compile(r"(?:\+|%2B)?[0-9*#.\-()]+", re.IGNORECASE)
_CONTEXT = re.compile(r"\+[0-9.\-()]{1,20}")
_DOMAIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.\-]{0,253}[A-Za-z0-9])?\.?", re.ASCII)
_DISPLAY = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_INTACT = re.compile(r"<(?:sips?|tel):[^<>\"\s]+>", re.IGNORECASE)
_USUAL = re.compile(r'(?:"[^"\\<]*")?[^"<>]*<([^"<>]*)>(?:;tag=([^\s";<>=]*))?')
"""What nearly all addresses are: whatever it matches, the steps of `parse_address` would read the same from."""
_BARE = re.compile(r"(?<![A-Za-z0-9+.\-])(?:sips?|tel):[^<>\"\s;,]+", re.IGNORECASE)
_HOST = re.compile(r"\[([0-9A-Fa-f:.]{2,45})(?:%[\w.~%\-]{1,64})?\]|([\w.\-]{1,255})")
"""An address, perhaps with a zone (RFC 6874), or a name: of ASCII in RFC 3261, but others are seen."""


@dataclass(frozen=True, slots=True)
class Uri:
    """The part of a URI that identifies someone."""

    scheme: str  # lower case: "sip", "sips", "tel" or another
    user: str  # percent-decoded, without parameters and password; "" when there is none
    host: str  # lower case, without port and brackets; of a local tel: number its domain, else ""
    phone: bool  # the URI marks the user part as a telephone number (tel:, user=phone)


@dataclass(frozen=True, slots=True)
class Address:
    """The value of From, To, P-Asserted-Identity and the like."""

    uri: Uri
    tag: str  # the tag parameter, "" when there is none
    recovered: bool = False  # the display name before it is broken (RFC 4475 3.1.2.6)


def parse_uri(text: str) -> Uri:
    """Parse a URI of any length; schemes other than sip, sips and tel are kept opaque, in `user`.

    Raises SipError (ADDRESS) when there is no scheme, or no host in a SIP URI.
    """
    return _known_uri(text) if len(text) <= MAXIMUM_URI else _read_uri(text)


def _read_uri(text: str) -> Uri:
    scheme, colon, rest = text.strip().partition(":")
    if not colon or not _SCHEME.fullmatch(scheme) or not rest:
        raise SipError(SipDefect.ADDRESS, 0, f"no URI in {printable(text, 40)!r}")
    scheme = scheme.lower()
    if scheme == "tel":
        number, _, more = rest.partition("?")[0].partition(";")  # History-Info adds headers (RFC 7044 5)
        number = percent_decode(number, errors="backslashreplace")
        return Uri(scheme, printable(_in_context(number, more)), _domain_of(number, more), True)
    if scheme not in ("sip", "sips"):
        return Uri(scheme, printable(rest), "", False)
    user, at, host_part = rest.partition("@")
    if not at:
        user, host_part = "", rest
    match = _HOST.match(host_part)
    if match is None:
        raise SipError(SipDefect.ADDRESS, 0, f"no host in {printable(text, 40)!r}")
    user, more = _without_parameters(user.partition(":")[0])
    phone = "user=phone" in host_part[match.end() :].lower()
    user = _in_context(user, more)
    return Uri(
        scheme,
        printable(percent_decode(user, errors="backslashreplace")),
        (match.group(1) or match.group(2)).lower(),
        phone,
    )


_known_uri = lru_cache(maxsize=4096)(_read_uri)


def parse_address(value: str) -> Address:
    """Parse `"Name" <uri>;tag=x` or `uri;tag=x`.

    A display name whose quote never closes is passed over when an intact <sip:...> follows (RFC 4475 3.1.2.6
    calls that reasonable): otherwise a syntax error would hide the call.

    Raises SipError (ADDRESS) when there is no URI, or a quote or bracket is never closed.
    """
    return _remembered(value) if len(value) <= _MAXIMUM_REMEMBERED else _read(value)


def _read(value: str) -> Address:
    value = value.strip()
    usual = _USUAL.fullmatch(value)
    if usual is not None:
        return Address(parse_uri(usual[1]), identifier(usual[2] or ""))
    after_display = 0
    recovered = False
    if value.startswith('"'):
        match = _DISPLAY.match(value)
        intact = _INTACT.search(value) if match is None else None
        if match is None and intact is None:
            raise SipError(SipDefect.ADDRESS, 0, "a display name without closing quote")
        recovered = intact is not None
        after_display = intact.start() if intact else match.end() if match else 0
    opened = value.find("<", after_display)
    if opened >= 0:
        closed = value.find(">", opened)
        if closed < 0:
            raise SipError(SipDefect.ADDRESS, 0, "an address without closing bracket")
        uri, rest = value[opened + 1 : closed], value[closed + 1 :]
    else:
        uri, _, rest = value[after_display:].partition(";")
    tag = parameters(rest).get("tag", "") if rest else ""
    return Address(parse_uri(uri), identifier(tag), recovered)


_remembered = lru_cache(maxsize=8192)(_read)


def recovered_address(value: str) -> Address | None:
    """Return the first intact URI in an address that does not parse, and its tag; None when there is none.

    A bracket in a display name without quotes, or brackets that are missing, must not hide a call any more than a
    quote that never closes (RFC 4475 3.1.2.6). What follows `;` outside brackets is of the header (RFC 3261 20.10).
    """
    found = _INTACT.search(value) or _BARE.search(value)
    if found is None:
        return None
    try:
        uri = parse_uri(found.group().strip("<>"))
    except SipError:
        return None
    return Address(uri, identifier(parameters(value[found.end() :]).get("tag", "")), recovered=True)


def address_or_none(value: str) -> Address | None:
    """Return an address as `parse_address` does, None for what does not parse: where another header says the same."""
    try:
        return parse_address(value)
    except SipError:
        return recovered_address(value)


def _without_parameters(user: str) -> tuple[str, str]:
    """Split a telephone subscriber from its parameters (RFC 3261 19.1.6: npdi, rn, tgrp, cpc, isup-oli ...).

    Only where the user part is a number: any other may contain semicolons as it likes.
    """
    number, semicolon, more = user.partition(";")
    return (number, more) if semicolon and _SUBSCRIBER.fullmatch(number) else (user, "")


def _in_context(number: str, more: str) -> str:
    """Complete a local number by its phone-context (RFC 3966 5.1.5), where that is the start of a global one."""
    if number.startswith("+") or not more:
        return number
    context = _context(more)
    return context + number if _CONTEXT.fullmatch(context) else number


def _domain_of(number: str, more: str) -> str:
    """Return the domain in which a local number means someone (RFC 3966 5.1.5); "" for a global number."""
    context = "" if number.startswith("+") else _context(more)
    return context.lower() if _DOMAIN.fullmatch(context) else ""


def _context(more: str) -> str:
    return percent_decode(parameters(more).get("phone-context", ""), errors="backslashreplace")
