"""What agents report: read from a real agent's text, bounded, and hostile answers do no harm."""

import http.server
import threading
import time

import pytest
from console_visitor import HOSTILE, Visitor
from hypothesis import given
from hypothesis import strategies as st

from callprint.console import agents, watch
from callprint.console.agents import Agents, fetch, parse
from capture_agent.metrics import exposition

VALUES = {
    ("callprint_packets_read_total", ""): 1_000,
    ("callprint_kernel_drops_total", ""): 3,
    ("callprint_flows", ""): 7,
    ("callprint_flows_evicted_total", ""): 0,
    ("callprint_records_total", 'state="sent"'): 9,
    ("callprint_records_total", 'state="failed"'): 1,
    ("callprint_records_total", 'state="lost"'): 2,
    ("callprint_records_unconfirmed", ""): 4,
    ("callprint_spool_records", ""): 5,
    ("callprint_connected", ""): 1,
}


def test_the_counters_of_an_agent_are_read():
    found = parse("x", exposition(VALUES))
    assert found == ("x", "", 1_000, 3, 7, 0, 3, 9, 1)
    assert found.bad


@given(
    st.text()
    | st.lists(st.sampled_from([*exposition(VALUES).splitlines(), "callprint_flows nan"])).map("\n".join)
)
def test_any_text_gives_numbers_or_says_why_not(text):
    found = parse("x", text)
    assert bool(found.problem) != any(value is not None for value in found[2:]) or not found.problem


def serve(answer):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            answer(self)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_address[1]}/metrics"


def endless(handler):
    handler.send_response(200)
    handler.end_headers()
    try:
        for _ in range(10_000):
            handler.wfile.write(b"callprint_flows 1\n" * 1_000)
    except OSError:
        pass


def elsewhere(handler):
    handler.send_response(302)
    handler.send_header("Location", "file:///etc/passwd")
    handler.end_headers()


@pytest.mark.parametrize("answer", [endless, elsewhere])
def test_an_agent_that_misbehaves_is_a_problem(answer):
    (found,) = Agents([serve(answer)]).ask()
    assert found.problem.startswith("no answer")


def test_an_agent_that_does_not_end_its_answer_is_asked_once(monkeypatch):
    monkeypatch.setattr(agents, "ALTOGETHER_S", 0.05)
    asked = []

    def never(url):
        asked.append(url)
        time.sleep(0.5)
        return ""

    them = Agents(["a"], never)
    assert [each.problem for _ in range(3) for each in them.ask()] == ["no answer in 0.05 s"] * 3
    assert asked == ["a"]


def test_nobody_there():
    (found,) = Agents(["http://127.0.0.1:1/metrics"]).ask()
    assert "no answer" in found.problem
    with pytest.raises(OSError, match="refused"):
        fetch("http://127.0.0.1:1/metrics")


def test_the_page_shows_agents(store, tmp_path, monkeypatch):
    monkeypatch.setattr(watch, "PATIENCE_S", 30.0)

    def good(handler):
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(exposition(VALUES).encode())

    urls = (serve(good), f"http://127.0.0.1:1/{HOSTILE}")
    visitor = Visitor(store, tmp_path / "console", agents=urls)
    text = visitor.get("/").text
    assert "Capture agents" in text
    assert "the kernel dropped 3 packets" in text
    assert "1,000" in text
    assert "<img src=x" not in text
    assert {each["kind"] for each in visitor.get("/api/v1/health").json()["alarms"]} == {"agent"}
