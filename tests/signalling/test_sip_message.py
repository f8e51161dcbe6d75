"""What is read of a SIP message, and for which defect a broken one is refused (in the spirit of RFC 4475)."""

import pytest
from sip_samples import INVITE, MULTIPART

from callprint.core.signalling.body import sdp_of
from callprint.core.signalling.defects import SipDefect, SipError
from callprint.core.signalling.sip import MAXIMUM_HEADERS, parse_message


def test_a_request_is_read():
    message = parse_message(INVITE)
    assert (message.method, message.status, message.is_request) == ("INVITE", 0, True)
    assert message.call_id == "a84b4c76e66710@pc33.atlanta.example"
    assert (message.from_.uri.user, message.from_.uri.host, message.from_.tag) == (
        "alice",
        "atlanta.example",
        "1928301774",
    )
    assert (message.to.uri.user, message.to.tag) == ("bob", "")
    assert (message.cseq, message.body) == (314159, b"v=0")


def test_a_response_takes_its_method_from_cseq():
    message = parse_message(INVITE.replace(b"INVITE sip:bob@biloxi.example SIP/2.0", b"SIP/2.0 183 Early"))
    assert (message.method, message.status, message.request_uri) == ("INVITE", 183, None)


def test_compact_headers_folding_and_odd_capitals():
    message = parse_message(
        b"\r\n\r\nINVITE sip:b@x SIP/2.0\r\nv: SIP/2.0/UDP a\r\nt:\r\n sip:b@x\r\n"
        b"F : sip:a@y;\r\n\ttag=7\r\ni: one\r\ncSEQ: 0009\r\n INVITE\r\nl: 0\r\n\r\n"
    )
    assert (message.from_.tag, message.to.uri.user, message.call_id, message.cseq) == ("7", "b", "one", 9)
    assert message.header("via") == "SIP/2.0/UDP a"


def test_lists_are_split_outside_quotes_and_brackets():
    message = parse_message(
        INVITE.replace(
            b"Max-Forwards: 70",
            b'P-Asserted-Identity: "A, B" <sip:a,b@x;c=1>, <tel:+49301>\r\nP-Asserted-Identity: sip:z@x',
        )
    )
    assert message.values("p-asserted-identity") == [
        '"A, B" <sip:a,b@x;c=1>',
        "<tel:+49301>",
        "sip:z@x",
    ]


@pytest.mark.parametrize(
    ("from_", "user", "host", "tag"),
    [
        ('"J Rosenberg \\\\\\"" <sip:jdrosen@example.com>;tag=98asjd8', "jdrosen", "example.com", "98asjd8"),
        ("sip:c8oqz84zk7z@privacy.example;tag=hyh8", "c8oqz84zk7z", "privacy.example", "hyh8"),
        ("<sip:user;par=u%40example.net@example.com>", "user;par=u@example.net", "example.com", ""),
        ("<sip:alice:secret@[2001:DB8::1]:5070;lr>;x;tag=t", "alice", "2001:db8::1", "t"),
        ("<tel:+49-30-123456;phone-context=x>;tag=t", "+49-30-123456", "", "t"),
        ("<sip:+12025550101;npdi;rn=+12025550190@x.org;user=phone>", "+12025550101", "x.org", ""),
        ("<sip:2025550101;tgrp=tg1;trunk-context=x.org@x.org>", "2025550101", "x.org", ""),
        ("<sip:+12025550101;cpc=ordinary;isup-oli=00@x.org>", "+12025550101", "x.org", ""),
        ("<tel:5550101;phone-context=+1-202>;tag=t", "+1-2025550101", "", "t"),
        ("<sip:5550101;phone-context=+1202@x.org;user=phone>", "+12025550101", "x.org", ""),
        ('"Ann\\" <sip:ann@x.org>;tag=t', "ann", "x.org", "t"),
        ('"Ann <sip:ann@x.org>;tag=t', "ann", "x.org", "t"),
        ('"<sip:not@this.one>" <sip:real@one>', "real", "one", ""),
        ("<SIPS:host.only>", "", "host.only", ""),
        # Brackets that RFC 3261 20.10 does not allow, around one intact URI (as quotes in RFC 4475 3.1.2.6)
        ("Ann <3 <sip:ann@x.org>;tag=t", "ann", "x.org", "t"),
        ("<Ann> <sip:ann@x.org>;tag=t", "ann", "x.org", "t"),
        ("<<sip:ann@x.org>>;tag=t", "ann", "x.org", "t"),
        ("<sip:ann@x.org;tag=t", "ann", "x.org", "t"),
        ("Ann sip:ann@x.org;tag=t", "ann", "x.org", "t"),
        # No limit is set by RFC 3261 25.1.
        ("<sip:ann@x.org" + ";p=1" * 500 + ">;tag=t", "ann", "x.org", "t"),
        ("<sip:" + "a" * 2000 + "@x.org>;tag=t", "a" * 256, "x.org", "t"),
        ("<sip:ann@x.org>;tag=t" + ";p" * 300, "ann", "x.org", "t"),
        ("<sip:ann@[fe80::1%25eth0]:5060>;tag=t", "ann", "fe80::1", "t"),  # a zone (RFC 6874 2)
        ("<sip:ann@bücher.example>;tag=t", "ann", "bücher.example", "t"),
        ("<tel:%2B12025550101>;tag=t", "+12025550101", "", "t"),  # RFC 3986 2.1
        ("<sip:5550101;phone-context=%2B1202@x.org>", "+12025550101", "x.org", ""),
        ("<tel:7042;phone-context=Example.com>;tag=t", "7042", "example.com", "t"),  # RFC 3966 5.1.5
    ],
)
def test_addresses(from_, user, host, tag):
    old = b"Alice <sip:alice@atlanta.example>;tag=1928301774"
    address = parse_message(INVITE.replace(old, from_.encode())).from_
    assert (address.uri.user, address.uri.host, address.tag) == (user, host, tag)


@pytest.mark.parametrize(
    ("old", "new", "defect"),
    [
        (b"INVITE sip:bob@biloxi.example SIP/2.0", b"GET / HTTP/1.1", SipDefect.NOT_SIP),
        (b"INVITE sip:bob@biloxi.example SIP/2.0", b"INVITE sip:bob SIP/2.0 x", SipDefect.START_LINE),
        (b"example SIP/2.0\r\nVia", b"example SIP/7.0\r\nVia", SipDefect.VERSION),
        (b"INVITE sip:bob@biloxi.example SIP/2.0", b"SIP/2.0 4294967301 better", SipDefect.STATUS),
        (b"Call-ID:", b"X-Call-ID:", SipDefect.MISSING_HEADER),
        (b"a84b4c76e66710@pc33.atlanta.example", b"two words", SipDefect.CALL_ID),
        (b"a84b4c76e66710@pc33.atlanta.example", b"", SipDefect.CALL_ID),
        (b"314159 INVITE", b"314159 BYE", SipDefect.CSEQ),
        (b"314159 INVITE", b"36893488147419103232 INVITE", SipDefect.CSEQ),
        (b"314159 INVITE", "٣ INVITE".encode(), SipDefect.CSEQ),
        (b"Alice <sip:alice@atlanta.example>", b"Alice", SipDefect.ADDRESS),
        (b'"Bob" <sip:', b'"Bob <sip', SipDefect.ADDRESS),
        (b"<sip:bob@biloxi.example>\r\nFrom", b"<sip:bob@>\r\nFrom", SipDefect.ADDRESS),
        (b"Max-Forwards: 70\r\n", b"X: 1\r\n" * 43_000, SipDefect.TOO_LONG),
    ],
)
def test_a_broken_message_names_its_defect(old, new, defect):
    assert INVITE.count(old) == 1
    broken = INVITE.replace(old, new)
    with pytest.raises(SipError) as caught:
        parse_message(broken)
    assert caught.value.defect is defect
    assert f"at byte {caught.value.offset}" in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "defect"),
    [
        (b"Content-Length: 3", b"i: another-call\r\nContent-Length: 3", SipDefect.REPEATED_HEADER),
        (b"Content-Length: 3", b"Content-Length: -999", SipDefect.CONTENT_LENGTH),
        (b"Content-Length: 3", b"Content-Length: 9999", SipDefect.CONTENT_LENGTH),
        (b"Content-Length: 3", b"Content-Length: 3\r\nl: 2", SipDefect.CONTENT_LENGTH),
        (b"Max-Forwards: 70\r\n", b"X: 1\r\n" * 300, SipDefect.TOO_LONG),
        (b"SIP/2.0\r\nVia", b"SIP/2.0\r\n" + b"X: 1\r\n" * 300 + b"Via", SipDefect.TOO_LONG),
    ],
)
def test_nobody_hides_a_call_behind_a_defect_that_some_forgive(old, new, defect):
    assert INVITE.count(old) == 1
    message = parse_message(INVITE.replace(old, new))
    intact = parse_message(INVITE)
    assert message.forgiven == (defect,)
    assert not intact.forgiven
    assert (message.call_id, message.from_, message.to) == (intact.call_id, intact.from_, intact.to)
    assert message.body.startswith(intact.body)


def test_beyond_256_headers_only_what_is_needed_and_missing_counts():
    many = b"SIP/2.0\r\n" + b"X-1: 1\r\n" * MAXIMUM_HEADERS
    late = INVITE.replace(b"SIP/2.0\r\n", many, 1).replace(
        b"Max-Forwards", b"f: <sip:eve@evil.example>\r\nMax-Forwards"
    )
    message = parse_message(late)
    needed = {"from", "to", "call-id", "cseq", "content-length"}
    assert message.headers[:MAXIMUM_HEADERS] == (("x-1", "1"),) * MAXIMUM_HEADERS
    assert sorted(name for name, _ in message.headers[MAXIMUM_HEADERS:]) == sorted(needed)
    assert message.from_.uri.user == "eve"
    crowded = INVITE.replace(
        b"Content-Length", b"X-1: 1\r\n" * MAXIMUM_HEADERS + b"From: <sip:eve@evil.example>\r\nContent-Length"
    )
    assert parse_message(crowded).from_ == parse_message(INVITE).from_
    assert parse_message(crowded).body == parse_message(INVITE).body


def test_text_cut_after_all_that_is_needed_is_read_without_its_last_line():
    cut = INVITE[: INVITE.index(b"Content-Length") + 4]
    message = parse_message(cut)
    assert message.forgiven == (SipDefect.NO_HEADER_END,)
    assert message.headers == parse_message(INVITE).headers[: len(message.headers)]
    assert message.body == b""


def test_long_identifiers_stay_distinct_and_bounded():
    def read(call_id: str):
        return parse_message(INVITE.replace(b"a84b4c76e66710@pc33.atlanta.example", call_id.encode())).call_id

    assert read("x" * 1024) == "x" * 1024
    one, other = read("x" * 5000 + "1"), read("x" * 5000 + "2")
    assert one != other
    assert len(one) == 256 + 1 + 32


def test_text_cut_inside_a_header_is_refused_at_its_end():
    cut = INVITE[: INVITE.index(b"CSeq") + 9]
    with pytest.raises(SipError) as caught:
        parse_message(cut)
    assert (caught.value.defect, caught.value.offset) == (SipDefect.NO_HEADER_END, len(cut))


def test_zeros_before_a_number_do_not_count():
    """RFC 3261 25.1 sets no limit on digits, RFC 4475 3.1.1.1 has some."""
    assert parse_message(INVITE.replace(b"314159 INVITE", b"0000000000314159 INVITE")).cseq == 314159


def test_bytes_after_content_length_are_dropped():
    assert parse_message(INVITE + b"INVITE sip:smuggled@x SIP/2.0\r\n").body == b"v=0"


def test_damage_that_nobody_needs_is_forgiven():
    message = parse_message(
        INVITE.replace(b"Max-Forwards: 70", b"Max\x9cForw\xffards 70\r\nSubject: \xff\x1b[31m")
    )
    assert message.call_id.startswith("a84b4c76e66710")
    assert message.header("subject") == "\\xff\x1b[31m"


def test_what_a_stranger_wrote_cannot_drive_a_terminal():
    message = parse_message(
        INVITE.replace(b"sip:alice@", b"sip:al%1B%5B31mice@").replace(b"tag=19", b"tag=\x07")
    )
    assert message.from_.uri.user == "al\\x1b[31mice"
    assert message.from_.tag == "\\x0728301774"


def _with_body(content_type: bytes, body: bytes):
    head = INVITE.replace(b"application/sdp", content_type).replace(b"Content-Length: 3\r\n", b"")
    return parse_message(head.replace(b"v=0", body))


def test_sdp_is_found_in_a_multipart_body():
    assert sdp_of(_with_body(b'multipart/mixed; boundary="b1"', MULTIPART)) == b"v=0\r\ns=x"


def test_sdp_is_found_behind_a_folded_header_of_its_part():
    folded = MULTIPART.replace(
        b"Content-Type: application/sdp", b"Content-Type:\r\n application/sdp;\n\tcharset=utf-8"
    )
    assert folded != MULTIPART
    assert sdp_of(_with_body(b"multipart/mixed;boundary=b1", folded)) == b"v=0\r\ns=x"


def test_sdp_is_found_in_a_nested_multipart_body():
    outer = b"--out\r\nContent-Type: multipart/alternative;boundary=b1\r\n\r\n" + MULTIPART + b"\r\n--out--"
    assert sdp_of(_with_body(b"multipart/mixed;boundary=out", outer)) == b"v=0\r\ns=x"


@pytest.mark.parametrize(
    ("content_type", "body"),
    [(b"multipart/mixed", MULTIPART), (b"multipart/mixed;boundary=other", MULTIPART)],
)
def test_a_multipart_body_without_its_boundary_is_refused(content_type, body):
    with pytest.raises(SipError) as caught:
        sdp_of(_with_body(content_type, body))
    assert caught.value.defect is SipDefect.MULTIPART


def test_multipart_bodies_do_not_nest_without_end():
    body = b"v=0"
    for depth in range(6):
        body = b"--b%d\r\nContent-Type: multipart/mixed;boundary=b%d\r\n\r\n%s\r\n" % (depth, depth - 1, body)
    with pytest.raises(SipError):
        sdp_of(_with_body(b"multipart/mixed;boundary=b5", body))


def test_bodies_of_other_kinds_hold_no_sdp():
    assert sdp_of(_with_body(b"application/dtmf-relay", b"Signal=5")) is None
    assert sdp_of(_with_body(b"application/sdp\r\nContent-Encoding: gzip", b"\x1f\x8b")) is None
