"""The table of declared names: what a text says, and what a declared name does to a verdict."""

import re
import tomllib
from dataclasses import replace
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st
from verdict_samples import verdict

from callprint.core.declared.name import Declared
from callprint.core.declared.table import NO_NAMES, NameTable
from callprint.core.ground.errors import ConfigError
from callprint.core.verdict import DECLARED_BY, REASON_CONTRADICTED, REASON_LOW_CONFIDENCE, UNKNOWN
from callprint.declared_names import shipped_names
from callprint.inference import DEFAULT_MODEL, load_model

NAMES = shipped_names()


@pytest.mark.parametrize(
    ("text", "application", "version"),
    [
        ("FreeSWITCH-mod_sofia/1.10.7-release~64bit", "freeswitch", "1.10.7-release~64bit"),
        ("Asterisk PBX 18.10.0~dfsg", "asterisk", "18.10.0~dfsg"),
        ("Linphone/4.1.0 (belle-sip/4.2.0)", "linphone", "4.1.0"),
        ("LinphoneiOS/5.2 (iPhone) LinphoneSDK/5.3", "linphone", "5.2"),
        ("baresip v3.9.0 (x86_64/Linux)", "baresip", "3.9.0"),
        ("PJSUA v2.12 Linux-5.10", "pjsua", "2.12"),
        ("Yealink SIP-T46S 66.85.0.5", "yealink", "66.85.0.5"),  # the model is no version
        ("snom360/8.7.3", "snom", "8.7.3"),
        ("PolycomVVX-VVX_400-UA/5.9.0", "polycom", "5.9.0"),
        ("Cisco/SPA504G-7.4.8", "cisco-phone", "7.4.8"),
        ("Cisco-SIPGateway/IOS-12.x", "cisco-gateway", None),
        ("X-Lite release 1103d", "x-lite", "1103d"),
        ("Zoiper rv2.10.3.2", "zoiper", "2.10.3.2"),
        ("a phone (PJSIP 2.1)", "PJMEDIA", "2.1"),  # any word, by the asterisk
        ("AVM FRITZ!Box 6810 LTE 108.05.56", "fritzbox", "108.05.56"),
        ("X-Lite 4 release 4.9.7.1", "x-lite", "4.9.7.1"),  # an edition is none either
        ("Linphone/4 (belle-sip/4.2.0)", "linphone", "4"),  # nor is that of another component
        ("Microsoft.PSTNHub.SIPProxy v.2021.4.12.2", "microsoft-teams", "2021.4.12.2"),
        ("Cisco-CUCM11.5", "cisco-ucm", "11.5"),
        ("IM-client/OMA1.0 sipML5-v1.2016.03.04", "sipml5", "1.2016.03.04"),
        ("Grandstream UCM6202 1.0.20.52", "grandstream-ucm", "1.0.20.52"),
        ("friendly-scanner", "sipvicious", None),
    ],
)
def test_usual_texts(text, application, version):
    assert NAMES.declared(text, "sip") == Declared(application, version, "sip")


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "Blinkenlights",
        "kamailio (5.5.0)",
        "WebRTC",
        "ünbekannt",
        "-",
        "Brian Smith",
        "OnePlus A6003",
        "Line 2",
    ],
)
def test_texts_that_name_no_product(text):
    assert NAMES.declared(text, "sip") is None


def test_user_names_of_sdp_count_only_where_they_are_listed():
    assert NAMES.by_origin("FreeSWITCH") == Declared("freeswitch", None, "sdp")
    assert NAMES.by_origin("linphone") is None  # may be a subscriber


@pytest.mark.parametrize("subscriber", ["Kirk Hammett", "Vega", "Line 1", "linphone", "Siemens AG", "Peers"])
def test_a_session_name_that_may_be_that_of_a_subscriber_names_no_product(subscriber):
    assert NAMES.by_session(subscriber) is None


@pytest.mark.parametrize(
    ("session", "application"),
    [
        *(("Asterisk PBX 16.28.0", "asterisk"), ("pjmedia", "PJMEDIA"), ("Talk", "oRTP")),
        ("Doubango Telecom - chrome", "sipml5"),
    ],
)
def test_session_names_of_products(session, application):
    found = NAMES.by_session(session)
    assert found is not None
    assert (found.application, found.by) == (application, "sdp")


@pytest.mark.parametrize(
    ("realm", "application"),
    [
        ("turn.signal.org", "signal"),
        ("TELEGRAM.ORG", "telegram"),
        ("oracle.com", None),
        ("t-mobile.de", None),
    ],
)
def test_a_realm_is_the_domain_of_an_operator_unless_it_is_listed(realm, application):
    found = NAMES.by_realm(realm)
    assert (found.application if found else None) == application


@pytest.mark.parametrize(
    ("sure", "declared"),
    [
        *(("chromium", "jssip"), ("firefox", "sipml5"), ("pion", "livekit"), ("gstreamer", "kurento")),
        ("asterisk", "grandstream-ucm"),
    ],
)
def test_what_a_product_runs_in_or_is_built_on_is_not_contradicted(sure, declared):
    found = NAMES.declare(verdict(application=sure), Declared(declared, None, "sip"))
    assert (found.application, found.declared_application) == (sure, declared)


@given(st.one_of(st.text(max_size=2000), st.from_regex(r"(linphone|snom|pjsip)?[ /v]*[0-9a.v~ -]*")))
def test_no_text_of_a_stranger_gets_through(text):
    """Whatever a text holds: its name is one of the table, and its version a few harmless characters."""
    found = NAMES.declared(text, "sip")
    if found is not None:
        assert found.version is None or re.fullmatch(r"[0-9A-Za-z.+~_-]{1,32}", found.version)
        assert re.fullmatch(r"[ -~]+", found.application)


def test_networks_and_table_spell_a_product_alike():
    """A class of the shipped networks is a key, so that a product that both name has one name."""
    keys = tomllib.loads(resources.files("callprint").joinpath("declared_names.toml").read_text())[
        "applications"
    ]
    assert set(load_model(DEFAULT_MODEL).applications) <= set(keys)


@pytest.mark.parametrize(
    "tables",
    [
        {"applications": {"Big Name": {"texts": ["x"]}}},
        {"applications": {"a": {"texts": [""]}}},
        {"applications": {"a": {"texts": ["same"]}, "b": {"texts": ["Same"]}}},
        {"applications": {"a": {"text": ["x"]}}},
        {"applications": {"a": {"attributes": [1]}, "b": {"attributes": [1]}}},
    ],
)
def test_a_table_that_says_two_things_is_refused(tables):
    with pytest.raises(ConfigError):
        NameTable(**tables)


SURE = verdict(application="asterisk")


@pytest.mark.parametrize(
    ("declared", "application", "reason"),
    [
        ("asterisk", "asterisk", None),
        ("freeswitch", UNKNOWN, REASON_CONTRADICTED),
        ("fpbx", "asterisk", None),  # FreePBX runs Asterisk
        ("PJMEDIA", UNKNOWN, REASON_CONTRADICTED),  # another engine than Asterisk's
    ],
)
def test_a_contradiction_withdraws_a_sure_name(declared, application, reason):
    found = NAMES.declare(SURE, Declared(declared, "1.2", "rtcp"))
    assert found == replace(
        SURE,
        application=application,
        reason=reason,
        declared_application=declared,
        declared_version="1.2",
        declared_by="rtcp",
    )


@pytest.mark.parametrize(("application", "engine"), [("zoiper", "PJMEDIA"), ("linphone", "oRTP")])
def test_an_engine_contradicts_only_applications_that_have_another(application, engine):
    """It is not known which one Zoiper has."""
    found = NAMES.declare(verdict(application=application), Declared(engine, None, "sdp"))
    assert (found.application, found.declared_application) == (application, engine)


def test_a_verdict_that_was_not_sure_keeps_its_reason():
    unsure = verdict(application=UNKNOWN, best_application="pjsua", reason=REASON_LOW_CONFIDENCE)
    found = NAMES.declare(unsure, Declared("freeswitch", None, "rtcp"))
    assert (found.application, found.reason) == (UNKNOWN, REASON_LOW_CONFIDENCE)


def test_what_is_said_in_the_media_comes_before_what_signalling_says():
    by_rtcp = NAMES.declare(SURE, Declared("freeswitch", None, "rtcp"))
    assert NAMES.declare(by_rtcp, Declared("asterisk", "18", "sip")) is by_rtcp
    with_version = NAMES.declare(by_rtcp, Declared("freeswitch", "1.10", "sip"))
    assert (with_version.declared_by, with_version.declared_version) == ("rtcp", "1.10")


def test_a_product_comes_before_an_engine_and_gives_a_sure_name_back():
    by_engine = NAMES.declare(SURE, Declared("PJMEDIA", None, "rtcp"))
    found = NAMES.declare(by_engine, Declared("asterisk", None, "sip"))
    assert (found.application, found.reason, found.declared_by) == ("asterisk", None, "sip")


@given(st.permutations([Declared(name, None, by) for name in ("snom", "oRTP") for by in DECLARED_BY]))
def test_the_order_in_which_names_come_does_not_matter(declared):
    assert NAMES.chosen([None, *declared]) == Declared("snom", None, "rtcp")


def test_without_a_table_nothing_is_declared():
    assert not NO_NAMES
    assert NO_NAMES.declared("Asterisk", "sip") is None
