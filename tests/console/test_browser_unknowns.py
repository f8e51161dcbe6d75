"""The pages of unknown flows and of training in a real Chromium.

Pictures of the docs are made here as in test_browser.py.
"""

import pytest
from axe_playwright_python.sync_playwright import Axe
from console_browser import CHROMIUM, PICTURES, opened
from console_visitor import fill_unknown

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
