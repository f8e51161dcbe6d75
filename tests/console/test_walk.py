"""From the link to the packets of a call: what somebody does who sees the console for the first time."""

import shutil
import subprocess
from pathlib import Path

import g107
import pytest
from console_browser import CHROMIUM, opened
from console_visitor import add_unknown

from callprint.cli import main
from callprint.console.call_ids import CallIds
from callprint.console.shown import flow_id
from callprint.stores import CallQuery, open_store

SAMPLE = Path(__file__).resolve().parents[2] / "samples" / "applications.pcapng"
CALL_ID = "LnsehGSl2D"
TSHARK = shutil.which("tshark")
PCAPNG = b"\x0a\x0d\x0d\x0a"
WAIT_MS = 120_000  # the first clustering may compile

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium (Debian package chromium)"),
]


@pytest.fixture
def store(tmp_path):
    """The sample's calls with their packets, and flows that no network names."""
    path = tmp_path / "sample.sqlite"
    line = ["identify", "--quiet", "--keep-unknown", "--keep-calls", "all", "--store", str(path), str(SAMPLE)]
    assert main(line) == 0
    return add_unknown(path, hostile=False)


def votes(store) -> list[tuple[str, bool]]:
    with open_store(str(store)) as opened_store:
        return [(each.caller, each.spam) for each in opened_store.votes()]


def confirmed_by_tshark(capture, flows, shown_mos):
    """Loss and jitter are those of tshark's RTP streams, and MOS is what G.107 gives for that loss."""
    streams = rtp_streams(capture)
    for flow, shown in zip(flows, shown_mos, strict=True):
        packets, lost, least, mean, most = streams[flow["src_ip"], flow["src_port"]]
        assert (flow["packets"], flow["lost"]) == (packets, lost)
        jitters = [flow[f"jitter_{name}_ms"] for name in ("min", "mean", "max")]
        assert jitters == pytest.approx([least, mean, most], abs=0.001)
        assert flow["announced_codec"] == "PCMU"
        # One packet, the jitter buffer, and half the round trip that RTCP shows; one lost packet is no burst.
        delay_ms = flow["packet_ms"] + 60 + flow["round_trip_ms"] / 2
        r = g107.r_factor(100 * lost / (packets + lost), delay_ms, ie=0, bpl=25.1)
        assert shown == pytest.approx(g107.mos(r), abs=0.006)  # two decimals


def rtp_streams(capture) -> dict[tuple[str, int], tuple[float, ...]]:
    """By sender: packets, lost, and the least, mean and greatest jitter in ms, as `tshark -z rtp,streams` has them."""
    if TSHARK is None:
        pytest.skip("there is no tshark (Debian package tshark)")
    command = [TSHARK, "-r", str(capture), "-q", "-o", "rtp.heuristic_rtp:TRUE", "-z", "rtp,streams"]
    table = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = {}
    for line in table.splitlines():
        words = line.replace("(", " ").split()
        if len(words) > 16 and words[6].startswith("0x"):
            jitter = map(float, words[14:17])
            found[words[2], int(words[3])] = int(words[8]), int(words[9]), *jitter
    return found


def test_from_the_link_to_the_packets_of_a_call(chromium, served, store, tmp_path):
    with open_store(str(store)) as opened_store:
        (call,) = opened_store.calls(CallQuery(call_id=CALL_ID))
    page, base = opened(chromium, served, store)
    page.get_by_role("link", name="Calls", exact=True).click()
    key = CallIds(tmp_path / "console" / "call-ids.key").of(call)
    page.locator(f'td.time a[href="/calls/{key}"]').click()
    mos = page.locator(".tile", has_text="MOS").locator("b").inner_text()
    assert mos == f"{call.caller_mos:.2f} / {call.callee_mos:.2f}"
    shown_mos = [float(each) for each in mos.split("/")]
    flows = [
        page.request.get(f"{base}/api/v1/flows/{flow_id(key)}").json()
        for key in (*call.caller_flows, *call.callee_flows)
    ]

    page.get_by_role("button", name="Spam", exact=False).first.click()
    assert [spam for _, spam in votes(store)] == [True]
    page.get_by_role("button", name="Take my vote back").click()
    page.get_by_role("button", name="Watch").click()
    assert "watch" in page.locator("section", has_text="Votes on this caller").last.inner_text().lower()

    for name, link in (("call.pcapng", "the packets"), ("evidence.pcapng", "evidence")):
        with page.expect_download() as download:
            page.get_by_role("link", name=link, exact=True).click()
        assert download.value.suggested_filename == name
        assert download.value.path().read_bytes().startswith(PCAPNG)
        if name == "call.pcapng":
            confirmed_by_tshark(download.value.path(), flows, shown_mos)
    page.get_by_role("link", name="its messages").click()
    said = page.locator("tbody").inner_text()
    assert said.index("INVITE") < said.index("200 OK") < said.index("ACK")

    page.get_by_role("link", name="Unknowns").click()
    page.wait_for_selector('input[name="cluster"]', timeout=WAIT_MS)
    page.locator('input[name="cluster"]').first.check()
    page.get_by_label("Application").first.fill("zoiper")
    page.get_by_role("button", name="Name the chosen").first.click()
    assert "training data for zoiper" in page.locator("[role=status]").inner_text()
    assert page.problems == []
