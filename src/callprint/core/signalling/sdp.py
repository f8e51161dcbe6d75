"""Session descriptions (RFC 8866): which media a party wants to get, where, and in which codecs.

Only what joins calls with media flows and tells callers and programs apart is read: o=, s=, c=, m= and the attributes
tool, rtcp (RFC 3605), rtcp-mux (RFC 5761), rtpmap, ssrc (RFC 5576), candidate (RFC 8839) and the direction.
Every other well-formed line is skipped, but is part of the `shape`.

A broken line costs what it says and is listed in `defects`; the rest of the description counts. An m= line that
does not parse still begins a section, so that its attributes are not taken for those of the medium before it.

Invariant, fuzzed: any bytes give a SessionDescription, with at most one defect a line and bounded lists, or a
SipError; nothing else.
"""

import re
from functools import lru_cache
from ipaddress import ip_address
from typing import NamedTuple

from callprint.core.ground.addresses import Endpoint
from callprint.core.signalling.defects import SipDefect, SipError
from callprint.core.signalling.text import printable

MAXIMUM_LINES = 1000
MAXIMUM_MEDIA = 32
MAXIMUM_ATTRIBUTES = 64
"""Most codecs or SSRCs that are kept of one medium."""
MAXIMUM_CANDIDATES = 128
"""Most ICE candidates that are kept of one medium; of more, the last ones, each of the others a defect."""

_MAXIMUM_REMEMBERED = 2048
"""Longest body, bytes, that is remembered."""

UNSPECIFIED = ("0.0.0.0", "::")
"""Addresses that mean nowhere: the old way to put someone on hold (RFC 3264 8.4), or ICE has yet to find one."""

DIRECTIONS = ("sendrecv", "sendonly", "recvonly", "inactive")

_OCTET = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_IPV4 = re.compile(rf"{_OCTET}(?:\.{_OCTET}){{3}}", re.ASCII)
"""IPv4 addresses in the only form that `ip_address` takes."""
_RTPMAP = re.compile(r"(\d{1,3})[ \t]+([^/ \t]{1,64})/(\d{1,7})(?:/.*)?", re.ASCII)
_SSRC = re.compile(r"(\d{1,10})(?: .*)?", re.ASCII)
_DISCARD = 9  # the port of who has no endpoint yet (RFC 8840 4.1.1)
_RTCP = re.compile(r"(\d{1,5})(?: +IN +IP[46] +(\S+))? *", re.ASCII)


_SPELLED = {
    name.lower(): name
    for name in (
        *("PCMU", "PCMA", "GSM", "G722", "G723", "G726-32", "G728", "G729", "CN", "telephone-event", "opus"),
        *("speex", "iLBC", "SILK", "AMR", "AMR-WB", "EVS", "L16", "DVI4", "red", "rtx", "ulpfec"),
        *("VP8", "VP9", "H263", "H263-1998", "H264", "H265", "AV1"),
    )
}


class Rtpmap(NamedTuple):
    """What a payload type stands for (a=rtpmap)."""

    payload_type: int
    name: str  # of the encoding
    clock_rate_hz: int


class Medium(NamedTuple):
    """One m= section: what its sender wants to receive, and where."""

    kind: str  # "audio", "video", ...
    port: int  # 0: refused or switched off
    protocol: str  # "RTP/AVP", "UDP/TLS/RTP/SAVPF", ...
    formats: tuple[str, ...]  # payload types in order of preference
    address: str  # IP address in canonical text; "" when it is a name or missing
    rtcp_port: int  # a=rtcp, else port + 1 (RFC 3550 11), else port with rtcp-mux
    rtcp_address: str  # that of a=rtcp (RFC 3605), else `address`
    rtcp_mux: bool  # RTCP may share the port of RTP (RFC 5761)
    direction: str  # one of DIRECTIONS
    codecs: tuple[Rtpmap, ...]
    ssrcs: tuple[int, ...]
    candidates: tuple[Endpoint, ...]  # ICE: other endpoints at which the party may receive
    bundle_only: bool  # port 0 because it uses the port of another medium (RFC 9143 6)

    @property
    def refused(self) -> bool:
        """True when the medium is refused or switched off: nothing in its section means anything (RFC 3264 6)."""
        return self.port == 0 and not self.bundle_only

    @property
    def rtcp_endpoint(self) -> Endpoint | None:
        """Where its sender wants RTCP; None when the medium is refused or the address unknown."""
        if self.port == 0 or self.rtcp_port == 0 or self.rtcp_address in ("", *UNSPECIFIED):
            return None
        return self.rtcp_address, self.rtcp_port

    @property
    def held(self) -> bool:
        """True when the sender of this description puts the other side on hold (RFC 3264 8.4)."""
        return self.direction in ("sendonly", "inactive") or self.address in UNSPECIFIED

    def endpoints(self) -> list[Endpoint]:
        """Return every endpoint at which the party may receive RTP; none when the medium is refused.

        The address of an endpoint is "" where the description has a name in its place.
        """
        if self.refused:
            return []
        unused = (0,) if self.address else (0, _DISCARD)
        somewhere = self.port not in unused and self.address not in UNSPECIFIED
        here = [(self.address, self.port)] if somewhere else []
        return here + [candidate for candidate in self.candidates if candidate not in here]


class SessionDescription(NamedTuple):
    """One SDP body."""

    origin: str  # user name of o=
    session: str  # s=
    media: tuple[Medium, ...]
    shape: str  # line types and attribute names in order: a habit of the program that wrote it
    tool: str = ""  # a=tool: the program that wrote it
    defects: tuple[SipDefect, ...] = ()  # of lines that were passed over, and of candidates beyond the limit


def parse_sdp(data: bytes) -> SessionDescription:
    """Parse one SDP body.

    Raises SipError (TOO_LONG, SDP_LINE) when it has too many lines, or none that is `x=value`.
    """
    return _remembered(data) if len(data) <= _MAXIMUM_REMEMBERED else _read(data)


def _read(data: bytes) -> SessionDescription:
    text = data.decode("utf-8", "backslashreplace")
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if len(lines) > MAXIMUM_LINES:
        raise SipError(SipDefect.TOO_LONG, 0, f"more than {MAXIMUM_LINES} lines of SDP")
    session = _Section("", 0, "", ())
    section = session
    sections: list[_Section] = []
    origin = name = tool = ""
    shape: list[str] = []
    defects: list[SipDefect] = []
    for line in lines:
        if not line.strip():
            continue
        if len(line) < 2 or line[1] != "=" or not line[0].isalpha():
            defects.append(SipDefect.SDP_LINE)
            continue
        kind, value = line[0], line[2:].strip()
        shape.append(f"a={value.partition(':')[0]}" if kind == "a" else kind)
        try:
            if kind == "m":
                if len(sections) == MAXIMUM_MEDIA:
                    raise SipError(SipDefect.TOO_LONG, 0, f"more than {MAXIMUM_MEDIA} media")
                section = _media_line(value)
                sections.append(section)
            elif kind == "c":
                section.address = ""  # a broken c= does not fall back to the address of the session
                section.address = _connection(value)
            elif kind == "a" and value.startswith("tool:"):
                tool = printable(value.removeprefix("tool:").strip())
            elif kind == "a":
                section.attribute(value)
            elif kind == "o":
                origin = printable(value.partition(" ")[0])
            elif kind == "s":
                name = printable(value)
        except SipError as error:
            if kind == "m":
                section = _Section("", 0, "", ())  # for the attributes of an m= line that is passed over
            defects.append(error.defect)
    if not shape and defects:
        raise SipError(SipDefect.SDP_LINE, 0, f"no SDP in {printable(lines[0], 40)!r}")
    media = tuple(section.finish(session) for section in sections)
    return SessionDescription(origin, name, media, ",".join(shape), tool, tuple(defects))


_remembered = lru_cache(maxsize=64)(_read)
"""An INVITE that is sent again, to the next hop or after a challenge, brings the same body."""


class _Section:
    """The session part or one m= section while its lines are read."""

    def __init__(self, kind: str, port: int, protocol: str, formats: tuple[str, ...]) -> None:
        self.kind = kind
        self.port = port
        self.protocol = protocol
        self.formats = formats
        self.address: str | None = None
        self.direction: str | None = None
        self.rtcp_port: int | None = None
        self.rtcp_address = ""
        self.mux = False
        self.bundle_only = False
        self.codecs: list[Rtpmap] = []
        self.ssrcs: dict[int, None] = {}
        self.candidates: dict[Endpoint, None] = {}

    def attribute(self, value: str) -> None:
        """Read one a= line; an attribute that nobody here needs is skipped.

        Raises SipError (SDP_ATTRIBUTE, SDP_ENDPOINTS) when it does not parse, or displaces an older one.
        """
        name, _, rest = value.partition(":")
        name, rest = name.strip().lower(), rest.strip()
        if name in DIRECTIONS:
            self.direction = name
        elif name == "rtcp-mux":
            self.mux = True
        elif name == "bundle-only":
            self.bundle_only = True
        elif name == "rtcp":
            match = _RTCP.fullmatch(rest)
            if match is None or int(match.group(1)) > 65_535:
                raise SipError(SipDefect.SDP_ATTRIBUTE, 0, f"a=rtcp:{printable(rest, 40)}")
            self.rtcp_port = int(match.group(1))
            self.rtcp_address = canonical_address(match.group(2) or "")
        elif name == "rtpmap":
            match = _RTPMAP.fullmatch(rest)
            if match is None or int(match.group(1)) > 127:
                raise SipError(SipDefect.SDP_ATTRIBUTE, 0, f"a=rtpmap:{printable(rest, 40)}")
            if len(self.codecs) < MAXIMUM_ATTRIBUTES:
                payload_type, clock_rate_hz = int(match.group(1)), int(match.group(3))
                self.codecs.append(Rtpmap(payload_type, _spelled(match.group(2)), clock_rate_hz))
        elif name == "ssrc":
            match = _SSRC.fullmatch(rest)
            if match is None or int(match.group(1)) >= 2**32:
                raise SipError(SipDefect.SDP_ATTRIBUTE, 0, f"a=ssrc:{printable(rest, 40)}")
            if len(self.ssrcs) < MAXIMUM_ATTRIBUTES:
                self.ssrcs[int(match.group(1))] = None
        elif name == "candidate":
            candidate = _candidate(rest)
            if candidate is not None:
                self.candidates[candidate] = None
            if len(self.candidates) > MAXIMUM_CANDIDATES:
                del self.candidates[next(iter(self.candidates))]
                raise SipError(SipDefect.SDP_ENDPOINTS, 0, f"more than {MAXIMUM_CANDIDATES} candidates")

    def finish(self, session: "_Section") -> Medium:
        """Return the finished medium; what it leaves open is taken from the session part."""
        address = self.address if self.address is not None else session.address
        mux = self.mux or session.mux
        own_port = self.port if mux else min(self.port + 1, 65_535)
        return Medium(
            kind=self.kind,
            port=self.port,
            protocol=self.protocol,
            formats=self.formats,
            address=address or "",
            rtcp_port=self.rtcp_port if self.rtcp_port is not None else own_port,
            rtcp_address=self.rtcp_address or address or "",
            rtcp_mux=mux,
            direction=self.direction or session.direction or "sendrecv",
            codecs=tuple(self.codecs),
            ssrcs=tuple(self.ssrcs),
            candidates=tuple(self.candidates),
            bundle_only=self.bundle_only,
        )


def _spelled(encoding: str) -> str:
    """Return the name of an encoding as it is registered: capitals make no difference (RFC 4855 3)."""
    return _SPELLED.get(encoding.lower()) or printable(encoding, 64)


def canonical_address(text: str) -> str:
    """Return an IP address in canonical text, or "" for anything else (a name, a typing error)."""
    if _IPV4.fullmatch(text):
        return text
    try:
        address = ip_address(text)
    except ValueError:
        return ""
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address).partition("%")[0]


def _media_line(value: str) -> _Section:
    words = value.split()
    port = words[1].partition("/")[0] if len(words) >= 3 else ""
    if not (port.isascii() and port.isdigit()) or len(port) > 5 or int(port) > 65_535:
        raise SipError(SipDefect.SDP_MEDIA, 0, f"m={printable(value, 40)}")
    formats = tuple(printable(word, 32) for word in words[3 : 3 + MAXIMUM_ATTRIBUTES])
    return _Section(printable(words[0].lower(), 32), int(port), printable(words[2].upper(), 64), formats)


def _connection(value: str) -> str:
    words = value.split()
    if len(words) != 3 or words[0].upper() != "IN" or words[1].upper() not in ("IP4", "IP6"):
        raise SipError(SipDefect.SDP_CONNECTION, 0, f"c={printable(value, 40)}")
    return canonical_address(words[2].partition("/")[0])  # multicast carries /ttl/count


def _candidate(value: str) -> Endpoint | None:
    words = value.split()
    if len(words) < 8 or words[1] != "1" or words[2].upper() != "UDP":
        return None  # component 2 is RTCP; TCP candidates carry no UDP media
    address, port = canonical_address(words[4]), words[5]
    if not address or not (port.isascii() and port.isdigit()) or len(port) > 5 or not 0 < int(port) <= 65_535:
        return None
    return address, int(port)
