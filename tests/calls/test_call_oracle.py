"""A sample of what `tests/call_oracle.py` compares whole: calls of the public and of the reported captures."""

import shutil
from collections import Counter

import pytest
from call_oracle import Message, Outcome, compare, outcomes

SAMPLE = [
    "ntop+nDPI/tests/cfgs/default/pcap/FAX-Call-t38-CA-TDM-SIP-FB-1.pcap",
    "ntop+nDPI/tests/cfgs/default/pcap/sip.pcap",
    "OISF+suricata-verify/tests/sip-sdp/sdp.pcap",
    "irontec+sngrep/tests/ipip.pcap",
    "irontec+sngrep/tests/ipv6frag.pcap",
]
REPORTED = ["01", "01b", "01c", "02", "03", "13", "14", "15", "36"]

tshark = pytest.mark.skipif(
    not shutil.which("tshark") or not shutil.which("mergecap"), reason="tshark is not installed"
)


@tshark
def test_public_calls_ended_as_a_plain_reader_says(public_corpus):
    states, differences = compare([public_corpus / name for name in SAMPLE], public_corpus)
    assert states == Counter(completed=3, failed=4, expired=2)
    assert differences == []


@tshark
def test_reported_calls_ended_as_a_plain_reader_says(world):
    files = [next(world.glob(f"{case}-*.pcap")) for case in REPORTED]
    states, differences = compare(files, world)
    assert states == Counter(completed=len(REPORTED))
    assert differences == []


def test_the_plain_reader_tells_outcomes_apart():
    """The oracle itself, on the shortest calls of each kind."""

    def said(*lines: tuple[str, int, str]) -> Outcome:
        messages = [
            Message(at, at, method, status, "call", 1, "a", tag, ("b-2" if method == "ACK" else "b-1",))
            for at, (method, status, tag) in enumerate([("INVITE", 0, ""), *lines])
        ]
        return outcomes(messages)["call", "a"]

    assert said() == Outcome("expired", None, None, None)
    assert said(("INVITE", 486, "t")) == Outcome("failed", 486, None, 1)
    assert said(("CANCEL", 0, ""), ("INVITE", 487, "t")) == Outcome("cancelled", 487, None, 1)
    assert said(("INVITE", 200, "t"), ("BYE", 0, "t")) == Outcome("completed", 200, 1, 2)
    assert said(("ACK", 0, "t")) == Outcome("expired", None, 1, None)
