"""Pseudonyms for what a capture says about people and machines: the same one for the same thing, by a secret key.

Addresses become private ones without any order or network in common (two hosts of one network are not seen to be so);
ports keep their lowest bit, so that RTP and RTCP still lie side by side. Without the key, which is thrown away, nothing
leads back but to try what is short enough to be tried: numbers are not, as the key has 32 bytes.
"""

import ipaddress
from collections.abc import Iterable
from hashlib import blake2b

from callprint.core.ground.addresses import Endpoint
from callprint.core.signalling.sdp import UNSPECIFIED
from callprint.core.verdict import FlowKey

KEY_BYTES = 32
_FIRST_PAIR = 1024 >> 1
_PAIRS = (65536 >> 1) - _FIRST_PAIR


class Pseudonyms:
    """The pseudonyms of one file."""

    def __init__(self, key: bytes, kept_ports: Iterable[int]) -> None:
        """key: KEY_BYTES of randomness. kept_ports: those by which signalling is known; they stay."""
        self._key = key
        self._ports = {0: 0, **{port: port for port in kept_ports}}
        self._pairs: dict[int, int] = {}
        self._taken_pairs = {port >> 1 for port in self._ports}
        self._free_pairs = _PAIRS - sum(pair >= _FIRST_PAIR for pair in self._taken_pairs)
        self._addresses: dict[str, str] = {}
        self._taken_addresses: set[str] = set()

    def address(self, text: str) -> str:
        """Return the pseudonym of an IP address; "" for what is none, and the unspecified address itself."""
        if text in UNSPECIFIED:
            return text
        found = self._addresses.get(text)
        if found is None:
            try:
                parsed = ipaddress.ip_address(text)
            except ValueError:
                return ""
            usual = str(parsed)  # IPv6 has many ways to write one address
            found = self._addresses.get(usual) or self._fresh_address(usual, parsed.version)
            self._addresses[text] = self._addresses[usual] = found
            self._taken_addresses.add(found)
        return found

    def port(self, port: int) -> int:
        """Return the pseudonym of a port. Where a call names nearly every port there is, some share one."""
        if port in self._ports:
            return self._ports[port]
        pair = self._pairs.get(port >> 1)
        if pair is None:
            pair = self._number(f"port {port >> 1}", 8) % _PAIRS + _FIRST_PAIR
            while pair in self._taken_pairs and len(self._pairs) < self._free_pairs:
                pair = (pair + 1 - _FIRST_PAIR) % _PAIRS + _FIRST_PAIR
            self._pairs[port >> 1] = pair
            self._taken_pairs.add(pair)
        return pair << 1 | port & 1

    def endpoint(self, endpoint: Endpoint) -> Endpoint:
        """Return the pseudonym of an endpoint."""
        return self.address(endpoint[0]), self.port(endpoint[1])

    def flow(self, key: FlowKey) -> FlowKey:
        """Return the key of a flow between pseudonyms; its source and its time stay."""
        source, target = (
            self.endpoint((key.src_ip, key.src_port)),
            self.endpoint((key.dst_ip, key.dst_port)),
        )
        return FlowKey(*source, *target, key.ssrc, key.first_seen_ns)

    def word(self, kind: str, text: str) -> str:
        """Return the pseudonym of a name, number or identifier: 16 hex digits; "" for no text."""
        return f"{self._number(f'{kind} {text}', 8):016x}" if text else ""

    def bytes_like(self, value: bytes) -> bytes:
        """Return as many bytes; the same six at the beginning for the same six, by which elements are told apart."""
        found = blake2b(b"bytes " + value[:6], digest_size=6, key=self._key).digest()
        return (found + bytes(len(value)))[: len(value)]

    def host(self, text: str) -> str:
        """Return the pseudonym of the host of a URI, an address or a name."""
        bare = text.strip("[]")
        address = self.address(bare)
        if address:
            return f"[{address}]" if ":" in address else address
        return f"{self.word('host', bare.lower())}.invalid" if bare else ""  # RFC 2606: never a real name

    def _fresh_address(self, text: str, version: int) -> str:
        for attempt in range(1 << 16):
            if version == 4:
                number = 10 << 24 | self._number(f"ip {attempt} {text}", 3)
                found = str(ipaddress.IPv4Address(number))
            else:
                number = 0xFD << 120 | self._number(f"ip {attempt} {text}", 15)
                found = str(ipaddress.IPv6Address(number))
            if found not in self._taken_addresses:
                return found
        raise OverflowError("more addresses than there are pseudonyms")

    def _number(self, text: str, size: int) -> int:
        digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=size, key=self._key)
        return int.from_bytes(digest.digest(), "big")
