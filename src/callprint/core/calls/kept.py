"""What is kept of a call beside its packets: its verdicts with what they were based on, as JSON in a block of pcapng.

The block's type is one of those that the format reserves for local use, so that other programs pass it over. The JSON
has a version and names; what this version does not know is passed over, what it lacks is "not known".
"""

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from callprint.core.ground.errors import DecodeError
from callprint.core.verdict import DECLARED_BY, FlowKey
from callprint.core.verdicts.looks import ROW_BYTES, JudgedLook, Look
from callprint.core.verdicts.rows import VERDICTS

BLOCK_TYPE = 0x8CA11E01
VERSION = 1
MOST_VERDICTS = 10_000
LONGEST_TEXT = 64 << 20
_MOST_PORTS = 64
_PORTS = range(1, 1 << 16)
SECTION = b"\x0a\x0d\x0d\x0a"
BYTE_ORDER = b"\x4d\x3c\x2b\x1a"


@dataclass(frozen=True, slots=True)
class KeptCall:
    """What goes with the packets of a call."""

    judged: list[JudgedLook] = field(default_factory=list)
    card: str = ""  # of the model, JSON; "" without one
    call: dict[str, Any] = field(default_factory=dict)  # what its row says: for people
    complete: bool = True  # False: its oldest packets were given up before it was kept
    voice: bool = False  # True: RTP packets are whole
    ports: tuple[int, ...] = ()  # by which SIP over TCP was known; (): the usual ones
    pseudonyms: bool = False  # True: addresses, ports and names are not the real ones

    @property
    def flows(self) -> list[FlowKey]:
        """The flows that there are verdicts on, in their order."""
        return list(dict.fromkeys(each.verdict.flow for each in self.judged))

    def as_text(self) -> str:
        """Return it as JSON."""
        looks = [each.look for each in self.judged]
        return json.dumps(
            {
                "version": VERSION,
                "complete": self.complete,
                "voice": self.voice,
                "pseudonyms": self.pseudonyms,
                "ports": self.ports,
                "call": self.call,
                "verdicts": VERDICTS.plain(each.verdict for each in self.judged),
                "features": [
                    None if look is None else base64.b64encode(look.row).decode("ascii") for look in looks
                ],
                "by_headers": [look is not None and look.by_headers for look in looks],
                "card": self.card,
            },
            separators=(",", ":"),
        )

    @classmethod
    def from_text(cls, text: str | bytes) -> "KeptCall":
        """Return what `as_text` wrote. Raises DecodeError for anything else."""
        try:
            plain = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise DecodeError(f"the notes of a kept call are not JSON: {error}") from error
        if not isinstance(plain, dict) or plain.get("version") != VERSION:
            raise DecodeError(f"notes of a kept call of another version than {VERSION}")
        verdicts = VERDICTS.read(plain.get("verdicts", []))
        features, by_headers = (plain.get(name) for name in ("features", "by_headers"))
        if not isinstance(features, list) or not isinstance(by_headers, list):
            raise DecodeError("a kept call without features")
        if not len(verdicts) == len(features) == len(by_headers) <= MOST_VERDICTS:
            raise DecodeError("a kept call has more or fewer features than verdicts, or too many")
        if any(verdict.declared_by not in (None, *DECLARED_BY) for verdict in verdicts):
            raise DecodeError("a kept call in which something unknown declares a name")
        call, card = plain.get("call", {}), plain.get("card", "")
        if not isinstance(call, dict) or not isinstance(card, str):
            raise DecodeError("a kept call whose row or model card is none")
        looks = map(_look, features, by_headers)
        flags = {name: plain.get(name) is True for name in ("complete", "voice", "pseudonyms")}
        return cls(
            list(map(JudgedLook, verdicts, looks)), card, call, ports=_ports(plain.get("ports", [])), **flags
        )


def _ports(ports: Any) -> tuple[int, ...]:
    if not isinstance(ports, list) or len(ports) > _MOST_PORTS:
        raise DecodeError("a kept call whose ports are no list, or too long a one")
    if any(type(port) is not int or port not in _PORTS for port in ports):
        raise DecodeError("a kept call with a port that is none")
    return tuple(ports)


def _look(row: Any, by_headers: Any) -> Look | None:
    if row is None:
        return None
    try:
        raw = base64.b64decode(row, validate=True) if isinstance(row, str) else b""
    except ValueError:
        raw = b""
    if len(raw) != ROW_BYTES:
        raise DecodeError("a row of features of a kept call is damaged, or of another version of callprint")
    look = Look(raw, by_headers is True)
    if not np.isfinite(look.features).all():
        raise DecodeError("a feature of a kept call is no number")
    return look


def block_of(kept: KeptCall) -> bytes:
    """Return the block of pcapng that holds it, little-endian."""
    body = kept.as_text().encode("ascii")
    length = 16 + len(body) + -len(body) % 4
    size = length.to_bytes(4, "little")
    padded = len(body).to_bytes(4, "little") + body + bytes(-len(body) % 4)
    return BLOCK_TYPE.to_bytes(4, "little") + size + padded + size


def kept_in(capture: bytes) -> KeptCall | None:
    """Return what a capture file says about its call; None where it says nothing.

    Raises DecodeError when the block is damaged.
    """
    if capture[:4] != SECTION or capture[8:12] != BYTE_ORDER:
        return None  # this is always written little-endian
    for at, length in _blocks(capture):
        if at + length > len(capture):
            return None  # whoever reads the packets will say so
        if int.from_bytes(capture[at : at + 4], "little") == BLOCK_TYPE:
            size = int.from_bytes(capture[at + 8 : at + 12], "little")
            if size > length - 16 or size > LONGEST_TEXT:
                raise DecodeError("the notes of a kept call are longer than their block")
            return KeptCall.from_text(capture[at + 12 : at + 12 + size])
    return None


def _blocks(capture: bytes) -> Iterator[tuple[int, int]]:
    """Yield where blocks begin and how long they say they are, up to the first one that cannot be one."""
    at = 0
    while at + 12 <= len(capture):
        length = int.from_bytes(capture[at + 4 : at + 8], "little")
        if length < 12 or length % 4:
            return
        yield at, length
        at += length
