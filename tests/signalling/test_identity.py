"""One text for each person: E.164 normalisation, pseudonyms, asserted identities and attestations."""

import base64
import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sip_samples import INVITE

from callprint.core.ground.errors import ConfigError
from callprint.core.signalling.address import parse_uri
from callprint.core.signalling.identity import ANONYMOUS, IdentityReader, NumberingPlan, attestation
from callprint.core.signalling.sip import parse_message
from callprint.numbering import numbering_plan

KEY = b"0123456789abcdef"


@pytest.mark.parametrize(
    ("country", "uri", "text"),
    [
        ("", "tel:+49-30-123456", "+4930123456"),
        ("", "sip:+49(30)123.456@gw.example;user=phone", "+4930123456"),
        ("", "sip:004930123456@gw.example", "+4930123456"),
        ("", "sip:030123456@gw.example", "030123456@gw.example"),
        ("49", "sip:030123456@gw.example", "+4930123456"),
        ("49", "sip:4930123456@gw.example", "4930123456@gw.example"),  # ten digits may be a local number
        ("49", "sip:493012345678@gw.example", "+493012345678"),
        ("49", "sip:1001@pbx.example", "1001@pbx.example"),  # an extension means nothing elsewhere
        (
            "49",
            "sip:Alice@Home.Example",
            "Alice@home.example",
        ),  # user names keep their capitals, hosts do not
        ("", "sip:+1234567890123456@x", "+1234567890123456@x"),  # 16 digits are no E.164 number
        ("", "sip:[2001:db8::1]", "2001:db8::1"),
        ("", "urn:service:sos", "urn:service:sos"),
        ("", "tel:7042;phone-context=example.com", "7042@example.com"),  # someone else than in another domain
        ("", "tel:+12025550101?Reason=SIP%3Bcause%3D302", "+12025550101"),  # RFC 7044 5
    ],
)
def test_normalisation(country, uri, text):
    assert IdentityReader(NumberingPlan(country)).of_uri(parse_uri(uri)).text == text


@pytest.mark.parametrize(
    ("country", "user", "text"),
    [
        ("1", "+12025550101", "+12025550101"),
        ("1", "12025550101", "+12025550101"),
        ("1", "2025550101", "+12025550101"),
        ("1", "1001", "1001@x"),
        ("34", "911234567", "+34911234567"),
        ("39", "3331234567", "+393331234567"),
        ("49", "30123456", "30123456@x"),  # Germany has a trunk prefix: this may be a local number
        ("999", "2025550101", "2025550101@x"),
    ],
)
def test_national_numbers_of_countries_without_trunk_prefix(country, user, text):
    reader = IdentityReader(numbering_plan(country))
    assert reader.of_uri(parse_uri(f"sip:{user}@x")).text == text


@pytest.mark.parametrize(
    ("region", "user", "text"),
    [
        ("DE", "+12025550101", "+12025550101"),
        ("DE", "0012025550101", "+12025550101"),
        ("DE", "030123456", "+4930123456"),
        ("de", "030 12345-6", "+4930123456"),
        ("DE", "123456", "123456@x"),  # a local number, or an extension
        ("DE", "1001", "1001@x"),
        ("DE", "110", "110@x"),
        ("DE", "01234567890123456", "01234567890123456@x"),  # longer than E.164 allows
        ("US", "2025550101", "+12025550101"),
        ("US", "12025550101", "+12025550101"),
        ("US", "0114930123456", "+4930123456"),
        ("US", "5550101", "5550101@x"),
        ("GB", "02079460000", "+442079460000"),
        ("IT", "0669812345", "+390669812345"),  # the 0 is part of the number
        ("BR", "00154930123456", "+4930123456"),  # with the code of a carrier
        ("RU", "84951234567", "+74951234567"),
        ("AU", "0011442079460000", "+442079460000"),
    ],
)
def test_numbers_as_they_are_dialled_in_a_region(region, user, text):
    assert IdentityReader(numbering_plan("", region)).of_text(user).text == text.removesuffix("@x")


@pytest.mark.parametrize(
    ("country", "region", "says"), [("", "XX", "ISO 3166"), ("", "49", "ISO 3166"), ("1", "DE", "is 49")]
)
def test_a_region_that_does_not_exist_or_is_elsewhere_is_refused(country, region, says):
    with pytest.raises(ConfigError, match=says):
        numbering_plan(country, region)
    assert numbering_plan("49", "DE").read is not None


@settings(deadline=None)  # phonenumbers is imported with the first number
@given(
    digits=st.text("0123456789", max_size=25), region=st.sampled_from(["DE", "US", "IT", "BR", "KR", "SG"])
)
def test_any_digits_are_a_whole_number_or_none(digits, region):
    assert re.fullmatch(r"(\+[1-9][0-9]{6,14})?", numbering_plan("", region).e164(digits))


def test_every_way_to_write_a_number_has_one_pseudonym_and_no_number_in_it():
    reader = IdentityReader(NumberingPlan("49"), KEY)
    ways = ["sip:030123456@a", "sip:+4930123456@b", "tel:+49-30-123456", "sip:004930123456@c"]
    seen = {reader.of_uri(parse_uri(way)) for way in ways}
    assert len(seen) == 1
    pseudonym = seen.pop()
    assert pseudonym.number == -1
    assert "123456" not in pseudonym.text
    assert reader.of_text("+49 30 123456") == pseudonym
    assert reader.of_text(pseudonym.text) == pseudonym
    assert IdentityReader(NumberingPlan("49"), KEY[::-1]).of_text("+49 30 123456") != pseudonym


def test_a_typed_uri_and_a_seen_one_are_the_same_person():
    reader = IdentityReader()
    assert reader.of_text("sip:bob@Biloxi.example") == reader.of_uri(parse_uri("sip:bob@biloxi.example"))


def test_the_network_knows_the_caller_better_than_the_caller():
    asserted = b"P-Asserted-Identity: broken, <tel:+4930123456>"
    message = parse_message(INVITE.replace(b"Max-Forwards: 70", asserted))
    assert IdentityReader().caller(message).text == "+4930123456"
    assert IdentityReader().caller(parse_message(INVITE)).text == "alice@atlanta.example"


def test_anonymous_callers_are_one_crowd_without_pseudonym():
    reader = IdentityReader(pseudonym_key=KEY)
    for uri in (
        "sip:anonymous@anonymous.invalid",
        "sip:Anonymous@gw.example",
        "sip:x@anonymous.invalid",
        "sip:unavailable@unknown.invalid",  # 3GPP TS 23.003 13.7
    ):
        assert reader.of_uri(parse_uri(uri)) is ANONYMOUS
    for uri in ("sip:ann@example.com", "sip:ann@notanonymous.invalid"):
        assert reader.of_uri(parse_uri(uri)) is not ANONYMOUS


def test_more_values_than_are_read_hide_no_caller():
    header = (
        b"P-Asserted-Identity: " + b", ".join([b"<tel:+12025550199>"] * 300) + b"\r\nIdentity: " + b"x," * 300
    )
    message = parse_message(INVITE.replace(b"Max-Forwards: 70", header))
    assert IdentityReader().caller(message).text == "+12025550199"
    assert attestation(message) == "invalid"


@pytest.mark.parametrize(("key", "plan"), [(b"short", "49"), (KEY, "+49")])
def test_unusable_settings_are_refused(key, plan):
    with pytest.raises(ConfigError):
        IdentityReader(NumberingPlan(plan), key)


def _passport(payload: object) -> bytes:
    text = json.dumps(payload).encode()
    return (
        b"Identity: e30." + base64.urlsafe_b64encode(text).rstrip(b"=") + b".c2ln;info=<https://x>;alg=ES256"
    )


@pytest.mark.parametrize(
    ("header", "level"),
    [
        (b"Max-Forwards: 70", "missing"),
        (_passport({"attest": "A"}), "A"),
        (_passport({"attest": "C"}), "C"),
        (_passport({"attest": "Z"}), "invalid"),
        (_passport([1]), "invalid"),
        (_passport({"div": {}}), "missing"),
        (_passport({"div": {}}) + b"\r\n" + _passport({"attest": "B"}), "B"),
        (b"Identity: nonsense", "invalid"),
    ],
)
def test_attestation(header, level):
    assert attestation(parse_message(INVITE.replace(b"Max-Forwards: 70", header))) == level
