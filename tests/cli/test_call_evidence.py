"""`callprint call --evidence` and `--check`: what may leave the house, and verdicts made again from it."""

import ipaddress
import json
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import callprint
from callprint.call_evidence import evidence_of_call, has_kept_packets
from callprint.core.calls.kept import KeptCall, block_of, kept_in
from callprint.core.ground.errors import CallprintError
from callprint.core.verdicts.looks import ROW_BYTES, JudgedLook, Look
from callprint.evidence_file import check, kept_beside
from callprint.load_identifier import load_identifier
from callprint.stores import CallQuery, VerdictQuery, open_store
from tests.verdict_samples import verdict

pytest.importorskip("onnxruntime")
ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "samples" / "applications.pcapng"
PUBLIC = ROOT.parent / "shared" / "data" / "public"
CALLS = ROOT.parent / "shared" / "data" / "calls"
CALL_ID = "LnsehGSl2D"
PUBLIC_CAPTURES = (
    "ntop+nDPI/tests/cfgs/default/pcap/skype-conference-call.pcap",
    "ntop+nDPI/tests/cfgs/default/pcap/KakaoTalk_talk.pcap",
    "ntop+nDPI/tests/cfgs/default/pcap/whatsapp_login_call.pcap",
    "ntop+nDPI/tests/cfgs/default/pcap/fuzz-2006-06-26-2594.pcap",
    "SIPp+sipp/pcap/dtmf_2833_star.pcap",
    "SIPp+sipp/pcap/dtmf_2833_9.pcap",
    "SIPp+sipp/pcap/dtmf_2833_4.pcap",
    "SIPp+sipp/pcap/dtmf_2833_1.pcap",
    "asterisk+testsuite/tests/fax/pjsip/t38_enabled_two_reinvite_on_a_leg/sipp/CUSTOMER_G711U.pcap",
    "asterisk+testsuite/tests/fax/pjsip/t38_enabled_two_reinvite_on_a_leg/sipp/CARRIER_G711U.pcap",
    "asterisk+testsuite/tests/channels/pjsip/rtp_ptime/non-transcode/sipp/40msalaw.pcap",
    "asterisk+testsuite/tests/channels/pjsip/dtmf_sdp/dtmf_sdp_recognition/sipp/ulaw-2013785496.pcap",
)


@pytest.fixture
def run(command):
    return lambda *words: command(*words, columns=150)


@pytest.fixture
def evidence(run, tmp_path):
    path = tmp_path / "evidence.pcapng"
    assert run("call", CALL_ID, SAMPLE, "--evidence", path)[0] == 0
    return path


def test_every_verdict_of_the_sample_is_made_again(run, tmp_path):
    url = str(tmp_path / "store.sqlite")
    run("identify", SAMPLE, "--store", url, "--keep-calls", "all", "--quiet")
    identifier = load_identifier()
    with open_store(url) as store:
        calls = list(store.calls(CallQuery()))
        verdicts = [stored.verdict for stored in store.verdicts(VerdictQuery(last_only=False))]
        checked = [
            check(kept_beside(evidence_of_call(store, call)), identifier)
            for call in calls
            if has_kept_packets(store, call)
        ]
    made = [each for of_call in checked for each in of_call if each.again is not None]
    assert len(checked) == 13
    assert sorted(judged(each.verdict) for each in made) == sorted(map(judged, verdicts))
    assert all(each.same for each in made)


def judged(verdict):
    """What a verdict says, without the endpoints that have pseudonyms."""
    said = (verdict.application, verdict.engine, verdict.engine_confidence, verdict.reason or "")
    return (
        verdict.flow.ssrc,
        verdict.flow.first_seen_ns,
        verdict.decided_at_ns,
        verdict.k,
        verdict.confidence,
        *said,
    )


@pytest.mark.skipif(not PUBLIC.is_dir(), reason="needs ../shared/data/public")
@pytest.mark.parametrize("name", PUBLIC_CAPTURES)
def test_every_verdict_of_public_captures_is_made_again(run, tmp_path, name):
    calls = [call for call in identified(PUBLIC / name) if call.phase == "end"]
    capture, made = PUBLIC / name, 0
    for number, call in enumerate([call for call in calls if call.caller_flows or call.callee_flows][:2]):
        path = tmp_path / f"{number}.pcapng"
        assert run("call", call.call_id, capture, "--evidence", path)[0] in (
            0,
            3,
        )  # 3: it is cut off at its end
        code, out, err = run("call", "--check", path)
        assert code == 0, (out, err)
        made += "the same bit for bit" in out
        assert "give the same features" in out
    assert made


@pytest.mark.skipif(not CALLS.is_dir(), reason="needs ../shared/data/calls")
def test_two_looks_at_as_many_packets_are_two(run, tmp_path):
    """At the last checkpoint and, after ten seconds of RTCP, at the horizon."""
    path = tmp_path / "evidence.pcapng"
    assert run("call", CALLS / "cross" / "xsip-207.pcap", "--evidence", path)[0] == 0
    assert run("call", "--check", path)[0] == 0


def identified(capture):
    identification = callprint.identify(capture, model="none")
    list(identification)
    return identification.calls


def test_no_address_name_or_number_leaves(evidence):
    data = evidence.read_bytes()
    for text in (b"lena", b"walter", CALL_ID.encode(), b"192.168.210"):
        assert text in SAMPLE.read_bytes()
        assert text not in data
    network = ipaddress.ip_address("192.168.210.0").packed[:3]
    assert network not in data


def test_no_voice_leaves(evidence):
    voice = [
        block[28 + 14 + 20 + 8 + 12 :][:100]
        for block in packet_blocks(SAMPLE.read_bytes())
        if len(block) > 230
    ]
    assert voice
    data = evidence.read_bytes()
    assert not any(piece in data for piece in voice if len(set(piece)) > 20)


def test_it_is_a_capture_of_the_same_call(evidence):
    (call,) = (call for call in identified(evidence) if call.phase == "end")
    (before,) = (call for call in identified(SAMPLE) if call.phase == "end" and call.call_id == CALL_ID)
    for name in (
        "state",
        "started_ns",
        "ringing_ns",
        "answered_ns",
        "caller_codec",
        "caller_mos",
        "callee_mos",
    ):
        assert getattr(call, name) == getattr(before, name)
    assert re.fullmatch("[0-9a-f]{16}", call.call_id)
    assert [(key.ssrc, key.first_seen_ns) for key in call.caller_flows] == [
        (key.ssrc, key.first_seen_ns) for key in before.caller_flows
    ]


def test_pseudonyms_differ_from_file_to_file(run, tmp_path, evidence):
    again = tmp_path / "again.pcapng"
    run("call", CALL_ID, SAMPLE, "--evidence", again)
    one, other = (identified(path)[0] for path in (evidence, again))
    assert one.caller != other.caller
    assert one.signalling_ip != other.signalling_ip


def test_a_verdict_that_was_changed_is_found(run, evidence):
    data = evidence.read_bytes()
    changed = data.replace(b'"linphone"', b'"linphonx"')
    assert changed != data
    evidence.write_bytes(changed)
    code, out, _ = run("call", "--check", evidence)
    assert code == 4
    assert "differs in" in out


def test_features_that_were_changed_are_found(run, evidence):
    kept = kept_in(evidence.read_bytes())
    judged = [
        each._replace(look=each.look and each.look._replace(row=bytes(ROW_BYTES))) for each in kept.judged
    ]
    evidence.write_bytes(section() + block_of(type(kept)(judged, kept.card, kept.call)))
    code, out, _ = run("call", "--check", evidence)
    assert code == 4
    assert "differ" in out


def test_packets_that_were_changed_are_found(run, evidence):
    data = bytearray(evidence.read_bytes())
    at = 0
    for block in packet_blocks(bytes(data)):
        at = data.index(block, at)
        first, second = block[28 + 28 : 28 + 30]
        if first == 0x80 and not 192 <= second <= 223:  # RTP, not RTCP: another time stamp
            data[at + 28 + 28 + 5] ^= 0x10
            break
    evidence.write_bytes(data)
    code, out, _ = run("call", "--check", evidence)
    assert code == 4
    assert "the headers give other features (" in out
    assert "the same bit for bit" in out


def section():
    return (
        SAMPLE.read_bytes()[:8] + SAMPLE.read_bytes()[8 : int.from_bytes(SAMPLE.read_bytes()[4:8], "little")]
    )


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("--check", SAMPLE), 4, "no evidence of a call"),
        (("--check", "no-such-file"), 4, "No such file"),
        (("--check", SAMPLE, CALL_ID), 2, "and nothing else"),
        ((), 2, "name a Call-ID"),
    ],
)
def test_what_is_no_evidence(run, words, code, message):
    found, _, err = run("call", *words)
    assert found == code
    assert message in err


def test_another_network_is_not_asked(run, evidence):
    code, _, err = run("call", "--check", evidence, "--model", "none")
    assert code == 4
    assert "compact 6" in err


def packet_blocks(data):
    at, found = 0, []
    while at < len(data):
        kind, length = (int.from_bytes(data[at + i : at + i + 4], "little") for i in (0, 4))
        if kind == 6:
            found.append(data[at : at + length])
        at += length
    return found


@pytest.fixture(scope="module")
def identifier():
    return load_identifier()


VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
FIELD_COUNT = len(json.loads(KeptCall([JudgedLook(verdict(), None)]).as_text())["verdicts"]["fields"])


@given(
    place=st.integers(0, FIELD_COUNT - 1),
    value=VALUES,
    seed=st.integers(0, 99),
    scale=st.sampled_from([0.0, 1.0, 1e3, 1e37]),
)
@settings(max_examples=60, deadline=None)
def test_any_evidence_is_checked_or_refused(identifier, place, value, seed, scale):
    """Whatever a file says, each of its verdicts is compared, or one CallprintError says why not."""
    ours = verdict(model_digest=identifier.digest)
    row = np.random.default_rng(seed).normal(scale=scale, size=ROW_BYTES // 4)
    look = Look(row.astype("<f4").tobytes(), by_headers=False)
    plain = json.loads(KeptCall([JudgedLook(ours, look)]).as_text())
    plain["verdicts"]["rows"][0][place] = value
    try:
        kept = KeptCall.from_text(json.dumps(plain))
        checked = check(kept, identifier)
    except CallprintError:
        return
    assert len(checked) == 1
    again = check(kept, identifier)[0].again
    assert again is None or again.application in (*identifier.applications, "unknown")
