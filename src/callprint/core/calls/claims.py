"""What the messages of a party declare about its program, and whether the party itself sends the media.

A proxy passes a telephone's User-Agent on, and with it perhaps media that a relay has made anew; a back-to-back user
agent that stays out of the media signs messages whose SDP leads to somebody else. So the name of a party is that of a
flow only when the flow comes from an address that the declaring message shows to be the party's own:

    Contact                        where the party itself wants to be reached (RFC 3261 8.1.1.8)
    the last Via of a request      where it was sent first (18.1.1), as written and as received (18.2.1)
    the source of the packet       when no proxy has touched the message: one Via, and no Record-Route
"""

from dataclasses import dataclass, replace
from functools import lru_cache

from callprint.core.declared.name import Declared
from callprint.core.declared.table import NameTable
from callprint.core.signalling.address import address_or_none
from callprint.core.signalling.sdp import SessionDescription, canonical_address
from callprint.core.signalling.sip import SipMessage
from callprint.core.signalling.text import parameters
from callprint.core.verdict import SDP, SIP

_MAXIMUM_REMEMBERED = 256
"""Longest Contact, characters, whose address is remembered: a message may be of one Contact alone."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The name that a party's messages declare."""

    declared: Declared
    own_addresses: tuple[str, ...]  # at which this party itself is, in canonical text
    tag: str = ""  # of who declares it; "" also where that is not known any more
    answered: bool = False  # by a 2xx


def claim_after(
    before: Claim | None,
    message: SipMessage,
    session: SessionDescription | None,
    source_ip: str,
    names: NameTable,
) -> Claim | None:
    """Return what a party claims once this message of it was seen.

    The first claim stays, since proxies may change copies of the message. An answer adds to what was said before it:
    more addresses, or with SDP a name that is nearer to the media.
    """
    if before is not None and (before.answered or not _answers(message)):
        return before
    claim = _claim_of(message, session, source_ip, names)
    if before is None:
        return claim
    if claim is None:
        return replace(before, answered=True)
    declared = names.chosen((before.declared, claim.declared)) or before.declared
    named = [each for each in (before, claim) if each.declared.application == declared.application]
    own = dict.fromkeys(address for each in named for address in each.own_addresses)
    return Claim(declared, tuple(own), before.tag, answered=True)


def _claim_of(
    message: SipMessage, session: SessionDescription | None, source_ip: str, names: NameTable
) -> Claim | None:
    """Return what a message of an INVITE transaction claims for its sender, None when it declares no name.

    A refusal claims nothing: whoever refuses sends no media.
    """
    if message.method != "INVITE" or not (message.is_request or 100 < message.status < 300) or not names:
        return None
    agent = message.header("user-agent") or message.header("server")
    declared = names.chosen(
        (
            names.declared(agent, SIP) if agent else None,
            names.by_session(session.session) if session else None,
            names.declared(session.tool, SDP) if session else None,
            names.by_origin(session.origin) if session else None,
        )
    )
    if declared is None:
        return None
    return Claim(declared, _own_addresses(message, source_ip), message.sender_tag, _answers(message))


def _answers(message: SipMessage) -> bool:
    return message.method == "INVITE" and 200 <= message.status < 300


def _own_addresses(message: SipMessage, source_ip: str) -> tuple[str, ...]:
    vias, contacts = message.values("via"), message.values("contact")
    addresses = [_contact_address(contacts[0])] if contacts else []
    if message.is_request and vias:
        addresses += _via_addresses(vias[-1])
    if len(vias) == 1 and (message.is_request or message.header("record-route") is None):
        addresses.append(source_ip)
    return tuple(dict.fromkeys(filter(None, addresses)))


def _contact_address(contact: str) -> str:
    return _remembered(contact) if len(contact) <= _MAXIMUM_REMEMBERED else _read(contact)


def _read(contact: str) -> str:
    address = address_or_none(contact)
    return canonical_address(address.uri.host) if address is not None else ""


_remembered = lru_cache(maxsize=1024)(_read)


def _via_addresses(via: str) -> list[str]:
    """Return the addresses of a Via: sent-by, and the parameter `received`; "" where one is none."""
    sent, _, rest = via.partition(";")
    by = sent.rpartition(" ")[2]
    host = by[1:].partition("]")[0] if by.startswith("[") else by.partition(":")[0]
    received = parameters(rest).get("received", "")
    return [canonical_address(host), canonical_address(received.strip("[]"))]
