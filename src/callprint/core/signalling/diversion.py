"""Who forwarded a call on its way: the newest Diversion (RFC 5806), else what History-Info says (RFC 7044, RFC 4244).

History-Info says it in three ways: by `mp` of the next target, by the Reason for which a target was left, and by the
`cause` for which the next target was taken (RFC 4458, as RFC 7544 maps it to Diversion). Whoever forwards is
neither the caller nor the callee, and is kept apart from both.
"""

import re

from callprint.core.signalling.address import Uri, address_or_none
from callprint.core.signalling.sip import SipMessage
from callprint.core.signalling.text import parameters

_FORWARDED = re.compile(r";cause=(?:302|404|408|48[067]|503)(?![0-9])", re.IGNORECASE)
"""The reasons of RFC 4458 2; others, such as 380 (RFC 8119), translate a number and forward nothing."""


def diverter(message: SipMessage) -> Uri | None:
    """Return who forwarded the call last, None when nobody says so. What does not parse is passed over."""
    for value in message.values("diversion"):  # the newest stands first (RFC 5806 4)
        uri = _uri(value)
        if uri is not None:
            return uri
    return _from_history(message.values("history-info"))


def _from_history(entries: list[str]) -> Uri | None:
    by_index: dict[str, str] = {}
    for entry in entries:
        by_index.setdefault(_parameters(entry).get("index", ""), entry)
    for entry in reversed(entries):
        given = _parameters(entry)
        mapped_from = given.get("mp")  # to another user than this one (RFC 7044 5)
        if mapped_from in by_index:
            return _uri(by_index[mapped_from])
        if (
            "?reason=" in entry.lower() or "&reason=" in entry.lower()
        ):  # why this target was left (RFC 4244 4.1)
            return _uri(entry)
        before = given.get("index", "").rpartition(".")[0]  # the target that led to this one (RFC 7044 10.3)
        if before in by_index and _FORWARDED.search(entry):
            return _uri(by_index[before])
    return None


def _parameters(entry: str) -> dict[str, str]:
    return parameters(entry.rpartition(">")[2])


def _uri(value: str) -> Uri | None:
    address = address_or_none(value)
    return address.uri if address is not None else None
