"""Campaign keys: what stays the same when a spammer changes the caller's number with every call."""

from functools import lru_cache
from ipaddress import ip_address, ip_network

from callprint.core.ground.keys import stable_key
from callprint.core.signalling.sdp import SessionDescription
from callprint.core.signalling.sip import SipMessage

_UNSTEADY_HEADERS = frozenset({"via", "record-route", "route", "content-length", "max-forwards"})
"""Headers that proxies add or that vary from call to call: not part of a program's habits."""


def campaign_key(message: SipMessage, session: SessionDescription | None, source_ip: str) -> str:
    """Return a digest of what stays the same under a rotating caller number, as 16 hex digits.

    The program (User-Agent), its habits (the order of headers, the shape of its SDP) and the network that
    the INVITE came from (/24 of IPv4, /64 of IPv6).
    """
    headers = ",".join(dict.fromkeys(name for name, _ in message.headers if name not in _UNSTEADY_HEADERS))
    network = _network(source_ip)
    shape = session.shape if session is not None else ""
    return f"{stable_key(message.header('user-agent') or '', shape, headers, network):016x}"


@lru_cache(maxsize=4096)
def _network(source_ip: str) -> str:
    bits = 24 if ip_address(source_ip).version == 4 else 64
    return str(ip_network(f"{source_ip}/{bits}", strict=False))
