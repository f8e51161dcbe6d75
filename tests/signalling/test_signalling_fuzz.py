"""Invariant: any bytes either parse or raise SipError with an offset inside them, and nothing else."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sip_samples import INVITE, MULTIPART, TWO_MEDIA

from callprint.core.signalling.body import sdp_of
from callprint.core.signalling.defects import SipError
from callprint.core.signalling.identity import IdentityReader, NumberingPlan, attestation
from callprint.core.signalling.sdp import parse_sdp
from callprint.core.signalling.sip import MAXIMUM_HEADERS, parse_message

MULTIPART_INVITE = INVITE.replace(b"application/sdp", b'multipart/mixed;boundary="b1"').replace(
    b"Content-Length: 3\r\n\r\nv=0",
    b"P-Asserted-Identity: <tel:+49301234567>\r\nIdentity: a.b.c\r\n\r\n" + MULTIPART,
)

CROWDED_INVITE = INVITE.replace(b"Max-Forwards: 70\r\n", b"Max-Forwards: 70\r\n" * MAXIMUM_HEADERS)


@st.composite
def damaged(draw, seed: bytes) -> bytes:
    """The seed with a few stretches overwritten, removed, doubled or swapped for hostile text."""
    data = bytearray(seed)
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.integers(0, 40)))
        hostile = st.sampled_from(
            [b"\r\n", b"\0", b'"', b"<", b">", b";;;", b":", b"@", b"%", b"\xff\xfe", b"99999999999"]
        )
        data[start:end] = draw(
            st.one_of(st.just(b""), st.binary(max_size=20), hostile, st.just(bytes(data[start:end]) * 2))
        )
    return bytes(data)


def read_everything(data: bytes) -> None:
    try:
        message = parse_message(data)
        assert len(message.headers) <= MAXIMUM_HEADERS + 5, "and what is needed"
        IdentityReader(NumberingPlan("49")).caller(message)
        attestation(message)
        for name, _ in message.headers:
            message.values(name)
        body = sdp_of(message)
        assert body is None or body in data
    except SipError as error:
        assert 0 <= error.offset <= len(data)  # noqa: PT017 - both outcomes are allowed, this one has a rule


@settings(max_examples=80, deadline=None)
@given(
    st.one_of(st.binary(max_size=400), damaged(INVITE), damaged(MULTIPART_INVITE), damaged(CROWDED_INVITE))
)
def test_sip_parses_or_raises_the_one_error(data):
    read_everything(data)


@settings(max_examples=60, deadline=None)
@given(st.one_of(st.binary(max_size=300), damaged(TWO_MEDIA)))
def test_sdp_parses_or_raises_the_one_error(data):
    try:
        session = parse_sdp(data)
        assert len(session.defects) <= data.count(b"\n") + data.count(b"\r") + 1, "at most one a line"
        assert all(medium.endpoints() == [] for medium in session.media if medium.refused)
    except SipError as error:
        assert 0 <= error.offset <= len(data)  # noqa: PT017 - both outcomes are allowed, this one has a rule


@pytest.mark.parametrize(
    "body",
    [
        INVITE[:-3] + b" x\r\n" * 16_000,
        INVITE.replace(b"Max-Forwards: 70", b"Max-Forwards: 70" + b"\r\n x" * 12_000),
        INVITE.replace(b"Max-Forwards: 70", b"P-Asserted-Identity: " + b'"\\' * 30_000),
        INVITE.replace(b"Max-Forwards: 70", b"P-Asserted-Identity: " + b"<" * 60_000),
        INVITE.replace(b"Max-Forwards: 70", b"Identity: x." + b"W1tb" * 14_000 + b".x"),
        INVITE.replace(b"Alice", b'"' + b"\\" * 60_000),
    ],
)
def test_text_made_to_be_slow_is_not(body):
    before = time.process_time()
    read_everything(body)
    assert time.process_time() - before < 0.5
