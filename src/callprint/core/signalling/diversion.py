"""Who forwarded a call on its way: the newest Diversion (RFC 5806), else what History-Info says (RFC 7044, RFC 4244).

Whoever forwards is neither the caller nor the callee, and is kept apart from both.
"""

from callprint.core.signalling.address import Uri, address_or_none
from callprint.core.signalling.defects import SipError
from callprint.core.signalling.sip import SipMessage
from callprint.core.signalling.text import parameters


def diverter(message: SipMessage) -> Uri | None:
    """Return who forwarded the call last, None when nobody says so. What does not parse is passed over."""
    for value in _values(message, "diversion"):  # the newest stands first (RFC 5806 4)
        uri = _uri(value)
        if uri is not None:
            return uri
    return _from_history(_values(message, "history-info"))


def _from_history(entries: list[str]) -> Uri | None:
    by_index: dict[str, str] = {}
    for entry in entries:
        by_index.setdefault(_parameters(entry).get("index", ""), entry)
    for entry in reversed(entries):
        mapped_from = _parameters(entry).get("mp")  # to another user than this one (RFC 7044 5)
        if mapped_from in by_index:
            return _uri(by_index[mapped_from])
        if (
            "?reason=" in entry.lower() or "&reason=" in entry.lower()
        ):  # why this target was left (RFC 4244 4.1)
            return _uri(entry)
    return None


def _parameters(entry: str) -> dict[str, str]:
    try:
        return parameters(entry.rpartition(">")[2])
    except SipError:
        return {}


def _values(message: SipMessage, name: str) -> list[str]:
    try:
        return message.values(name)
    except SipError:
        return []


def _uri(value: str) -> Uri | None:
    address = address_or_none(value)
    return address.uri if address is not None else None
