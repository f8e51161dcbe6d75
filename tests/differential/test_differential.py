"""Some captures by others: what tshark and a literal RFC 3550 reader count, callprint counts; the rest has a reason."""

import shutil

import pytest
from differential.compare import captures, compare

PECULIAR = (
    *("FAX-Call-t38-CA-TDM-SIP-FB-1.pcap", "skinny.pcap", "wa_voice.pcap", "zoom_p2p.pcapng"),
    *("stun_dtls_rtp_unidir.pcapng", "fuzz-2006-06-26-2594.pcap"),
)
EVERY = 150


@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
def test_a_sample_differs_from_tshark_only_where_a_rule_says_why(public_corpus):
    folder = public_corpus / "ntop+nDPI/tests/cfgs/default/pcap"
    files = [*captures(public_corpus, EVERY), *(folder / name for name in PECULIAR)]
    results = [compare(file, public_corpus) for file in files]
    assert sum(result.compared["packets"] for result in results) > 10
    assert [one for result in results for one in result.differences if one.reason is None] == []
    assert {one.reason for result in results for one in result.differences}, "the peculiar ones do differ"
