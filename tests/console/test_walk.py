"""From the link to the packets of a call: what somebody does who sees the console for the first time."""

from pathlib import Path

import pytest
from console_browser import CHROMIUM, opened
from console_visitor import add_unknown

from callprint.cli import main
from callprint.console.call_ids import CallIds
from callprint.stores import CallQuery, open_store

SAMPLE = Path(__file__).resolve().parents[2] / "samples" / "applications.pcapng"
CALL_ID = "LnsehGSl2D"
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


def test_from_the_link_to_the_packets_of_a_call(chromium, served, store, tmp_path):
    with open_store(str(store)) as opened_store:
        (call,) = opened_store.calls(CallQuery(call_id=CALL_ID))
    page, _ = opened(chromium, served, store)
    page.get_by_role("link", name="Calls", exact=True).click()
    key = CallIds(tmp_path / "console" / "call-ids.key").of(call)
    page.locator(f'td.time a[href="/calls/{key}"]').click()
    mos = page.locator(".tile", has_text="MOS").locator("b").inner_text()
    assert mos == f"{call.caller_mos:.2f} / {call.callee_mos:.2f}"

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
