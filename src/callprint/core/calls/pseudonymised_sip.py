"""A SIP message written anew from what callprint reads of it, with pseudonyms for people, hosts and identifiers.

Nothing is copied that is not named here: what a stranger put into another header or another line of SDP does not come
through. What tells programs apart and names no one comes through: methods, status, CSeq, the name of the program as far
as the table of declared names knows it, codecs and the directions of media.
"""

import re

from callprint.core.calls.harmless_texts import agent_alone, codec_alone, formats_alone, protocol_alone
from callprint.core.calls.ladder import PHRASES
from callprint.core.calls.pseudonyms import Pseudonyms
from callprint.core.declared.table import NameTable
from callprint.core.signalling.address import Address, Uri, address_or_none
from callprint.core.signalling.body import sdp_of
from callprint.core.signalling.defects import SipError
from callprint.core.signalling.sdp import Medium, SessionDescription, parse_sdp
from callprint.core.signalling.sip import SipMessage
from callprint.core.signalling.text import parameters

_METHODS = frozenset(
    ("INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "PRACK", "UPDATE", "INFO", "REFER", "NOTIFY", "MESSAGE")
)
_TRANSPORTS = frozenset(("UDP", "TCP", "TLS", "WS", "WSS", "SCTP"))
_PORT = re.compile(r":(\d{1,5})$", re.ASCII)
_MOST_VIAS = 16
_COOKIE = "z9hG4bK"


def pseudonymised(message: SipMessage, names: Pseudonyms, table: NameTable) -> bytes:
    """Return the message with pseudonyms. table: of the programs whose names may stay."""
    method = message.method if message.method in _METHODS else "UNKNOWN"
    lines = [_start_line(message, method, names)]
    lines += [f"Via: {_via(via, names)}" for via in message.values("via")[:_MOST_VIAS]]
    if message.header("record-route") is not None:  # that it is there says that a proxy was on the way
        lines.append(f"Record-Route: <sip:{names.word('host', 'record-route')}.invalid;lr>")
    lines.append(f"From: {_address(message.from_, names)}")
    lines.append(f"To: {_address(message.to, names)}")
    lines.append(f"Call-ID: {names.word('call', message.call_id)}")
    lines.append(f"CSeq: {message.cseq} {method}")
    for contact in message.values("contact")[:1]:
        address = address_or_none(contact)
        if address is not None:
            lines.append(f"Contact: <{_uri(address.uri, names)}>")
    for name in ("user-agent", "server"):
        agent = agent_alone(message.header(name) or "", table)
        if agent:
            lines.append(f"{name.title()}: {agent}")
    body = _body(message, names)
    if body:
        lines.append("Content-Type: application/sdp")
    lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii") + body


def _start_line(message: SipMessage, method: str, names: Pseudonyms) -> str:
    if message.is_request:
        uri = message.request_uri or message.to.uri
        return f"{method} {_uri(uri, names)} SIP/2.0"
    return f"SIP/2.0 {message.status} {PHRASES.get(message.status, '')}"


def _uri(uri: Uri, names: Pseudonyms) -> str:
    user = names.word("user", uri.user)
    host = names.host(uri.host) or f"{names.word('host', 'tel')}.invalid"
    return f"sip:{user}@{host}" if user else f"sip:{host}"


def _address(address: Address, names: Pseudonyms) -> str:
    tag = f";tag={names.word('tag', address.tag)}" if address.tag else ""
    return f"<{_uri(address.uri, names)}>{tag}"


def _via(value: str, names: Pseudonyms) -> str:
    sent, _, rest = value.partition(";")
    protocol, _, by = sent.strip().rpartition(" ")
    transport = protocol.rpartition("/")[2].strip().upper()
    port = _PORT.search(by)
    host = by[: port.start()] if port else by
    text = (
        f"SIP/2.0/{transport if transport in _TRANSPORTS else 'UDP'} {names.host(host) or 'unknown.invalid'}"
    )
    if port:
        text += f":{names.port(int(port[1]) & 0xFFFF)}"
    given = parameters(rest)
    branch = given.get("branch", "")
    if branch:
        # Branches without the cookie are of RFC 2543, where they name nothing.
        text += f";branch={_COOKIE if branch.startswith(_COOKIE) else ''}{names.word('branch', branch)}"
    received = names.address(given.get("received", "").strip("[]"))
    if received:
        text += f";received={received}"
    return text


def _body(message: SipMessage, names: Pseudonyms) -> bytes:
    try:
        body = sdp_of(message)
        session = parse_sdp(body) if body else None
    except SipError:
        return b""
    return _sdp(session, names) if session is not None else b""


def _sdp(session: SessionDescription, names: Pseudonyms) -> bytes:
    lines = ["v=0", "o=- 0 0 IN IP4 0.0.0.0", "s=-", "t=0 0"]
    for medium in session.media:
        lines += _medium(medium, names)
    return ("\r\n".join(lines) + "\r\n").encode("ascii")


def _medium(medium: Medium, names: Pseudonyms) -> list[str]:
    kind = medium.kind if medium.kind in ("audio", "video", "image", "text", "application") else "other"
    formats = formats_alone(medium.formats) or ["0"]
    protocol = protocol_alone(medium.protocol)
    lines = [f"m={kind} {names.port(medium.port)} {protocol} {' '.join(formats)}"]
    address = names.address(medium.address)
    if address:
        lines.append(f"c=IN IP{6 if ':' in address else 4} {address}")
    lines += [
        f"a=rtpmap:{codec.payload_type} {codec_alone(codec.name)}/{codec.clock_rate_hz}"
        for codec in medium.codecs
    ]
    rtcp = names.address(medium.rtcp_address)
    if medium.port and rtcp:
        lines.append(f"a=rtcp:{names.port(medium.rtcp_port)} IN IP{6 if ':' in rtcp else 4} {rtcp}")
    if medium.rtcp_mux:
        lines.append("a=rtcp-mux")
    if medium.bundle_only:
        lines.append("a=bundle-only")
    lines += [f"a=ssrc:{ssrc}" for ssrc in medium.ssrcs]
    for number, (host, port) in enumerate(medium.candidates, 1):
        lines.append(f"a=candidate:{number} 1 UDP 1 {names.address(host)} {names.port(port)} typ host")
    lines.append(f"a={medium.direction}")
    return lines
