"""The promise of evidence files: nothing of people and machines in a call is found in them, in whatever form."""

import ipaddress
import re
from pathlib import Path

import pytest

from callprint.cli import main
from callprint.core.calls.harmless_texts import agent_alone, version_alone
from callprint.core.calls.pseudonymised_sip import pseudonymised
from callprint.core.calls.pseudonyms import Pseudonyms
from callprint.core.signalling.sip import parse_message
from callprint.declared_names import shipped_names
from callprint.evidence_file import evidence_of, kept_beside
from callprint.stores import CallQuery, open_store
from callprint.stores.kept_calls import KeptCalls, folder_beside
from tests.sip_samples import INVITE

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data"
KEY = bytes(range(32))
CAPTURES = (
    ROOT / "samples" / "applications.pcapng",
    *(DATA / "calls" / "cross" / f"xsip-{number}.pcap" for number in (207, 210)),
    *(
        DATA / "world" / f"{name}.pcap"
        for name in (
            "05-user-parameters",
            "12-many-candidates",
            "16-odd-headers",
            "18-tcp-reordered",
            "41-hep3",
        )
    ),
    DATA / "public" / "ntop+nDPI" / "tests" / "cfgs" / "default" / "pcap" / "whatsapp_login_call.pcap",
)
_NAMED = re.compile(
    rb"(?im)^(?:(?:From|To|Contact|Call-ID|Via|User-Agent|Server|P-Asserted-Identity|P-Preferred-Identity|Diversion|"
    rb"Remote-Party-ID|History-Info|Route|Record-Route|Subject|Organization|Authorization|Proxy-Authorization|"
    rb"WWW-Authenticate|Refer-To|Referred-By|f|t|m|i|v)[ \t]*:|[osiepu]=|c=|"
    rb"a=(?:candidate|ice-ufrag|ice-pwd|fingerprint|crypto|tool|msid|ssrc:\d+|cname|label)[: ])([^\r\n]{1,400})"
)
_QUAD = re.compile(rb"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d.])")
# What SIP itself says, and names of programs that the table knows.
_COMMON = set(
    b"transport branch received rport z9hg4bk alias candidate typ host srflx relay generation network invite message "
    b"register options cancel update prack notify refer subscribe publish digest realm nonce algorithm response "
    b"username session audio video local invalid unknown cname label rtcp-mux outbound expires application".split()
)


def blocks(capture, kind):
    at = 0
    while at + 12 <= len(capture):
        length = int.from_bytes(capture[at + 4 : at + 8], "little")
        if int.from_bytes(capture[at : at + 4], "little") == kind:
            yield capture[at + 8 : at + length - 4]
        at += length


def frames(capture):
    return [block[20:][: int.from_bytes(block[12:16], "little")] for block in blocks(capture, 6)]


def secrets(capture):
    """Words and addresses of texts, addresses of cards, addresses in binary form, ends of payloads."""
    whole = frames(capture)
    ethernet = next(blocks(capture, 1))[:2] == b"\x01\x00"
    texts = {found[1] for frame in whole for found in _NAMED.finditer(frame)}
    words = {word.lower() for text in texts for word in re.findall(rb"[A-Za-z0-9_+-]{5,}", text)}
    quads = {quad for text in texts for quad in _QUAD.findall(text)}
    binary = set()
    for quad in quads - {b"0.0.0.0"}:
        try:
            binary.add(ipaddress.ip_address(quad.decode()).packed)
        except ValueError:
            continue
    if ethernet:
        binary |= {card for frame in whole for card in (frame[:6], frame[6:12])}
        binary |= {frame[at : at + 4] for frame in whole if frame[12:14] == b"\x08\x00" for at in (26, 30)}
    binary |= {frame[-24:] for frame in whole if len(frame) > 90 and b"\r\n" not in frame[-24:]}
    return (
        words - _COMMON,
        quads - {b"0.0.0.0"},
        {each for each in binary if len(set(each)) >= min(len(each), 8) - 1},
    )


def leaks(capture, evidence):
    words, quads, binary = secrets(capture)
    packets = b"\n".join(frames(evidence))
    notes = kept_beside(evidence)
    about = repr([notes.call, [each.verdict for each in notes.judged]]).encode()
    said = set(re.findall(rb"[a-z0-9_+-]{5,}", (packets + about).lower()))
    kept = {word.lower() for agent in agents(evidence) for word in re.findall(rb"[A-Za-z0-9_+-]{5,}", agent)}
    found = [word for word in words - kept if word in said]
    found += [quad for quad in quads if quad in evidence]
    return found + [each for each in binary if each in packets or (len(each) > 5 and each in evidence)]


def agents(evidence):
    """The names of programs that stay: each is one that the table of declared names makes of itself."""
    found = {
        match[1] for match in re.finditer(rb"(?:User-Agent|Server): ([^\r\n]*)", b"\n".join(frames(evidence)))
    }
    assert all(agent_alone(agent.decode(), shipped_names()) == agent.decode() for agent in found)
    names = [each.verdict for each in kept_beside(evidence).judged]
    declared = {
        str(name).encode() for each in names for name in (each.declared_application, each.application)
    }
    return found | declared


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda path: path.stem)
def test_nothing_of_a_call_is_found_in_its_evidence(tmp_path, capture):
    """No word of a name, number, identifier or text, no address, card or payload of a call is in its evidence."""
    if not capture.is_file():
        pytest.skip("needs ../shared/data")
    url = str(tmp_path / "store.sqlite")
    words = ("--keep-calls", "all", "--keep-voice", "--quiet", "--model", "none")
    assert main(["identify", str(capture), "--store", url, *words]) in (0, 3)
    with open_store(url) as store:
        folder = KeptCalls(folder_beside(store))
        calls = [call for call in store.calls(CallQuery()) if folder.has(call)]
    assert calls
    for call in calls:
        kept = folder.get(call)
        found = leaks(kept, evidence_of(kept, kept_beside(kept), call, KEY))
        assert not found


def test_two_files_of_a_call_have_no_pseudonym_in_common():
    one, other = (
        pseudonymised(parse_message(FULL), Pseudonyms(key, ()), shipped_names()) for key in (KEY, KEY[::-1])
    )
    first, second = (set(re.findall(rb"[0-9a-f]{16}|10\.[\d.]+", text)) for text in (one, other))
    assert len(first) > 5
    assert not first & second


SECRET = "Geheimnis4711"
BODY = f"""v=0
o={SECRET} {SECRET} 1 IN IP4 203.0.113.77
s={SECRET}
i={SECRET}
e={SECRET}@example.org
p=+49 30 {SECRET}
c=IN IP4 203.0.113.77
t=0 0
a=tool:{SECRET}
m=audio 34567 RTP/{SECRET} 0 96 {SECRET}
a=rtpmap:96 {SECRET}/8000
a=fmtp:96 {SECRET}
a=ice-ufrag:{SECRET}
a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{SECRET}
a=candidate:{SECRET} 1 UDP 1 203.0.113.77 34567 typ srflx raddr 203.0.113.77 rport 34567
a=ssrc:7 cname:{SECRET}
a=msid:{SECRET}
""".replace("\n", "\r\n")
HEADERS = f"""Diversion: <sip:{SECRET}@203.0.113.77>;reason=unconditional
P-Asserted-Identity: "{SECRET}" <tel:{SECRET}>
History-Info: <sip:{SECRET}@203.0.113.77>;index=1
Subject: {SECRET}
Reason: SIP;text="{SECRET}"
Route: <sip:{SECRET}@203.0.113.77;x={SECRET}>
Contact: "{SECRET}" <sip:{SECRET}:{SECRET}@203.0.113.77:34567;transport=ws;x={SECRET}?h={SECRET}>
User-Agent: Linphone-{SECRET}/4.1 ({SECRET})
Server: baresip {SECRET}
Content-Type: application/sdp
""".replace("\n", "\r\n")
FULL = (
    INVITE.partition(b"Content-Type")[0].partition(b"Content-Length")[0]
    + (HEADERS + f"Content-Length: {len(BODY)}\r\n\r\n" + BODY).encode()
)


def multipart():
    other = f"--x\r\nContent-Type: text/plain\r\n\r\n{SECRET}\r\n--x--\r\n"
    body = f"--x\r\nContent-Type: application/sdp\r\n\r\n{BODY}\r\n{other}"
    head = FULL.partition(b"Content-Type")[0]
    return (
        head
        + f"Content-Type: multipart/mixed;boundary=x\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
    )


@pytest.mark.parametrize("text", [FULL, multipart()], ids=["whole", "multipart"])
def test_no_header_and_no_line_lets_a_secret_through(text):
    assert text.count(SECRET.encode()) > 20
    found = pseudonymised(parse_message(text), Pseudonyms(KEY, {5060}), shipped_names())
    for secret in (SECRET, "4711", "203.0.113", "34567"):
        assert secret.lower().encode() not in found.lower()
    assert b"User-Agent: Linphone\r\n" in found or b"User-Agent: Linphone/4.1\r\n" in found


@pytest.mark.parametrize(
    ("agent", "left"),
    [
        ("Linphone/4.1 (Anna's phone)", "Linphone/4.1"),
        ("Linphone-Annas-MacBook", "Linphone"),
        ("baresip/192.168.1.5", "baresip"),
        ("baresip 00041341abcd", "baresip"),
        ("Anna Chrome/120.0.6099", "Chrome/120.0.6099"),
        ("Annas Telefon", ""),
        ("", ""),
    ],
)
def test_of_a_program_only_its_name_and_version_stay(agent, left):
    assert agent_alone(agent, shipped_names()) == left


@pytest.mark.parametrize(
    ("text", "left"),
    [("3.20.5", "3.20.5"), ("5.0-rc1", "5.0"), ("10.1.2.3", ""), ("00041341abcd", ""), ("493012345", "")],
)
def test_a_version_is_no_address_and_no_number(text, left):
    assert version_alone(text) == left
