"""Addresses as PACKET and FLOW rows hold them, two numbers in host order, and as text."""

import ipaddress

Endpoint = tuple[str, int]
"""IP address and port at which a party receives, or from which it sends."""


def address_text(hi: int, lo: int) -> str:
    """Return the text of an address of a PACKET or FLOW row; IPv4 stands in it as ::ffff:a.b.c.d."""
    if hi == 0 and lo >> 32 == 0xFFFF:
        return f"{lo >> 24 & 255}.{lo >> 16 & 255}.{lo >> 8 & 255}.{lo & 255}"  # ipaddress takes four times as long
    return str(ipaddress.IPv6Address((hi << 64) | lo))
