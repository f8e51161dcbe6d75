"""Features of the handshake before the media: the sender's first STUN request and first DTLS hello. Compiled.

Form, never values: which attributes, cipher suites and extensions a stack writes, in which order, and how long
the fields are that it fills as it likes. What the peer decides is left out: its part of the user name, the ICE role,
and the suite and extensions of a ServerHello, which answers a ClientHello (only their order counts).
"""

import numpy as np

from callprint.core.ground.arrays import Array
from callprint.core.ground.compiled import Row, compiled_allocating
from callprint.core.ground.loads import be16
from callprint.core.identify.evidence_tables import Integer
from callprint.core.identify.feature_list import EXTENSIONS, SUITES

_SUITE_CODES = np.array(SUITES, np.int64)
_EXTENSION_CODES = np.array(EXTENSIONS, np.int64)


@compiled_allocating
def _write_user_fragment(buffer: Array, at: Integer, end: Integer, row: Row) -> None:
    """Describe what follows the colon of USERNAME: the sender's own fragment (RFC 8445 7.2.2)."""
    while at < end and buffer[at] != 58:
        at += 1
    size = end - at - 1
    if size <= 0:
        return
    row.stun_fragment_length = size
    for j in range(at + 1, end):
        code = buffer[j]
        row.stun_fragment_digits += 48 <= code <= 57
        row.stun_fragment_lower += 97 <= code <= 122
        row.stun_fragment_upper += 65 <= code <= 90
        row.stun_fragment_symbols += code in (43, 47)
    row.stun_fragment_digits /= size
    row.stun_fragment_lower /= size
    row.stun_fragment_upper /= size
    row.stun_fragment_symbols /= size


@compiled_allocating
def write_stun(buffer: Array, request: Row, row: Row) -> None:
    """Fill the group `stun` from a Binding request, a HANDSHAKE_RECORD."""
    if request.length < 20:
        return
    at = request.offset + 20
    end = request.offset + request.length
    row.stun_seen = 1.0
    position = 0
    while at + 4 <= end:
        attribute = be16(buffer, at)
        size = be16(buffer, at + 2)
        if at + 4 + size > end:
            break
        position += 1
        if attribute == 0x0006:
            row.stun_user_name_at = position
            _write_user_fragment(buffer, at + 4, at + 4 + size, row)
        elif attribute == 0x0024:
            row.stun_priority_at = position
            if size >= 4:
                row.stun_priority_type = buffer[at + 4]
                row.stun_priority_local = np.log2(1.0 + be16(buffer, at + 5))
        elif attribute in (0x8029, 0x802A):
            row.stun_role_at = position
        elif attribute == 0x8022:
            row.stun_software_at = position
            row.stun_software_length = size
        elif attribute == 0xC057:
            row.stun_network_cost_at = position
        elif attribute == 0x0025:  # USE-CANDIDATE comes with the role, which the peer's role decides
            position -= 1
        elif attribute not in (0x0008, 0x8028):
            row.stun_unknown_attributes += 1
        at += 4 + ((size + 3) & ~3)
    row.stun_attributes = position


@compiled_allocating
def _write_extensions(buffer: Array, at: Integer, end: Integer, server: bool, row: Row) -> None:
    position = 0
    while at + 4 <= end:
        extension = be16(buffer, at)
        size = be16(buffer, at + 2)
        position += 1
        known = False
        for i in range(_EXTENSION_CODES.shape[0]):
            if _EXTENSION_CODES[i] == extension:
                if server:
                    row.dtls_server_extension_at[i] = position
                else:
                    row.dtls_client_extension_at[i] = position
                known = True
        if not known:
            row.dtls_unknown_extensions += 1
        if not server:
            if extension == 10:
                row.dtls_groups_length = size
            elif extension == 13:
                row.dtls_signatures_length = size
            elif extension == 14:
                row.dtls_srtp_length = size
        at += 4 + size


@compiled_allocating
def write_dtls(buffer: Array, hello: Row, row: Row) -> None:
    """Fill the group `dtls` from a hello (RFC 6347 4.2), a HANDSHAKE_RECORD.

    A hello that is cut or damaged is described as far as it goes.
    """
    begin = hello.offset
    end = begin + hello.length
    at = begin + 25  # record header, handshake header
    if at + 35 > end:
        return
    server = buffer[begin + 13] == 2
    row.dtls_client_hello = not server
    row.dtls_server_hello = server
    row.dtls_record_version = 2.0 if buffer[begin + 2] == 0xFD else 1.0
    fragment = (np.int64(buffer[begin + 22]) << 16) | be16(buffer, begin + 23)
    whole = (np.int64(buffer[begin + 14]) << 16) | be16(buffer, begin + 15)
    row.dtls_fragmented = fragment != whole
    at += 34  # version, random
    session = np.int64(buffer[at])
    row.dtls_session_id_length = session
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
        size = be16(buffer, at)
        at += 2
        row.dtls_suites = size // 2
        for suite_at in range(at, min(at + size, end - 1), 2):
            suite = be16(buffer, suite_at)
            for i in range(_SUITE_CODES.shape[0]):
                if _SUITE_CODES[i] == suite:
                    row.dtls_suite[i] = 1.0
        at += size
        if at + 1 > end:
            return
        at += 1 + np.int64(buffer[at])  # compression methods
    if at + 2 <= message_end:
        _write_extensions(buffer, at + 2, message_end, server, row)
