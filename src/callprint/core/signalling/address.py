"""SIP addresses: name-addr, addr-spec and the URIs in them (RFC 3261 19.1 and 20.10, RFC 3966)."""

import re
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote as percent_decode

from callprint.core.signalling.defects import SipDefect, SipError
from callprint.core.signalling.text import MAXIMUM_TEXT, parameters, printable

MAXIMUM_URI = 1024
"""Longest URI that is read, characters."""

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]{0,31}")
_DISPLAY = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_HOST = re.compile(r"\[([0-9A-Fa-f:.]{2,45})\]|([A-Za-z0-9_.\-]{1,255})")


@dataclass(frozen=True, slots=True)
class Uri:
    """The part of a URI that identifies someone."""

    scheme: str  # lower case: "sip", "sips", "tel" or another
    user: str  # percent-decoded, without a password; "" when there is none
    host: str  # lower case, without port and brackets; "" for tel
    phone: bool  # the URI marks the user part as a telephone number (tel:, user=phone)


@dataclass(frozen=True, slots=True)
class Address:
    """The value of From, To, P-Asserted-Identity and the like."""

    uri: Uri
    tag: str  # the tag parameter, "" when there is none


@lru_cache(maxsize=4096)
def parse_uri(text: str) -> Uri:
    """Parse a URI; schemes other than sip, sips and tel are kept opaque, in `user`.

    Raises SipError (ADDRESS, TOO_LONG) when there is no scheme, or no host in a SIP URI.
    """
    if len(text) > MAXIMUM_URI:
        raise SipError(SipDefect.TOO_LONG, 0, f"a URI of {len(text)} characters")
    scheme, colon, rest = text.strip().partition(":")
    if not colon or not _SCHEME.fullmatch(scheme) or not rest:
        raise SipError(SipDefect.ADDRESS, 0, f"no URI in {printable(text, 40)!r}")
    scheme = scheme.lower()
    if scheme == "tel":
        number = rest.partition(";")[0]
        return Uri(scheme, printable(number), "", True)
    if scheme not in ("sip", "sips"):
        return Uri(scheme, printable(rest), "", False)
    user, at, host_part = rest.partition("@")
    if not at:
        user, host_part = "", rest
    match = _HOST.match(host_part)
    if match is None:
        raise SipError(SipDefect.ADDRESS, 0, f"no host in {printable(text, 40)!r}")
    user = user.partition(":")[0]
    phone = "user=phone" in host_part[match.end() :].lower()
    return Uri(
        scheme,
        printable(percent_decode(user, errors="backslashreplace")),
        (match.group(1) or match.group(2)).lower(),
        phone,
    )


def parse_address(value: str) -> Address:
    """Parse `"Name" <uri>;tag=x` or `uri;tag=x`.

    Raises SipError (ADDRESS) when there is no URI, or a quote or bracket is never closed.
    """
    value = value.strip()
    after_display = 0
    if value.startswith('"'):
        match = _DISPLAY.match(value)
        if match is None:
            raise SipError(SipDefect.ADDRESS, 0, "a display name without closing quote")
        after_display = match.end()
    opened = value.find("<", after_display)
    if opened >= 0:
        closed = value.find(">", opened)
        if closed < 0:
            raise SipError(SipDefect.ADDRESS, 0, "an address without closing bracket")
        uri, rest = value[opened + 1 : closed], value[closed + 1 :]
    else:
        uri, _, rest = value[after_display:].partition(";")
    tag = parameters(rest).get("tag", "") if rest else ""
    return Address(parse_uri(uri), printable(tag, MAXIMUM_TEXT))
