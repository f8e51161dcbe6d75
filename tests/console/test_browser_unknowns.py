"""The pages of unknown flows and of training in a real Chromium.

Pictures of the docs are made here as in test_browser.py.
"""

import sys

import console_training
import pytest
from axe_playwright_python.sync_playwright import Axe
from console_browser import CHROMIUM, PICTURES, opened
from console_visitor import fill, fill_unknown, write_strangers
from verdict_samples import LINPHONE, verdict

from callprint.console import training_runs
from callprint.stores import open_store

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium (Debian package chromium)"),
]
WAIT_MS = 120_000  # the first clustering may compile


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return fill_unknown(tmp_path_factory.mktemp("unknown") / "store.sqlite")


def test_clusters_appear_by_themselves_and_get_a_name(chromium, served, store):
    page, base = opened(chromium, served, store)
    page.goto(f"{base}/unknowns")
    assert "Clustering 29 flows…" in page.locator("main").inner_text()
    page.wait_for_selector("text=27 flows, 3 clusters", timeout=WAIT_MS)
    boxes = page.locator('input[name="cluster"]')
    boxes.nth(0).check()
    boxes.nth(1).check()
    page.get_by_role("button", name="Merge the chosen").click()
    assert page.locator('input[name="cluster"]').count() == 2
    page.get_by_role("button", name="Take the last split or merge back").click()
    assert page.locator('input[name="cluster"]').count() == 3
    page.locator('input[name="cluster"]').first.check()
    page.get_by_label("Application").first.fill("zoiper")
    page.get_by_role("button", name="Name the chosen").first.click()
    assert "training data for zoiper: 9." in page.locator("[role=status]").inner_text()
    assert page.locator('input[name="cluster"]').count() == 2
    assert page.problems == []


def test_the_pages_are_accessible_narrow_and_wide(chromium, served, store):
    page, base = opened(chromium, served, store)
    page.goto(f"{base}/unknowns")
    page.wait_for_selector("text=27 flows, 3 clusters", timeout=WAIT_MS)
    clusters = page.locator('td a[href^="/unknowns/clusters/"]')
    paths = ["/unknowns", *(clusters.nth(i).get_attribute("href") for i in range(3))]
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        for path in paths:
            page.goto(base + path)
            assert page.title() != "owned"
            found = Axe().run(page)
            assert found.violations_count == 0, f"{path} {scheme}: {found.generate_report()}"
    for width in (360, 768, 1600):
        page.set_viewport_size({"width": width, "height": 800})
        for path in paths:
            page.goto(base + path)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, path
    assert page.problems == []


def test_pictures_of_the_docs(chromium, served, tmp_path):
    page, base = opened(chromium, served, fill_unknown(tmp_path / "calm.sqlite", hostile=False))
    page.goto(f"{base}/unknowns")
    page.wait_for_selector("text=27 flows, 3 clusters", timeout=WAIT_MS)
    picture = PICTURES / "console-unknowns.png"
    page.goto(f"{base}/unknowns")
    if not picture.exists():
        page.screenshot(path=picture)
    assert 5_000 < picture.stat().st_size < 250_000


def test_training_is_followed_live_and_its_page_is_accessible(chromium, served, tmp_path, monkeypatch):
    monkeypatch.setattr(training_runs, "TRAIN", (sys.executable, console_training.__file__))
    write_strangers(tmp_path / "named")
    settings = {
        "placed": tmp_path / "networks.json",
        "train_with": write_strangers(tmp_path / "calls", "dataset2"),
    }
    page, base = opened(chromium, served, fill(tmp_path / "store.sqlite"), **settings)
    page.goto(f"{base}/training")
    checked(page)
    page.get_by_label("Rounds").fill("3")
    page.get_by_role("button", name="Train", exact=True).click()
    page.wait_for_selector("text=round 2 of 3", timeout=WAIT_MS)
    checked(page)
    picture = PICTURES / "console-training.png"
    if not picture.exists():
        page.set_viewport_size({"width": 1280, "height": 560})
        page.emulate_media(color_scheme="light")
        page.screenshot(path=picture)
    assert 5_000 < picture.stat().st_size < 250_000
    folder = tmp_path / "console" / "training"
    page.get_by_role("button", name="Stop").click()
    page.wait_for_selector("text=goes on from there", timeout=WAIT_MS)
    checked(page)
    for name in ("go", "fail"):
        (folder / name).touch()
    page.get_by_role("button", name="Go on").click()
    page.wait_for_selector("text=Its last words", timeout=WAIT_MS)
    checked(page)
    (folder / "fail").unlink()
    page.get_by_role("button", name="Try again").click()
    page.get_by_role("button", name="Put it in place").click(timeout=WAIT_MS)
    assert "is in place" in page.locator("[role=status]").inner_text()
    checked(page)
    page.get_by_role("button", name="Roll back").click()
    assert "compact" in page.locator("main").inner_text()
    assert page.problems == []


def test_drift_appears_by_itself_and_is_accessible(chromium, served, tmp_path):
    store = fill(tmp_path / "store.sqlite")
    flows = [LINPHONE._replace(src_port=i) for i in range(60)]
    with open_store(str(store)) as filled:
        filled.put_verdicts([verdict(flow, "linphone", k=100, model="compact 6") for flow in flows])
    page, base = opened(chromium, served, store, placed=tmp_path / "networks.json")
    page.goto(f"{base}/models")
    page.wait_for_selector("text=Divergence", timeout=WAIT_MS)
    checked(page)
    assert page.problems == []


def checked(page) -> None:
    """Look at a page as it is: accessible in both schemes, not wider than any window, no foreign script."""
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        found = Axe().run(page)
        assert found.violations_count == 0, f"{scheme}: {found.generate_report()}"
    for width in (360, 768, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert "owned" not in page.title()
