"""Who forwarded a call: RFC 5806 and RFC 7044 by their own examples; whatever else comes, no error."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sip_scenario import Talk

from callprint.core.signalling.diversion import diverter
from callprint.core.signalling.identity import IdentityReader
from callprint.core.signalling.sip import parse_message


def invite(*headers: str):
    message = Talk("c@x").request("INVITE")
    return parse_message(message.replace(b"\r\n", "".join(f"\r\n{h}" for h in headers).encode() + b"\r\n", 1))


@pytest.mark.parametrize(
    ("headers", "user"),
    [
        ((), None),
        (("Diversion: <sip:bob@uphill>;reason=no-answer, <sip:alice@uphill>;reason=unconditional",), "bob"),
        (("Diversion: <sip:bob@x>;reason=user-busy", "Diversion: <sip:carol@x>;reason=unknown"), "bob"),
        (("Diversion: no address at all", "Diversion: <tel:+12025550101>"), "+12025550101"),
        (("History-Info: <sip:bob@example.com>;index=1",), None),  # where it was sent: nobody forwarded it
        (
            (
                "History-Info: <sip:bob@example.com;p=x>;index=1",
                "History-Info: <sip:bob@192.0.2.4?Reason=SIP%3Bcause%3D302>;index=1.1;rc=1",
                "History-Info: <sip:carol@example.com>;index=1.2;mp=1",
                "History-Info: <sip:carol@192.0.2.9>;index=1.2.1;rc=1.2",
            ),
            "bob",
        ),
        (
            (
                "History-Info: <sip:alice@x?Reason=SIP%3Bcause%3D480>;index=1, <sip:bob@x>;index=2",
                "History-Info: <sip:desk@192.0.2.1>;index=2.1",
            ),
            "alice",
        ),
        (("Diversion: <sip:d@x>", "History-Info: <sip:h@x?Reason=SIP>;index=1"), "d"),
        # By the cause of the next target alone (RFC 4458 2, RFC 7544 4).
        (("History-Info: <sip:bob@x>;index=1, <sip:carol@x;cause=302>;index=1.1",), "bob"),
        (
            (
                "History-Info: <sip:bob@x>;index=1, <sip:carol@x;cause=408>;index=1.1",
                "History-Info: <sip:dan@x;cause=486;p=q>;index=1.1.1",
            ),
            "carol",
        ),
        (
            ("History-Info: <sip:800@x>;index=1, <sip:carol@x;cause=380>;index=1.1",),
            None,
        ),  # RFC 8119: translated
        (("History-Info: <tel:+12025550101?Reason=SIP%3Bcause%3D302>;index=1",), "+12025550101"),
    ],
)
def test_the_last_to_forward_is_named(headers, user):
    uri = diverter(invite(*headers))
    assert (uri.user if uri else None) == user


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=80), max_size=5))
def test_any_values_give_somebody_or_nobody(values):
    diverter(invite(*(f"Diversion: {v}" for v in values), *(f"History-Info: {v}" for v in values)))


def test_what_from_claims_is_kept_apart_from_what_the_network_asserts():
    reader = IdentityReader()
    plain, asserted = invite(), invite("P-Asserted-Identity: <tel:+12025550199>")
    assert reader.claimed(plain, reader.caller(plain)) is None
    assert reader.caller(asserted).text == "+12025550199"
    assert reader.claimed(asserted, reader.caller(asserted)) == reader.caller(plain)


def test_pseudonyms_hide_them_as_well():
    reader = IdentityReader(pseudonym_key=b"k" * 16)
    message = invite("P-Asserted-Identity: <tel:+12025550199>", "Diversion: <tel:+12025550101>")
    assert reader.claimed(message, reader.caller(message)).text.startswith("p:")
    assert reader.diverter(message).text.startswith("p:")
    assert reader.diverter(message) == reader.of_text("+12025550101")
