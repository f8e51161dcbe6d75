"""The sections of a fingerprint that the handshake gives: the STUN request and the DTLS hello. Compiled.

0608ac31n                        STUN: attributes, hash of their types in order, w or n: with SOFTWARE or without
c12.1709.a1b2c3.d4e5f6.127       DTLS: ClientHello, version 1.2, 17 cipher suites, 9 extensions, hash of each list,
                                 SRTP protection profiles
s12.0003.811c1c.d4e5f6.1         ServerHello: it chooses among what it was offered, so no cipher suite counts
"""

import numpy as np

from callprint.core.fingerprint.text import (
    CUT,
    HASH_OF_NOTHING,
    NOT_SEEN,
    put,
    put_digit,
    put_hash,
    put_number,
    with_code,
)
from callprint.core.ground.arrays import Array
from callprint.core.ground.compiled import Row, compiled_allocating
from callprint.core.ground.loads import be16
from callprint.core.identify.evidence_tables import Integer

_STUN_HEADER = 20  # RFC 8489 5
_SOFTWARE, _USE_CANDIDATE, _CONTROLLED, _CONTROLLING = 0x8022, 0x0025, 0x8029, 0x802A

_SHORTEST_HELLO = 60  # bytes, up to the length of its session id
_HELLO_BODY = 25  # record header (RFC 6347 4.1) and handshake header (4.2.2)
_SERVER_HELLO = 2
_USE_SRTP, _SUPPORTED_VERSIONS = 14, 43  # RFC 5764 4.1.1, RFC 8446 4.2.1
_DTLS_1_3 = 0xFEFC
_MOST_PROFILES = 8


@compiled_allocating
def put_stun(text: Array, at: Integer, buffer: Array, request: Row) -> Integer:
    """Write the section of a Binding request, a HANDSHAKE_RECORD. The ICE role counts as one attribute, either way."""
    if request.length < _STUN_HEADER:
        return put(text, at, NOT_SEEN)
    attribute_at = request.offset + _STUN_HEADER
    end = request.offset + request.length
    attributes = np.int64(0)
    state = np.int64(HASH_OF_NOTHING)
    software = False
    while attribute_at + 4 <= end:
        attribute = be16(buffer, attribute_at)
        if attribute != _USE_CANDIDATE:  # it comes with the role, which the peer's role decides
            attributes += 1
            state = with_code(state, _CONTROLLED if attribute == _CONTROLLING else attribute)
        software |= attribute == _SOFTWARE
        attribute_at += 4 + ((be16(buffer, attribute_at + 2) + 3) & ~3)
    at = put_hash(text, put_number(text, at, attributes), state)
    return put(text, at, ord("w") if software else ord("n"))


@compiled_allocating
def _is_grease(code: Integer) -> bool:
    """Return whether a code is one of those that mean nothing (RFC 8701)."""
    return bool((code & 0x0F0F) == 0x0A0A and (code >> 8) == (code & 255))


@compiled_allocating
def _put_lists(
    text: Array,
    at: Integer,
    suites: Integer,
    suite_state: Integer,
    extensions: Integer,
    extension_state: Integer,
) -> Integer:
    at = put_number(text, put_number(text, put(text, at, ord(".")), suites), extensions)
    at = put_hash(text, put(text, at, ord(".")), suite_state)
    return put_hash(text, put(text, at, ord(".")), extension_state)


@compiled_allocating
def put_hello(text: Array, at: Integer, buffer: Array, hello: Row) -> Integer:
    """Write the section of a hello (RFC 6347 4.2), a HANDSHAKE_RECORD; ~ at its end: part of it was not seen."""
    if hello.length < _SHORTEST_HELLO:
        return put(text, at, NOT_SEEN)
    begin = hello.offset
    end = begin + hello.length
    here = begin + _HELLO_BODY
    later_fragment = buffer[begin + 19] | buffer[begin + 20] | buffer[begin + 21]
    if later_fragment:
        return put(text, at, NOT_SEEN)
    server = buffer[begin + 13] == _SERVER_HELLO
    fragment = (np.int64(buffer[begin + 22]) << 16) | be16(buffer, begin + 23)
    whole = (np.int64(buffer[begin + 14]) << 16) | be16(buffer, begin + 15)
    cut = fragment != whole or here + fragment > end
    end = min(end, here + fragment)
    version: Integer = np.int64(buffer[here + 1])  # the ones' complement of the minor version
    here += 34
    here += 1 + np.int64(buffer[here])  # session id
    suites = np.int64(0)
    suite_state = np.int64(HASH_OF_NOTHING)
    if server:
        here += 3  # suite and compression, which answer the client
    else:
        if here < end:
            here += 1 + np.int64(buffer[here])  # cookie
        if here + 2 <= end:
            suites_end = here + 2 + be16(buffer, here)
            here += 2
            while here + 2 <= min(end, suites_end):
                suite = be16(buffer, here)
                if not _is_grease(suite):
                    suites += 1
                    suite_state = with_code(suite_state, suite)
                here += 2
            here = suites_end
        if here < end:
            here += 1 + np.int64(buffer[here])  # compression methods
    here += 2
    extensions = np.int64(0)
    extension_state = np.int64(HASH_OF_NOTHING)
    profiles_at: Integer = np.int64(0)
    profiles_end: Integer = np.int64(0)
    while here + 4 <= end:
        extension = be16(buffer, here)
        size = be16(buffer, here + 2)
        if not _is_grease(extension):
            extensions += 1
            extension_state = with_code(extension_state, extension)
        here += 4
        if extension == _USE_SRTP and here + 2 <= end:
            profiles_at = here + 2
            profiles_end = min(end, here + size, here + 2 + be16(buffer, here))
        elif extension == _SUPPORTED_VERSIONS:
            for version_at in range(here, min(end, here + size) - 1):
                if be16(buffer, version_at) == _DTLS_1_3:
                    version = np.int64(_DTLS_1_3 & 255)
        here += size
    at = put(text, at, ord("s") if server else ord("c"))
    at = put_number(text, at, 10 + min(255 - version, 89))
    at = _put_lists(text, at, suites, suite_state, extensions, extension_state)
    at = put(text, at, ord("."))
    profiles_end = min(profiles_end, profiles_at + 2 * _MOST_PROFILES)
    while profiles_at + 2 <= profiles_end:
        at = put_digit(text, at, be16(buffer, profiles_at))
        profiles_at += 2
    return put(text, at, CUT) if cut else at
