"""Features of STUN requests and DTLS hellos: values worked out by hand, and messages with arbitrary damage."""

import struct

import numpy as np
import pytest
from evidence_logs import pack, record, steady_flow
from hypothesis import given, settings
from hypothesis import strategies as st

from callprint.core.evidence import EVIDENCE_DTLS, EVIDENCE_STUN
from callprint.core.identify.feature_row import FEATURE_NAMES, GROUPS
from callprint.core.identify.features import features

START_NS = 1_700_000_000_000_000_000
CLIENT, SERVER = 1, 2


def named(*handshake: bytes) -> dict[str, float]:
    row = features(*pack([b"".join(handshake) + steady_flow(4, start_ns=START_NS)]))[0]
    return dict(zip(FEATURE_NAMES, row.tolist(), strict=True))


def stun(*attributes: tuple[int, bytes]) -> bytes:
    body = b"".join(
        struct.pack("!HH", number, len(value)) + value + b"\0" * (-len(value) % 4)
        for number, value in attributes
    )
    return record(
        START_NS - 9, struct.pack("!HHI", 1, len(body), 0x2112A442) + bytes(12) + body, EVIDENCE_STUN
    )


def dtls(
    kind: int, extensions: list[tuple[int, bytes]], suites=(0xC02B, 0x1301), session=b"", **cut
) -> bytes:
    if kind == CLIENT:
        middle = b"\0" + struct.pack(f"!H{len(suites)}H", 2 * len(suites), *suites) + b"\x01\0"
    else:
        middle = struct.pack("!HB", suites[0], 0)
    body = b"".join(struct.pack("!HH", number, len(value)) + value for number, value in extensions)
    hello = (
        b"\xfe\xfd"
        + bytes(32)
        + bytes([len(session)])
        + session
        + middle
        + struct.pack("!H", len(body))
        + body
    )
    message = bytes([kind]) + len(hello).to_bytes(3, "big") + bytes(5) + len(hello).to_bytes(3, "big") + hello
    packet = b"\x16\xfe\xff" + bytes(8) + struct.pack("!H", len(message)) + message
    return record(START_NS - 5, packet[: cut.get("cut", 255)], EVIDENCE_DTLS)


def test_a_binding_request():
    row = named(
        stun(
            (0x0006, b"peer:Ab+9"),
            (0xC057, bytes(4)),
            (0x802A, bytes(8)),
            (0x0025, b""),
            (0x0024, struct.pack("!BHB", 110, 0xFFFF, 255)),
            (0x1234, b"?"),
            (0x0008, bytes(20)),
            (0x8028, bytes(4)),
        )
    )
    assert row["stun_seen"] == 1
    assert row["stun_attributes"] == 7  # USE-CANDIDATE comes with the role
    assert (row["stun_user_name_at"], row["stun_network_cost_at"]) == (1, 2)
    assert (row["stun_role_at"], row["stun_priority_at"], row["stun_software_at"]) == (3, 4, 0)
    assert row["stun_unknown_attributes"] == 1
    assert row["stun_fragment_length"] == 4
    fragment = [row[f"stun_fragment_{name}"] for name in ("digits", "lower", "upper", "symbols")]
    assert fragment == [0.25] * 4
    assert row["stun_priority_type"] == 110
    assert row["stun_priority_local"] == 16


def test_neither_the_ice_role_nor_the_peers_part_of_the_name_shows():
    controlling = stun((0x0006, b"long-one:own"), (0x802A, bytes(8)), (0x0025, b""), (0x0024, bytes(4)))
    controlled = stun((0x0006, b"x:own"), (0x8029, bytes(8)), (0x0024, bytes(4)))
    assert named(controlling) == named(controlled)


def test_a_client_hello():
    row = named(
        dtls(CLIENT, [(23, b""), (10, bytes(6)), (14, bytes(9)), (999, b"!")], suites=(0xC02B, 0xC0AC))
    )
    assert (row["dtls_client_hello"], row["dtls_server_hello"]) == (1, 0)
    assert row["dtls_record_version"] == 1
    assert row["dtls_suites"] == 2
    assert (row["dtls_suite_c02b"], row["dtls_suite_c0ac"], row["dtls_suite_1301"]) == (1, 1, 0)
    assert [row[f"dtls_client_extension_{n}_at"] for n in (23, 10, 14, 11)] == [1, 2, 3, 0]
    assert row["dtls_unknown_extensions"] == 1
    assert (row["dtls_groups_length"], row["dtls_srtp_length"]) == (6, 9)
    assert row["dtls_fragmented"] == 0


def test_order_and_session_id_of_a_server_hello_count_but_not_its_suite():
    one, other = (
        named(dtls(SERVER, [(65281, b"\0"), (14, bytes(5))], suites=(suite,), session=bytes(32)))
        for suite in (0xC02B, 0x1301)
    )
    assert one == other
    assert (one["dtls_server_hello"], one["dtls_session_id_length"]) == (1, 32)
    assert (one["dtls_server_extension_65281_at"], one["dtls_server_extension_14_at"]) == (1, 2)
    assert one["dtls_suites"] == 0


def test_without_a_handshake_its_features_are_zero():
    row = named()
    assert {row[name] for name in (*GROUPS["stun"], *GROUPS["dtls"])} == {0.0}


def test_only_the_first_of_each_kind_counts():
    first, second = stun((0x0006, b"a:bcd")), stun((0x8022, b"other"))
    assert named(first, second) == named(first)


whole = st.sampled_from(
    [
        dtls(CLIENT, [(23, b""), (10, bytes(6)), (51, bytes(90))]),
        dtls(SERVER, [(65281, b"\0"), (14, bytes(5))], session=bytes(32)),
        stun((0x0006, b"peer:own"), (0x0024, bytes(4)), (0x8022, b"libwebrtc")),
    ]
)


@settings(max_examples=200, deadline=None)
@given(whole, st.integers(0, 255), st.lists(st.tuples(st.integers(0, 254), st.integers(0, 255)), max_size=4))
def test_any_damage_leaves_a_finite_row(log, length, changes):
    """Invariant: whatever a handshake loses or has changed, the row is finite and nothing is raised."""
    payload = bytearray(log[12:])
    for at, value in changes:
        payload[at % len(payload)] = value
    damaged = record(START_NS - 5, bytes(payload[:length]), log[10])
    assert np.isfinite(features(*pack([damaged]))).all()


@pytest.mark.parametrize("length", range(60, 110))
def test_a_cut_hello_is_described_as_far_as_it_goes(length):
    row = named(dtls(CLIENT, [(23, b""), (10, bytes(6))], suites=(0xC02B,), cut=length))
    assert row["dtls_client_hello"] == 1
