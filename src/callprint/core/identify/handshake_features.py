"""Features of the handshake before the media: the sender's first STUN request and first DTLS hello. Compiled.

Form, never values: which attributes, cipher suites and extensions a stack writes, in which order, and how long
the fields are that it fills at will. What the peer chose is left out: its part of the user name, the ICE role, and
the suite and extensions that a ServerHello could not but answer (of these only the order counts).
"""

import numpy as np

from callprint.core.ground.compiled import Array, compiled_allocating
from callprint.core.identify.evidence_records import Whole

STUN_NAMES = (
    "stun_seen",
    "stun_attributes",
    "stun_user_name_at",  # places count from 1; 0: not there
    "stun_priority_at",
    "stun_role_at",  # ICE-CONTROLLED or ICE-CONTROLLING
    "stun_software_at",
    "stun_network_cost_at",  # 0xC057, libwebrtc
    "stun_unknown_attributes",
    "stun_software_length",
    "stun_fragment_length",  # the sender's own part of the user name
    "stun_fragment_digits",
    "stun_fragment_lower",
    "stun_fragment_upper",
    "stun_fragment_symbols",
    "stun_priority_type",  # RFC 8445 5.1.2: type preference
    "stun_priority_local",  # logarithm of the local preference
)

# Cipher suites (IANA): TLS 1.3, then ECDHE with AES-GCM and ChaCha20, then CBC, then RSA, DHE and what else is seen.
SUITES = (
    *(0x1301, 0x1302, 0x1303, 0xC02B, 0xC02F, 0xC02C, 0xC030, 0xCCA9, 0xCCA8, 0xCCAA),
    *(0xC009, 0xC013, 0xC00A, 0xC014, 0xC023, 0xC027, 0x009C, 0x002F, 0x0035, 0x009E, 0x0033, 0xC0AC, 0x00FF),
)
# Extensions (IANA): server_name, groups, point formats, signatures, use_srtp, ALPN, encrypt_then_mac,
# extended_master_secret, delegated_credential, session_ticket, supported_versions, psk modes, key_share,
# record_size_limit, renegotiation_info.
EXTENSIONS = (0, 10, 11, 13, 14, 16, 22, 23, 34, 35, 43, 45, 51, 28, 65281)

DTLS_NAMES = (
    "dtls_client_hello",
    "dtls_server_hello",
    "dtls_record_version",  # 1: DTLS 1.0 on the record, 2: 1.2
    "dtls_fragmented",
    "dtls_session_id_length",
    "dtls_suites",
    *(f"dtls_suite_{suite:04x}" for suite in SUITES),
    *(f"dtls_client_extension_{extension}_at" for extension in EXTENSIONS),
    *(f"dtls_server_extension_{extension}_at" for extension in EXTENSIONS),
    "dtls_unknown_extensions",
    "dtls_groups_length",
    "dtls_signatures_length",
    "dtls_srtp_length",
)
_SUITES_AT = 6
_CLIENT_AT = _SUITES_AT + len(SUITES)
_SERVER_AT = _CLIENT_AT + len(EXTENSIONS)
_REST_AT = _SERVER_AT + len(EXTENSIONS)

_SUITE_CODES = np.array(SUITES, np.int64)
_EXTENSION_CODES = np.array(EXTENSIONS, np.int64)


@compiled_allocating
def _u16(buffer: Array, at: Whole) -> Whole:
    return (np.int64(buffer[at]) << 8) | np.int64(buffer[at + 1])


@compiled_allocating
def _write_user_fragment(buffer: Array, at: Whole, end: Whole, out: Array) -> None:
    """Describe what stands behind the colon of USERNAME: the sender's own fragment (RFC 8445 7.2.2)."""
    while at < end and buffer[at] != 58:
        at += 1
    size = end - at - 1
    if size <= 0:
        return
    out[9] = size
    for j in range(at + 1, end):
        code = buffer[j]
        out[10] += 48 <= code <= 57
        out[11] += 97 <= code <= 122
        out[12] += 65 <= code <= 90
        out[13] += code in (43, 47)
    for column in range(10, 14):
        out[column] /= size


@compiled_allocating
def write_stun(buffer: Array, request: Array, out: Array) -> None:
    """Write STUN_NAMES. request: (2,) int64, offset and length of the record's payload; length 0: none."""
    out[:] = 0.0
    length = request[1]
    if length < 20:
        return
    at = request[0] + 20
    end = request[0] + length
    out[0] = 1.0
    place = 0
    while at + 4 <= end:
        attribute = _u16(buffer, at)
        size = _u16(buffer, at + 2)
        if at + 4 + size > end:
            break
        place += 1
        if attribute == 0x0006:
            out[2] = place
            _write_user_fragment(buffer, at + 4, at + 4 + size, out)
        elif attribute == 0x0024:
            out[3] = place
            if size >= 4:
                out[14] = buffer[at + 4]
                out[15] = np.log2(1.0 + _u16(buffer, at + 5))
        elif attribute in (0x8029, 0x802A):
            out[4] = place
        elif attribute == 0x8022:
            out[5] = place
            out[8] = size
        elif attribute == 0xC057:
            out[6] = place
        elif attribute == 0x0025:  # USE-CANDIDATE comes with the role, which the peer's role decides
            place -= 1
        elif attribute not in (0x0008, 0x8028):
            out[7] += 1
        at += 4 + ((size + 3) & ~3)
    out[1] = place


@compiled_allocating
def _write_extensions(buffer: Array, at: Whole, end: Whole, server: bool, out: Array) -> None:
    first = _SERVER_AT if server else _CLIENT_AT
    place = 0
    while at + 4 <= end:
        extension = _u16(buffer, at)
        size = _u16(buffer, at + 2)
        place += 1
        known = False
        for i in range(_EXTENSION_CODES.shape[0]):
            if _EXTENSION_CODES[i] == extension:
                out[first + i] = place
                known = True
        if not known:
            out[_REST_AT] += 1
        if not server:
            if extension == 10:
                out[_REST_AT + 1] = size
            elif extension == 13:
                out[_REST_AT + 2] = size
            elif extension == 14:
                out[_REST_AT + 3] = size
        at += 4 + size


@compiled_allocating
def write_dtls(buffer: Array, hello: Array, out: Array) -> None:
    """Write DTLS_NAMES. hello: (2,) int64, offset and length of the record's payload (RFC 6347 4.2); length 0: none.

    A hello that is cut or damaged is described as far as it goes.
    """
    out[:] = 0.0
    begin = hello[0]
    end = begin + hello[1]
    at = begin + 25  # record header, handshake header
    if at + 35 > end:
        return
    server = buffer[begin + 13] == 2
    out[1 if server else 0] = 1.0
    out[2] = 2.0 if buffer[begin + 2] == 0xFD else 1.0
    fragment = (np.int64(buffer[begin + 22]) << 16) | _u16(buffer, begin + 23)
    whole = (np.int64(buffer[begin + 14]) << 16) | _u16(buffer, begin + 15)
    out[3] = fragment != whole
    at += 34  # version, random
    session = np.int64(buffer[at])
    out[4] = session
    at += 1 + session
    message_end = min(end, begin + 25 + fragment)
    if server:
        at += 3  # suite and compression, which answer the client
    else:
        if at + 1 > end:
            return
        at += 1 + np.int64(buffer[at])  # cookie
        if at + 2 > end:
            return
        size = _u16(buffer, at)
        at += 2
        out[5] = size // 2
        for suite_at in range(at, min(at + size, end - 1), 2):
            suite = _u16(buffer, suite_at)
            for i in range(_SUITE_CODES.shape[0]):
                if _SUITE_CODES[i] == suite:
                    out[_SUITES_AT + i] = 1.0
        at += size
        if at + 1 > end:
            return
        at += 1 + np.int64(buffer[at])  # compression methods
    if at + 2 <= message_end:
        _write_extensions(buffer, at + 2, message_end, server, out)
