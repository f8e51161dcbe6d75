"""The console in a real Chromium: keys, live rows, hostile names, narrow and wide, dark and light, accessibility.

Pictures of the docs are made here: delete one in docs/pictures/, run this file, look at it, and commit it.
"""

import os
from pathlib import Path

import console_browser
import pytest
from axe_playwright_python.sync_playwright import Axe
from console_browser import CHROMIUM, PICTURES
from console_visitor import HOSTILE, MEASURED, add_judged, fill, fill_busy, fill_hostile
from verdict_samples import JAMI_IPV6, verdict

from callprint.console import agents, shown, watch
from callprint.console.topology import DeadLetterCount, Progress, TopologyState
from callprint.stores import open_store
from capture_agent.metrics import exposition

PACKETS_READ = ("callprint_packets_read_total", "")
AGENT = {
    PACKETS_READ: 0,
    ("callprint_kernel_drops_total", ""): 0,
    ("callprint_flows", ""): 1_204,
    ("callprint_flows_evicted_total", ""): 0,
    ("callprint_records_total", 'state="failed"'): 0,
    ("callprint_records_total", 'state="lost"'): 0,
    ("callprint_records_unconfirmed", ""): 3,
    ("callprint_connected", ""): 1,
}
FLOW_PICTURE = {"x": 0, "y": 0, "width": 1280, "height": 1190}
PAGES = ("/", "/flows", "/calls", "/desk", "/desk/report", "/models", "/people")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium (Debian package chromium)"),
]


@pytest.fixture(autouse=True)
def patience(monkeypatch):
    """The first page waits for the health of flows, so that pictures and checks have it."""
    monkeypatch.setattr(watch, "PATIENCE_S", 20.0)


class AtWork:
    """A topology that is a little behind, as values: no Kafka runs beside a browser."""

    def ask(self):
        """Return what Kafka would say."""
        read = (
            Progress("media", 212, 0, True),
            Progress("signaling", 3, 0, True),
            Progress("feedback", 0, 0, True),
        )
        return TopologyState(read, DeadLetterCount("dead-letters", 2, 0))


def opened(chromium, served, store: Path, agents=("http://127.0.0.1:1/metrics",), kafka=(), **options):
    """Return a page that has come in, and the address of a console that asks agents."""
    return console_browser.opened(chromium, served, store, options, agents=agents, kafka=kafka)


def filled(path: Path) -> Path:
    """Fill a store, also with a flow that can be explained."""
    add_judged(fill(path))
    return path


def all_pages(page, base) -> list[str]:
    """Return the addresses of all kinds of pages, of a flow and a call among them."""
    found = list(PAGES)
    for name in ("/flows", "/flows?q=application=unknown", "/calls", f"/calls?q={MEASURED}"):
        page.goto(base + name)
        link = page.locator("td.time a")
        if link.count():
            found.append(link.first.get_attribute("href"))
    return found


@pytest.mark.parametrize("kind", ["empty", "filled", "hostile"])
def test_pages_are_accessible_and_run_no_foreign_script(chromium, served, tmp_path, kind):
    store = tmp_path / "store.sqlite"
    {"empty": lambda path: open_store(str(path)).close(), "filled": filled, "hostile": fill_hostile}[kind](
        store
    )
    page, base = opened(chromium, served, store)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        for path in all_pages(page, base):
            page.goto(base + path)
            assert page.title() != "owned"
            found = Axe().run(page)
            assert found.violations_count == 0, f"{path} {scheme}: {found.generate_report()}"
    assert page.problems == []
    if kind == "hostile":
        page.goto(f"{base}/flows")
        assert HOSTILE[:20] in page.locator("tbody").inner_text()


@pytest.mark.parametrize("width", [360, 768, 1600])
def test_no_page_is_wider_than_the_window(chromium, served, tmp_path, width):
    page, base = opened(
        chromium, served, filled(tmp_path / "s.sqlite"), viewport={"width": width, "height": 800}
    )
    for path in all_pages(page, base):
        page.goto(base + path)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path


def test_the_desk_by_keyboard_alone(chromium, served, tmp_path):
    store = fill(tmp_path / "store.sqlite")
    page, _ = opened(chromium, served, store)
    page.keyboard.press("g")
    page.keyboard.press("d")
    page.wait_for_url("**/desk")
    assert page.locator("tbody tr[data-key]").count() == 2
    page.keyboard.press("j")
    with page.expect_navigation():
        page.keyboard.press("w")
    assert "To be watched: 1." in page.locator("[role=status]").inner_text()
    assert page.locator("tbody tr[data-key]").count() == 2
    page.keyboard.press("j")
    with page.expect_navigation():
        page.keyboard.press("s")
    assert "Noted as spam: 1." in page.locator("[role=status]").inner_text()
    assert page.locator("tbody tr[data-key]").count() == 1
    page.keyboard.press("j")
    page.keyboard.press("x")
    with page.expect_navigation():
        page.keyboard.press("n")
    with open_store(str(store)) as opened_store:
        assert sorted((vote.caller, vote.spam) for vote in opened_store.votes()) == [
            ("+493055500", True),
            ("+493055501", False),
        ]
    page.keyboard.press("g")
    page.keyboard.press("c")
    page.wait_for_url("**/calls")
    page.keyboard.press("/")
    page.keyboard.type("spam=yes")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    assert page.locator("tbody tr[data-key]").count() == 6
    page.keyboard.press("Escape")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement !== document.body")


def test_a_new_row_appears_within_two_seconds(chromium, served, tmp_path):
    store = fill(tmp_path / "store.sqlite")
    page, base = opened(chromium, served, store)
    page.goto(f"{base}/flows")
    page.wait_for_selector("#live-state.on")
    with open_store(str(store)) as opened_store:
        opened_store.put_verdicts([verdict(JAMI_IPV6._replace(src_port=1), "brand-new")])
    page.wait_for_selector("tr.new :text('brand-new')", timeout=2_000 * int(os.environ.get("SLOWNESS", "3")))
    assert page.problems == []


def test_everything_works_without_scripts(chromium, served, tmp_path):
    page, base = opened(chromium, served, fill(tmp_path / "store.sqlite"), java_script_enabled=False)
    page.goto(f"{base}/desk")
    page.locator("tbody input[type=checkbox]").first.check()
    page.get_by_role("button", name="Not spam").click()
    assert "Noted as not spam: 1." in page.locator("[role=status]").inner_text()
    page.get_by_role("link", name="Flows").click()
    page.fill("#q", "codec=PCMA")
    page.get_by_role("button", name="Search").click()
    assert page.locator("tbody tr[data-key]").count() == 1


def test_pictures_of_the_docs(chromium, served, tmp_path, monkeypatch):
    monkeypatch.setattr(
        agents, "fetch", lambda url: exposition(AGENT | {PACKETS_READ: 10_000_000 + len(url)})
    )
    monkeypatch.setattr(watch, "topology_of", lambda _: AtWork())
    store = fill_busy(tmp_path / "store.sqlite")
    flow = f"/flows/{shown.flow_id(add_judged(store))}"
    urls = ("http://agent1:9100/metrics", "http://agent-west:9100/metrics")
    page, base = opened(chromium, served, store, urls, kafka=("kafka1:9092",))
    page.goto(f"{base}/calls?q={MEASURED}")
    call = page.locator("td.time a").first.get_attribute("href")
    for name, path in (("now", "/"), ("desk", "/desk"), ("call", call), ("flow", flow)):
        picture = PICTURES / f"console-{name}.png"
        page.goto(base + path)
        if not picture.exists():
            page.screenshot(
                path=picture, full_page=name == "flow", clip=FLOW_PICTURE if name == "flow" else None
            )
        assert 5_000 < picture.stat().st_size < 250_000
    picture = PICTURES / "console-quality.png"
    if not picture.exists():
        page.goto(base + flow)
        page.locator("section.card", has_text="Quality over time").screenshot(path=picture)
    assert 2_000 < picture.stat().st_size < 100_000
