"""Where evidence logs (core/evidence.py) hold texts by which a sender names its program. Compiled.

    RTCP   SDES items TOOL and NOTE of the sender's own chunk (RFC 3550 6.5)
    STUN   of a Binding request and of a TURN Allocate: SOFTWARE and REALM (RFC 8489 14.14, 14.9), and attributes
           whose type alone names a product
    H.225  product and version of a VendorIdentifier (H.225.0 7.6), and manufacturers (H.221 annex A)
    DTLS   common names of a certificate behind the ServerHello, while DTLS 1.2 still shows it (RFC 5280 4.1.2.4)

Whatever is damaged, cut or encrypted ends the reading of its record; what was read before counts.
"""

from typing import Any

import numpy as np

from callprint.core.declared.name import Declared
from callprint.core.declared.table import MAXIMUM_TEXT, NameTable
from callprint.core.dissect.h225 import FIXED_BYTES, PRODUCT, VERSION
from callprint.core.evidence import (
    EVIDENCE_ALLOCATE,
    EVIDENCE_DTLS,
    EVIDENCE_H225,
    EVIDENCE_HEADER,
    EVIDENCE_RTCP,
    EVIDENCE_STUN,
)
from callprint.core.ground.arrays import Array
from callprint.core.ground.compiled import Row, compiled_allocating, read_only
from callprint.core.ground.loads import be16, le16
from callprint.core.identify.evidence_tables import checked_spans
from callprint.core.packets import MAXIMUM_PAYLOAD
from callprint.core.verdict import DTLS, RTCP, STUN

MAXIMUM_TEXTS = 16  # texts of one log that are looked at: the first ones

Integer = Any  # int or np.int64: compiled code makes no difference, mypy does

_SDES, _NOTE, _TOOL = 202, 7, 6
_SOFTWARE, _REALM = 0x8022, 0x0014
_ANSWER = 0x0110  # the class of a STUN message, RFC 8489 5; zero: a request

_TEXT = np.dtype(
    [
        ("log", np.int64),
        ("kind", np.int64),  # EVIDENCE_RTCP, _STUN, _DTLS or _H225, of which the whole record counts as text
        ("attribute", np.int64),  # a type of STUN: of what names a product, or REALM; 0: another text
        ("offset", np.int64),  # of the text in the buffer
        ("length", np.int64),
    ],
    align=True,
)


@compiled_allocating
def _put(
    texts: Array, count: Integer, kind: Integer, attribute: Integer, offset: Integer, length: Integer
) -> Integer:
    """Add a text, if there is room; return how many there are."""
    if count < texts.shape[0]:
        row: Row = texts[count]
        row.kind = kind
        row.attribute = attribute
        row.offset = offset
        row.length = min(length, MAXIMUM_TEXT)
        count += 1
    return count


@compiled_allocating
def _rtcp_texts(buffer: Array, at: Integer, end: Integer, texts: Array, count: Integer) -> Integer:
    while at + 4 <= end and buffer[at] >> 6 == 2:
        packet_end = at + 4 + 4 * be16(buffer, at + 2)
        if buffer[at + 1] == _SDES and buffer[at] & 31:
            item = at + 8  # behind the SSRC of the first chunk, which is the sender's
            while item + 2 <= min(end, packet_end) and buffer[item] != 0:
                length = np.int64(buffer[item + 1])
                if item + 2 + length > min(end, packet_end):
                    break
                if buffer[item] in (_TOOL, _NOTE):
                    count = _put(texts, count, EVIDENCE_RTCP, 0, item + 2, length)
                item += 2 + length
        at = packet_end
    return count


@compiled_allocating
def _stun_texts(
    buffer: Array, at: Integer, end: Integer, wanted: Array, texts: Array, count: Integer
) -> Integer:
    if at + 20 > end:
        return count
    # What a server answers names the server by its texts, but the service by an attribute that no other has.
    asks = be16(buffer, at) & _ANSWER == 0
    alignment = 4 if be16(buffer, at + 2) % 4 == 0 else 1  # WhatsApp does not pad
    at += 20
    while at + 4 <= end:
        kind, length = be16(buffer, at), be16(buffer, at + 2)
        for each in wanted:
            if kind == each:
                count = _put(texts, count, EVIDENCE_STUN, kind, at, 0)
        if at + 4 + length > end:
            break
        if kind == _SOFTWARE and asks:
            count = _put(texts, count, EVIDENCE_STUN, 0, at + 4, length)
        elif kind == _REALM and asks:
            count = _put(texts, count, EVIDENCE_STUN, _REALM, at + 4, length)
        at += 4 + (length + alignment - 1) // alignment * alignment
    return count


@compiled_allocating
def _dtls_texts(buffer: Array, at: Integer, end: Integer, texts: Array, count: Integer) -> Integer:
    while at + 7 <= end:
        # OID 2.5.4.3, then a string of up to 127 bytes
        if (
            buffer[at] == 6
            and buffer[at + 1] == 3
            and buffer[at + 2] == 0x55
            and buffer[at + 3] == 4
            and buffer[at + 4] == 3
        ):
            length = np.int64(buffer[at + 6])
            if length < 128 and at + 7 + length <= end:
                count = _put(texts, count, EVIDENCE_DTLS, 0, at + 7, length)
        at += 1
    return count


@compiled_allocating
def _texts_of_log(buffer: Array, at: Integer, end: Integer, wanted: Array, texts: Array) -> Integer:
    count = 0
    while at + EVIDENCE_HEADER <= end:
        length = np.int64(le16(buffer, at + 8))
        kind = buffer[at + 10]
        begin = at + EVIDENCE_HEADER
        at = begin + length
        if at > end or length > MAXIMUM_PAYLOAD:
            break
        if kind == EVIDENCE_RTCP:
            count = _rtcp_texts(buffer, begin, at, texts, count)
        elif kind in (EVIDENCE_STUN, EVIDENCE_ALLOCATE):
            count = _stun_texts(buffer, begin, at, wanted, texts, count)
        elif kind == EVIDENCE_DTLS:
            count = _dtls_texts(buffer, begin, at, texts, count)
        elif kind == EVIDENCE_H225:
            count = _put(texts, count, EVIDENCE_H225, 0, begin, length)
    return count


@compiled_allocating
def _all_texts(buffer: Array, spans: Array, wanted: Array, texts: Array) -> Integer:
    """Fill `texts`, (n * MAXIMUM_TEXTS,) _TEXT, with those of n logs; return how many there are."""
    filled = 0
    for i in range(spans.shape[0]):
        room = texts[filled : filled + MAXIMUM_TEXTS]
        count = _texts_of_log(buffer, spans[i, 0], spans[i, 1], wanted, room)
        room["log"][:count] = i
        filled += count
    return filled


def declared_in(buffer: Array, spans: Array, names: NameTable) -> dict[int, Declared]:
    """Return what the senders of evidence logs call themselves, by the index of the log; most say nothing.

    buffer: (bytes,) uint8; spans: (n, 2) int64, log i is buffer[spans[i, 0]:spans[i, 1]].
    """
    if not names or not len(spans):
        return {}
    wanted = np.array(sorted(names.attributes), np.int64)
    texts = np.empty(len(spans) * MAXIMUM_TEXTS, _TEXT)
    count = _all_texts(read_only(buffer), checked_spans(buffer, spans), wanted, texts)
    found: dict[int, list[Declared]] = {}
    for log, kind, attribute, offset, length in texts[:count].tolist():
        said = buffer[offset : offset + length].tobytes()
        if kind == EVIDENCE_H225:
            declared = _of_vendor(said, names)
        elif attribute not in (0, _REALM):
            declared = names.by_attribute(attribute)
        else:
            text = said.decode("utf-8", "replace")
            declared = names.by_realm(text) if attribute else names.declared(text, _SAID_BY[kind])
        if declared is not None:
            found.setdefault(log, []).append(declared)
    return {log: first for log, each in found.items() if (first := names.chosen(each)) is not None}


def _of_vendor(record: bytes, names: NameTable) -> Declared | None:
    """Return what a record of H.225 says: by its product and version, or without a product by its manufacturer."""
    if len(record) <= FIXED_BYTES:
        return None
    at = 1 + FIXED_BYTES
    texts = {PRODUCT: "", VERSION: ""}
    for text in texts:
        if record[0] & text and at < len(record):
            texts[text] = record[at + 1 : at + 2 + record[at]].decode("latin-1").strip("\0")
            at += 2 + record[at]
    if texts[PRODUCT]:
        return names.by_product(texts[PRODUCT], texts[VERSION])
    country, extension, manufacturer = record[1], record[2], int.from_bytes(record[3:5], "big")
    return names.by_manufacturer(f"{country}-{extension}-{manufacturer}")


_SAID_BY = {EVIDENCE_RTCP: RTCP, EVIDENCE_STUN: STUN, EVIDENCE_DTLS: DTLS}
