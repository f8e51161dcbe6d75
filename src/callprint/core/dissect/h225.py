"""Who made an H.323 endpoint: its VendorIdentifier in H.225.0 call signalling (TCP port 1720). Compiled.

    TPKT    RFC 1006 section 6, four bytes; some stacks send them in a segment of their own
    Q.931   discriminator 8, call reference, message type, then information elements; the last is User-user (4.5.30)
    H.225   annex H, in aligned PER (X.691): Setup has the caller's `sourceInfo`, Call Proceeding, Alerting and
            Connect the callee's `destinationInfo`; both begin with what is optional and may be left out

A message is read as far as its vendor, which stands near its beginning, so the first segment of a message is enough. Of
several messages in a segment the first vendor is taken: all are of one sender.
Forms that nobody sends (addresses of IPX, extended identifiers) end the reading: then there is no vendor.
"""

from callprint.core.ground.arrays import Array
from callprint.core.ground.compiled import compiled, compiled_apart
from callprint.core.ground.loads import be16, load8

H225_PORT = 1720

NO_VENDOR = -1
PRODUCT, VERSION = 2, 1  # texts of a vendor
FIXED_BYTES = 4  # of a vendor: country, its extension, manufacturer

_TPKT_VERSION = 3
_TPKT_HEADER = 4
_Q931 = 8
_USER_USER = 0x7E
_ASN1 = 5  # the protocol discriminator of a User-user element with PER inside
_SETUP, _CALL_PROCEEDING, _CONNECT, _ALERTING = range(4)  # alternatives of h323-message-body
_MOST_MESSAGES = 4  # of a segment
_MOST_ELEMENTS = 32
_MOST_ALIASES = 16

# Positions below are in bits from the beginning of the buffer; -1 is where something does not fit.


@compiled_apart
def _bits(data: Array, at: int, end: int, count: int) -> int:
    """Return a number of at most eight bits; -1 beyond the end."""
    if at < 0 or at + count > end:
        return -1
    value = load8(data, at >> 3) << 8
    if (at & 7) + count > 8:
        value |= load8(data, (at >> 3) + 1)
    return (value >> (16 - (at & 7) - count)) & ((1 << count) - 1)


@compiled
def _aligned(at: int) -> int:
    return at if at < 0 else (at + 7) & ~7


@compiled_apart
def _skip_octets(data: Array, at: int, end: int) -> int:
    """Return what is behind octets with an unconstrained length (X.691 10.9.3.5 to 7)."""
    at = _aligned(at)
    first = _bits(data, at, end, 8)
    if first < 0 or first >= 0xC0:
        return -1
    if first < 0x80:
        return at + 8 + 8 * first
    second = _bits(data, at + 8, end, 8)
    return -1 if second < 0 else at + 16 + 8 * ((first & 0x3F) << 8 | second)


@compiled
def _skip_address(data: Array, at: int, end: int) -> int:
    """Return what is behind a TransportAddress of IPv4 or IPv6."""
    form = _bits(data, at, end, 4)  # extension bit, then one of seven alternatives
    if form == 0:
        return _aligned(at + 4) + 48
    if form == 3:
        return _aligned(at + 5) + 144 if _bits(data, at + 4, end, 1) == 0 else -1
    return -1


@compiled
def _skip_alias(data: Array, at: int, end: int) -> int:
    """Return what is behind an AliasAddress."""
    form = _bits(data, at, end, 2)
    if form == 0:  # dialedDigits: 1 to 128 characters of four bits
        length = _bits(data, at + 2, end, 7)
        return -1 if length < 0 else _aligned(at + 9) + 4 * (length + 1)
    if form == 1:  # h323-ID: 1 to 256 characters of sixteen bits
        length = _bits(data, _aligned(at + 2), end, 8)
        return -1 if length < 0 else _aligned(at + 2) + 8 + 16 * (length + 1)
    # An alternative behind the extension mark: its number in seven bits, then an open type.
    return -1 if form < 0 or _bits(data, at + 1, end, 1) != 0 else _skip_octets(data, at + 8, end)


@compiled
def _skip_aliases(data: Array, at: int, end: int) -> int:
    at = _aligned(at)
    count = _bits(data, at, end, 8)
    if count < 0 or count > _MOST_ALIASES:
        return -1
    at += 8
    for _ in range(count):
        at = _skip_alias(data, at, end)
    return at


@compiled
def _skip_non_standard(data: Array, at: int, end: int) -> int:
    """Return what is behind a NonStandardParameter."""
    form = _bits(data, at, end, 2)
    if form == 0:  # an object identifier
        at = _skip_octets(data, at + 2, end)
    elif form == 1 and _bits(data, at + 2, end, 1) == 0:  # an H221NonStandard
        at = _aligned(at + 3) + 8 * FIXED_BYTES
    else:
        return -1
    return _skip_octets(data, at, end)


@compiled
def _endpoint_type(data: Array, at: int, end: int) -> int:
    """Return where in a User-user element (from its PER on) the EndpointType of the message's sender begins."""
    head = _bits(
        data, at, end, 8
    )  # two SEQUENCEs with an option each, then extension bit and alternative of the body
    if head < 0 or head & 8:
        return -1
    body = head & 7
    at += 8
    if body == _SETUP:
        options = _bits(data, at + 1, end, 7)
        at = _skip_octets(data, at + 8, end)  # protocolIdentifier
        if options >= 0 and options & 0x40:
            at = _skip_address(data, at, end)
        if options >= 0 and options & 0x20:
            at = _skip_aliases(data, at, end)
        return -1 if options < 0 else at
    if body > _ALERTING:
        return -1
    has_address = _bits(data, at + 1, end, 1)
    at = _skip_octets(data, at + 2, end)
    if body == _CONNECT and has_address == 1:
        at = _skip_address(data, at, end)
    return at


@compiled
def _user_user(data: Array, at: int, end: int) -> tuple[int, int]:
    """Return where the PER of a Q.931 message begins, in bytes, and where it ends; -1 when it has none."""
    if at + 2 > end or data[at] != _Q931:
        return -1, 0
    at += 3 + (load8(data, at + 1) & 0x0F)
    for _ in range(_MOST_ELEMENTS):
        if at + 4 > end:
            return -1, 0
        if data[at] == _USER_USER:
            return at + 4 if data[at + 3] == _ASN1 else -1, min(end, at + 3 + be16(data, at + 1))
        at += 1 if data[at] & 0x80 else 2 + load8(data, at + 1)
    return -1, 0


@compiled_apart
def _vendor_of_message(data: Array, at: int, end: int) -> tuple[int, int, int]:
    """Return what vendor_in returns, of one Q.931 message."""
    at, end = _user_user(data, at, end)
    last = end * 8
    bit = -1 if at < 0 else _endpoint_type(data, at * 8, last)
    options = _bits(data, bit, last, 7)  # extension bit, then six options: nonStandardData, vendor, ...
    if options < 0 or options & 0x10 == 0:
        return NO_VENDOR, 0, 0
    bit += 7
    if options & 0x20:
        bit = _skip_non_standard(data, bit, last)
    head = _bits(data, bit, last, 4)  # extension bit, productId, versionId; extension bit of H221NonStandard
    if head < 0 or head & 1:
        return NO_VENDOR, 0, 0
    texts = head >> 1 & (PRODUCT | VERSION)
    first = _aligned(bit + 4) >> 3
    at = first + FIXED_BYTES
    for text in (PRODUCT, VERSION):
        if texts & text:
            if at >= end:
                return NO_VENDOR, 0, 0
            at += 2 + load8(data, at)
    if at > end:
        return NO_VENDOR, 0, 0
    return first, at - first, texts


@compiled_apart
def vendor_in(data: Array, offset: int, length: int) -> tuple[int, int, int]:
    """Return where in a segment the vendor of its sender lies: offset, length, and which of its texts are there.

    The vendor is a country, an extension of it and a manufacturer (four bytes), then the texts that are there, each
    behind a byte that is one less than its length: PRODUCT, VERSION. Offset NO_VENDOR: the segment has none.
    """
    at, end = offset, offset + length
    for _ in range(_MOST_MESSAGES):
        message_end = end
        if at + _TPKT_HEADER <= end and data[at] == _TPKT_VERSION and data[at + 1] == 0:
            message_end = min(end, at + max(_TPKT_HEADER, be16(data, at + 2)))
            at += _TPKT_HEADER
        found = _vendor_of_message(data, at, message_end)
        if found[0] != NO_VENDOR or message_end >= end:
            return found
        at = message_end
    return NO_VENDOR, 0, 0
