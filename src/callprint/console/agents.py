"""What capture agents report of themselves, by their metrics.

An agent is another machine: it gets bounded time, sends bounded bytes, and is asked once if it never ends its answer.
"""

import math
import re
import urllib.request
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, NamedTuple
from urllib.error import URLError

TIMEOUT_S = 2.0  # of silence
ALTOGETHER_S = 4.0
LONGEST = 1 << 20  # bytes
MOST_AGENTS = 64

_LINE = re.compile(r"(callprint_[a-z_]{1,60})(?:\{(.{0,200})\})? (\S{1,30})")


class Agent(NamedTuple):
    """What an agent reports; None where it does not say."""

    url: str
    problem: str = ""  # why there are no numbers
    read: float | None = None  # packets
    kernel_drops: float | None = None
    flows: float | None = None
    evicted: float | None = None
    records_lost: float | None = None  # Kafka records lost, or refused
    waiting: float | None = None  # records on disk and in the client: the agent's lag
    connected: float | None = None  # to Kafka

    @property
    def bad(self) -> bool:
        """Whether somebody should look at it."""
        return bool(self.problem or self.kernel_drops or self.records_lost or self.connected == 0)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None  # an agent has no business to send the console elsewhere


_OPENER = urllib.request.build_opener(_NoRedirect, urllib.request.ProxyHandler({}))


class Agents:
    """Asks agents for their metrics."""

    def __init__(self, urls: Iterable[str], get: "Callable[[str], str] | None" = None) -> None:
        """Ask nobody yet. `get`: returns what an address answers."""
        self._urls = tuple(urls)[:MOST_AGENTS]
        self._get = get or fetch
        self._asked: dict[str, Future[Agent]] = {}
        self._threads = ThreadPoolExecutor(MOST_AGENTS, thread_name_prefix="agent")

    def ask(self) -> list[Agent]:
        """Return what each says, at the latest after ALTOGETHER_S."""
        for url in self._urls:
            if url not in self._asked or self._asked[url].done():
                self._asked[url] = self._threads.submit(_ask, url, self._get)
        wait(self._asked.values(), timeout=ALTOGETHER_S)
        late = f"no answer in {ALTOGETHER_S:g} s"
        return [each.result() if each.done() else Agent(url, late) for url, each in self._asked.items()]


def fetch(url: str) -> str:
    """Return the text of an agent's metrics. Raises OSError or ValueError."""
    with _OPENER.open(url, timeout=TIMEOUT_S) as answer:
        data = answer.read(LONGEST + 1)
    if len(data) > LONGEST:
        raise ValueError(f"more than {LONGEST} bytes")
    return str(data, "utf-8", "replace")


def parse(url: str, text: str) -> Agent:
    """Return what metrics in the Prometheus text format say; lines that are none are passed over."""
    values: dict[tuple[str, str], float] = {}
    for line in text.splitlines():
        found = _LINE.fullmatch(line.strip())
        if found is None:
            continue
        try:
            value = float(found[3])
        except ValueError:
            continue
        if math.isfinite(value):
            values[found[1].removeprefix("callprint_"), found[2] or ""] = value
    if not values:
        return Agent(url, "no counters of a capture agent")

    def total(*keys: tuple[str, str]) -> float | None:
        known = [values[key] for key in keys if key in values]
        return sum(known) if known else None

    return Agent(
        url,
        read=total(("packets_read_total", "")),
        kernel_drops=total(("kernel_drops_total", "")),
        flows=total(("flows", "")),
        evicted=total(("flows_evicted_total", "")),
        records_lost=total(("records_total", 'state="lost"'), ("records_total", 'state="failed"')),
        waiting=total(("records_unconfirmed", ""), ("spool_records", "")),
        connected=total(("connected", "")),
    )


def _ask(url: str, get: Callable[[str], str]) -> Agent:
    try:
        return parse(url, get(url))
    except (OSError, URLError, ValueError) as error:
        return Agent(url, f"no answer: {getattr(error, 'reason', error)}")
    except Exception as error:  # whatever http.client makes of a hostile answer, a page must not end by it
        return Agent(url, f"no answer: {type(error).__name__}")
