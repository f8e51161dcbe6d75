"""The console as a process of its own: killed and started again, on a store that another process fills."""

import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from console_browser import CHROMIUM
from console_visitor import fill

from callprint.stores import CallQuery, VerdictQuery, open_store

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "samples" / "applications.pcapng"
LIVE_S = 2.0
COMMAND = [sys.executable, "-m", "callprint"]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium (Debian package chromium)"),
]


@pytest.fixture(scope="module")
def port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@contextmanager
def console(store: Path, folder: Path, port: int):
    """Run `callprint console`; give the process and the link that it prints."""
    command = [*COMMAND, "console", "--store", str(store), "--port", str(port), "--folder", str(folder)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    said = ""
    try:
        while link := process.stdout.readline():
            said += link
            if found := re.search(r"http://\S+", link):
                _wait_for(port)
                yield process, found[0]
                return
        pytest.fail(f"the console did not start: {said}")
    finally:
        process.kill()
        process.communicate()


def _wait_for(port: int) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        with socket.socket() as tried:
            if tried.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    pytest.fail("the console does not listen")


def test_a_console_that_was_killed_starts_again_on_a_whole_store(chromium, tmp_path, port):
    store = fill(tmp_path / "store.sqlite")
    base = f"http://127.0.0.1:{port}"
    page = chromium.new_context().new_page()
    with console(store, tmp_path / "console", port) as (process, link):
        page.goto(link)
        page.goto(f"{base}/desk")
        page.keyboard.press("j")
        with page.expect_navigation():
            page.keyboard.press("s")
        page.get_by_text("Noted as spam: 1.").wait_for()
        process.send_signal(signal.SIGKILL)
        process.wait()
    with closing(sqlite3.connect(store)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    with console(store, tmp_path / "console", port) as (_, link):
        page.goto(f"{base}/desk")
        assert page.url.startswith(f"{base}/login")  # sessions ended with the process
        page.goto(link)
        page.goto(f"{base}/desk?settled=1")
        page.get_by_text("local").first.wait_for()  # who voted
    with open_store(str(store), create=False) as opened:
        assert [vote.spam for vote in opened.votes()] == [True]
        assert len(list(opened.verdicts(VerdictQuery()))) == 4
        assert len(list(opened.calls(CallQuery()))) == 7


def test_rows_of_a_running_identify_are_there_within_two_seconds(chromium, tmp_path, port):
    store = tmp_path / "store.sqlite"
    open_store(str(store)).close()
    with console(store, tmp_path / "console", port) as (_, link):
        page = chromium.new_context().new_page()
        page.goto(link)
        assert page.locator("main").get_by_text("linphone").count() == 0
        page.wait_for_selector("#live-state.on")
        command = [*COMMAND, "identify", str(SAMPLE), "--store", str(store)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr
        with open_store(str(store), create=False) as opened:
            flow = next(opened.verdicts(VerdictQuery(limit=1))).verdict
        began = time.monotonic()
        page.get_by_text(flow.application).first.wait_for(timeout=LIVE_S * 1_000)
        assert time.monotonic() - began < LIVE_S
