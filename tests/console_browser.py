"""The console served on a port, and a real Chromium that visits it."""

import asyncio
import shutil
import socket
import threading
import time
from pathlib import Path

import pytest

CHROMIUM = shutil.which("chromium")
PICTURES = Path(__file__).parents[1] / "docs" / "pictures"


@pytest.fixture(scope="module")
def chromium():
    """Start a browser; it ends with the module."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - other tests do without

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def served(tmp_path):
    """Serve stores; ends with the test."""
    import uvicorn  # noqa: PLC0415 - other tests do without

    from callprint.console.app import make_app  # noqa: PLC0415
    from callprint.console.sessions import Sessions  # noqa: PLC0415
    from callprint.console.settings import ConsoleSettings  # noqa: PLC0415

    servers = []

    def serve(store: Path, **settings: object) -> tuple[str, str]:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        sessions = Sessions()
        chosen = ConsoleSettings(
            f"sqlite:{store}", folder=tmp_path / "console", named=tmp_path / "named", **settings
        )
        app = make_app(chosen, sessions)
        config = uvicorn.Config(app, port=port, log_level="error", timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=asyncio.run, args=(server.serve(),), daemon=True)
        thread.start()
        servers.append((server, thread))
        until = time.monotonic() + 20
        while not server.started and time.monotonic() < until:
            time.sleep(0.05)
        return f"http://127.0.0.1:{port}", sessions.make_link()

    yield serve
    for server, thread in servers:
        server.should_exit = True
        thread.join(5)


def opened(chromium, served, store: Path, browser=None, **settings):
    """Return a page that has come in, and the address of the console; `browser`: options of its context."""
    base, key = served(store, **settings)
    page = chromium.new_context(**{"viewport": {"width": 1280, "height": 860}, **(browser or {})}).new_page()
    page.problems = []
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    page.on("console", lambda said: page.problems.append(said.text) if said.type == "error" else None)
    page.goto(f"{base}/enter?key={key}")
    return page, base
