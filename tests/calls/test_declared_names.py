"""What signalling declares about the sender of a flow: whose name it is, and the row that says so on both paths."""

import random
from dataclasses import replace

import pytest
from call_player import CallPlayer
from call_stream import frames_of, inputs_of, record
from hypothesis import given
from hypothesis import strategies as st
from length_identifier import ByLength
from sip_scenario import Talk, at, calls_in_a_row, flow, play, sdp, write_capture

from callprint.core.call import Phase
from callprint.core.calls.claims import claim_after
from callprint.core.ground.snapshot import Snapshot
from callprint.core.relay.site import SiteCalls
from callprint.core.signalling.defects import SipError
from callprint.core.signalling.reader import RawMessage
from callprint.core.signalling.sip import parse_message
from callprint.core.spam.detectors import make_detector
from callprint.core.verdict import REASON_CONTRADICTED, UNKNOWN
from callprint.core.verdicts.pipeline import IdentificationPipeline
from callprint.core.wire.source import site_of
from callprint.declared_names import shipped_names
from callprint.identification import CaptureRun
from callprint.stores import VerdictQuery
from callprint.stores.sqlite import SqliteStore

NAMES = shipped_names()
CALL = Talk()
PHONE, SERVER, RELAY = "10.0.0.1", "10.0.0.2", "10.0.0.9"
CALLER, CALLEE, RELAYED = (PHONE, 4000), (SERVER, 5000), (RELAY, 6000)
AGENT = "User-Agent: Yealink SIP-T46S 66.85.0.5\r\n"
CONTACT = f"Contact: <sip:a@{PHONE}:5060>\r\n"
SECOND_VIA = "Via: SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bK-0\r\n"


def declared(headers: str, report, source_ip=PHONE, media=CALLER):
    """The verdict of a flow that ends during a call whose INVITE has these headers."""
    engine = CallPlayer(names=NAMES)
    invite = CALL.request("INVITE", sdp=sdp(*media), headers=headers)
    from_source = invite.replace(b"UDP 10.0.0.1;", f"UDP {source_ip};".encode())
    engine.message(RawMessage(at(0), source_ip, from_source))
    (found,) = engine.assembler.with_announced([report])
    return found.verdict


SENT = flow(CALLER, CALLEE, 3, 23)


def test_a_phone_that_sends_its_own_media_names_them():
    found = declared(AGENT + CONTACT, SENT)
    assert (found.declared_application, found.declared_version, found.declared_by) == (
        *("yealink", "66.85.0.5", "sip"),
    )
    assert (found.application, found.best_application, found.reason) == (
        *(UNKNOWN, "linphone", REASON_CONTRADICTED),
    )


@pytest.mark.parametrize(
    ("headers", "report", "source_ip", "media"),
    [
        # A proxy passed the message on and put a relay's address into the SDP.
        (AGENT + CONTACT + SECOND_VIA, flow(RELAYED, CALLEE, 3, 23), RELAY, RELAYED),
        # A back-to-back user agent that stays out of the media: its own message, the telephone's media.
        ("User-Agent: FreeSWITCH-mod_sofia/1.10\r\nContact: <sip:b@10.0.0.7>\r\n", SENT, "10.0.0.7", CALLER),
        ("", SENT, PHONE, CALLER),
        ("User-Agent: unheard of\r\n" + CONTACT, SENT, PHONE, CALLER),
        (AGENT + CONTACT, flow(CALLEE, CALLER, 3, 23), PHONE, CALLER),  # the other direction
    ],
)
def test_media_of_somebody_else_get_no_name(headers, report, source_ip, media):
    assert declared(headers, report, source_ip, media) == report.verdict


@pytest.mark.parametrize(
    ("headers", "source_ip"),
    [
        ("", PHONE),  # the packet's source, where there is one Via (whose address is the phone's as well)
        (SECOND_VIA, RELAY),  # the last Via
        (SECOND_VIA.replace("10.0.0.1:5060", "192.168.1.5;received=10.0.0.1"), RELAY),
        ("Contact: <sip:a@[::ffff:10.0.0.1]:5060>\r\n" + SECOND_VIA.replace("10.0.0.1", "a.b"), RELAY),
    ],
)
def test_where_a_party_itself_is(headers, source_ip):
    assert declared(AGENT + headers, SENT, source_ip).declared_application == "yealink"


def test_two_programs_at_one_address_name_nothing():
    """A back-to-back user agent on the telephone's host: both legs announce the same endpoint."""
    engine = CallPlayer(names=NAMES)
    for number, agent in enumerate((AGENT, "User-Agent: FreeSWITCH-mod_sofia/1.10\r\n")):
        leg = Talk(f"leg-{number}@x", from_tag=f"t{number}")
        invite = leg.request("INVITE", sdp=sdp(*CALLER), headers=agent + CONTACT)
        engine.message(RawMessage(at(0), PHONE, invite))
    (found,) = engine.assembler.with_announced([SENT])
    assert found.verdict == SENT.verdict


@pytest.mark.parametrize(
    "changed",
    [("s=-", "s=Asterisk PBX 18"), ("t=0 0", "t=0 0\r\na=tool:baresip 3.9.0"), ("o=-", "o=FreeSWITCH")],
)
def test_sdp_says_it_where_no_header_does(changed):
    engine = CallPlayer(names=NAMES)
    invite = CALL.request("INVITE", sdp=sdp(*CALLER).replace(*changed), headers=CONTACT)
    engine.message(RawMessage(at(0), PHONE, invite))
    (found,) = engine.assembler.with_announced([SENT])
    assert found.verdict.declared_by == "sdp"


def test_a_subscriber_called_like_a_product_names_none():
    """FreeSWITCH writes the caller's name into s= of SDP."""
    engine = CallPlayer(names=NAMES)
    invite = CALL.request(
        "INVITE", sdp=sdp(*CALLER).replace("s=-", "s=Kirk"), headers="User-Agent: FreeSWITCH\r\n" + CONTACT
    )
    engine.message(RawMessage(at(0), PHONE, invite))
    (found,) = engine.assembler.with_announced([SENT])
    assert (found.verdict.declared_application, found.verdict.declared_by) == ("freeswitch", "sip")


def test_rows_of_calls_have_both_names():
    engine = CallPlayer(names=NAMES)
    script = [
        (0, CALL.request("INVITE", sdp=sdp(*CALLER), headers=AGENT + CONTACT)),
        (3, CALL.response(200, sdp=sdp(*CALLEE).replace("s=-", "s=Asterisk"))),
        (23, CALL.request("BYE", cseq=2, to_tag="tag-b")),
    ]
    engine.add_flows([SENT, flow(CALLEE, CALLER, 3, 23, application="baresip", ssrc=8)])
    rows = play(engine, script)
    (row,) = [row for row in rows if row.phase is Phase.END]
    assert (row.caller_declared_application, row.caller_declared_by) == ("yealink", "sip")
    assert (row.callee_declared_application, row.callee_declared_by) == ("asterisk", "sdp")
    # That 10.0.0.2 is the callee's own address is not shown.
    assert (row.caller_application, row.callee_application) == (UNKNOWN, "baresip")
    (setup,) = [row for row in rows if row.phase is Phase.SETUP]
    assert (setup.caller_declared_application, setup.callee_declared_application) == ("yealink", None)


def ringing(status: int, server: str, to_tag: str, branch: str = "z9hG4bK-1") -> bytes:
    response = CALL.response(status, to_tag=to_tag, branch=branch)
    return response.replace(b"CSeq", f"Server: {server}\r\nCSeq".encode())


@pytest.mark.parametrize(
    ("responses", "declared"),
    [
        ([ringing(486, "Yealink 1.1", "b")], None),  # who refuses sends no media
        (
            [ringing(180, "Yealink 1.1", "b"), ringing(200, "Asterisk", "c")],
            "asterisk",
        ),  # another fork answers
        ([ringing(180, "Yealink 1.1", "b"), ringing(200, "nobody", "b")], "yealink"),
        ([ringing(180, "Yealink 1.1", "b"), ringing(200, "nobody", "c")], None),
        ([ringing(180, "Yealink 1.1", "b"), ringing(200, "Asterisk", "b")], "yealink"),  # changed on its way
        ([ringing(200, "Yealink 1.1", "b"), ringing(200, "Asterisk", "b")], "yealink"),
        ([ringing(100, "Asterisk", "")], None),  # of the next hop
    ],
)
def test_who_is_called_has_the_name_of_who_answers(responses, declared):
    script = [(0, CALL.request("INVITE", sdp=sdp(*CALLER)))]
    script += [(1 + i, response) for i, response in enumerate(responses)]
    *_, row = play(CallPlayer(names=NAMES), script)
    assert row.callee_declared_application == declared


def test_sdp_in_the_answer_is_nearer_to_the_media_than_who_signs_it():
    """FreeSWITCH in bypass mode: it signs, and the telephone behind it sends the media."""
    answer = ringing(200, "FreeSWITCH", "b").replace(b"Content-Length: 0\r\n\r\n", b"")
    body = sdp(*CALLEE).replace("t=0 0", "t=0 0\r\na=tool:baresip 1.0.0").encode()
    answer += b"Content-Type: application/sdp\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    script = [
        (0, CALL.request("INVITE", sdp=sdp(*CALLER))),
        (1, ringing(180, "FreeSWITCH", "b")),
        (2, answer),
    ]
    *_, row = play(CallPlayer(names=NAMES), script)
    assert (row.callee_declared_application, row.callee_declared_by) == ("baresip", "sdp")


def test_of_two_telephones_of_one_kind_the_one_that_answers_is_where_its_media_come_from():
    def response(status: int, tag: str, ip: str) -> bytes:
        named = f"Server: Yealink 1.1\r\nContact: <sip:b@{ip}>\r\nCSeq".encode()
        return CALL.response(status, to_tag=tag, sdp=sdp(ip, 5000)).replace(b"CSeq", named, 1)

    engine = CallPlayer(names=NAMES)
    script = [
        (0, CALL.request("INVITE", sdp=sdp(*CALLER))),
        (1, response(183, "b", "10.0.0.3")),
        (2, response(200, "c", SERVER)),
    ]
    for second, message in script:
        engine.message(RawMessage(at(second), SERVER, message))
    (found,) = engine.assembler.with_announced([flow(CALLEE, CALLER, 3, 23)])
    assert found.verdict.declared_application == "yealink"


@pytest.mark.parametrize("late", [None, 180, 487, 200])
def test_who_answers_without_a_name_has_not_that_of_who_rang(late):
    script = [
        (0, CALL.request("INVITE", sdp=sdp(*CALLER))),
        (1, ringing(180, "Yealink 1.1", "b")),
        (2, CALL.response(200, to_tag="c", sdp=sdp(*CALLEE))),
    ]
    script += [(3, ringing(late, "Yealink 1.1", "b"))] if late else []
    *_, row = play(CallPlayer(names=NAMES), script)
    assert (row.callee_user_agent, row.callee_declared_application) == (None, None)


def test_a_caller_that_answers_under_another_tag_keeps_its_name():
    """It has sent its INVITE again with a new From tag, after a challenge."""
    again = Talk(from_tag="z")
    second, third = {"branch": "z9hG4bK-2"}, {"branch": "z9hG4bK-3", "to_tag": "c"}
    script = [
        (0, CALL.request("INVITE", sdp=sdp(*CALLER), headers=AGENT + CONTACT)),
        (0.1, CALL.response(407, to_tag="p")),
        (0.2, CALL.request("ACK", to_tag="p")),
        (0.3, again.request("INVITE", cseq=2, sdp=sdp(*CALLER), headers=AGENT + CONTACT, **second)),
        (2, again.response(200, cseq=2, sdp=sdp(*CALLEE), to_tag="c", **second)),
        (9, again.request("INVITE", by_callee=True, sdp=sdp(*CALLEE), **third)),
        (9.1, again.response(200, to_callee=True, sdp=sdp(*CALLER), **third)),
        (20, again.request("BYE", cseq=3, to_tag="c")),
    ]
    *_, row = play(CallPlayer(names=NAMES), script)
    assert row.caller_declared_application == "yealink"


def test_a_restart_forgets_no_name():
    before, after = (CallPlayer(names=NAMES).assembler for _ in range(2))
    before.message(
        RawMessage(at(0), PHONE, CALL.request("INVITE", sdp=sdp(*CALLER), headers=AGENT + CONTACT))
    )
    after.restore(Snapshot.unpack(before.snapshot().pack()))
    (found,) = after.with_announced([SENT])
    assert found.verdict.declared_application == "yealink"


@given(
    st.sampled_from(["Via: ", "Contact: ", "User-Agent: ", "Record-Route: "]),
    st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=300),
)
def test_any_header_makes_a_claim_or_none(name, value):
    """Own addresses are addresses in canonical text, and few; or no SIP message was read at all."""
    raw = CALL.request("INVITE", headers=f"{name}{value}\r\n{AGENT}{CONTACT}")
    try:
        message = parse_message(raw)
    except SipError:
        return
    claim = claim_after(None, message, None, PHONE, NAMES)
    if claim is not None:
        assert len(claim.own_addresses) <= 4
        assert all(address.replace(".", "").replace(":", "").isalnum() for address in claim.own_addresses)


def signed(talk: Talk, _number: int):
    """Calls of a telephone that says its name, with a server that does not."""
    invite = talk.request("INVITE", sdp=sdp(*CALLER), headers=AGENT + CONTACT)
    return invite, talk.response(200, sdp=sdp(*CALLEE))


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    path = tmp_path_factory.mktemp("declared") / "calls.pcap"
    write_capture(path, calls_in_a_row(4, CALLER, CALLEE, signed))
    return frames_of(path)


class Agreeing(ByLength):
    """Another network, which knows the telephone."""

    name = "agreeing 1"
    applications = ("yealink", "yealink")


def embedded(frames, batch: int, store=None, identifier=None):
    """All verdicts of the embedded path."""
    found = []
    run = CaptureRun(
        IdentificationPipeline(identifier or ByLength(), names=NAMES),
        store,
        on_verdict=found.append,
        calls=CallPlayer(detector=make_detector("callprint"), names=NAMES),
    )
    data, records = frames
    for first in range(0, len(records), batch):
        run.process(data, records[first : first + batch])
    run.finish()
    return found


def test_the_name_is_a_later_verdict_whatever_the_batches(frames):
    found = embedded(frames, 100_000)
    named = {verdict for verdict in found if verdict.declared_application}
    assert {verdict.flow.src_ip for verdict in named} == {PHONE}
    assert {verdict.reason for verdict in named} == {REASON_CONTRADICTED}
    assert len(named) == 4
    assert set(embedded(frames, 50)) == set(found)


def test_a_store_gives_the_later_verdict_also_when_the_earlier_one_is_stored_again(frames, tmp_path):
    with SqliteStore(tmp_path / "verdicts.sqlite") as store:
        found = embedded(frames, 300, store)
        store.put_verdicts(verdict for verdict in found if not verdict.declared_application)
        contradicted = list(store.verdicts(VerdictQuery(reason=REASON_CONTRADICTED)))
        assert len(contradicted) == 4
        assert contradicted == list(store.verdicts(VerdictQuery(declared="yealink")))
        assert not list(store.verdicts(VerdictQuery(reason=REASON_CONTRADICTED, declared="snom")))
        # Another model that the names do not contradict replaces it.
        embedded(frames, 300, store, Agreeing())
        assert not list(store.verdicts(VerdictQuery(reason=REASON_CONTRADICTED)))


@pytest.mark.parametrize("seed", range(3))
def test_a_site_gives_the_same_verdicts(frames, seed):
    """Its media batches are judged without a network here, so that the names stand beside unknown applications."""
    chance = random.Random(seed)
    inputs = inputs_of(record(frames, batch=chance.choice([40, 300, 100_000])))
    (site,) = {site_of(source) for source in inputs.sources}
    calls = SiteCalls(site, make_detector("callprint"), names=NAMES)
    completed = set()
    for each in inputs.shuffled(chance, repeats=0.3):
        calls.take(each)
        completed |= set(calls.declared)
    run = []
    pipeline = CaptureRun(
        IdentificationPipeline(None, names=NAMES),
        None,
        on_verdict=run.append,
        calls=CallPlayer(names=NAMES),
    )
    pipeline.process(*frames)
    pipeline.finish()
    assert completed == {verdict for verdict in run if verdict.declared_application}
    assert len(completed) == 4


def test_a_verdict_that_this_host_has_forgotten_gets_no_later_one():
    forgotten = replace(SENT, verdict=replace(SENT.verdict, k=0))
    assert declared(AGENT + CONTACT, forgotten) == forgotten.verdict
