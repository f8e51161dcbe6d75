"""Addresses as text, as the two numbers that PACKET and FLOW rows hold, and as endpoints."""

import ipaddress
from typing import TypeVar

Endpoint = tuple[str, int]
"""IP address and port at which a party receives, or from which it sends."""

AnyEndpoint = TypeVar("AnyEndpoint", Endpoint, tuple[bytes, int])


def address_text(hi: int, lo: int) -> str:
    """Return the text of an address of a PACKET or FLOW row, which holds IPv4 as ::ffff:a.b.c.d."""
    if hi == 0 and lo >> 32 == 0xFFFF:
        return f"{lo >> 24 & 255}.{lo >> 16 & 255}.{lo >> 8 & 255}.{lo & 255}"  # ipaddress takes four times as long
    return str(ipaddress.IPv6Address((hi << 64) | lo))


def address_numbers(text: str) -> tuple[int, int]:
    """Return the two numbers of `address_text`; those of no host for what is not an address."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return 0, 0
    number = int(address)
    if address.version == 4:
        return 0, 0xFFFF << 32 | number
    return number >> 64, number & (1 << 64) - 1


def in_order(one: AnyEndpoint, other: AnyEndpoint) -> tuple[AnyEndpoint, AnyEndpoint]:
    """Return two endpoints, the smaller one first: the same pair for both directions between them."""
    return (one, other) if one <= other else (other, one)
