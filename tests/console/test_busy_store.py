"""Many read a store while it is written: nobody is told that it is locked, and nobody sees half of a batch."""

import asyncio
import threading

import httpx
from console_visitor import Visitor, fill
from verdict_samples import LINPHONE, START_NS, verdict

from callprint.stores import VerdictQuery, open_store

READERS = 20
BATCH = 5
MOST_WRITTEN = 400
PAGES = ("/", "/flows", "/calls", "/desk", "/calls?q=reason~calls")


def test_twenty_readers_beside_a_writer(store, tmp_path):
    visitor = Visitor(store, tmp_path / "console")
    done = threading.Event()
    written = 0

    def write() -> None:
        nonlocal written
        with open_store(str(store)) as opened:
            while not done.is_set() and written < MOST_WRITTEN:
                flows = [
                    LINPHONE._replace(src_port=1_000 + written + i, first_seen_ns=START_NS)
                    for i in range(BATCH)
                ]
                opened.put_verdicts(verdict(flow, "newcomer") for flow in flows)
                written += BATCH

    async def read(client: httpx.AsyncClient, reader: int) -> list[tuple[int, int]]:
        answers = []
        for page in (PAGES[reader % len(PAGES)], "/api/v1/flows?limit=500"):
            answer = await client.get(page)
            found = answer.json()["items"] if page.startswith("/api/v1/flows") else []
            answers.append((answer.status_code, sum(each["application"] == "newcomer" for each in found)))
        return answers

    async def read_all() -> list[list[tuple[int, int]]]:
        transport = httpx.ASGITransport(visitor.app)
        base = "http://127.0.0.1:8383"
        async with httpx.AsyncClient(transport=transport, base_url=base, cookies=visitor.cookies) as client:
            return await asyncio.gather(*(read(client, reader) for reader in range(READERS)))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        answers = [each for of_reader in asyncio.run(read_all()) for each in of_reader]
    finally:
        done.set()
        writer.join()
    assert {status for status, _ in answers} == {200}
    assert all(seen % BATCH == 0 for _, seen in answers)
    with open_store(str(store), create=False) as opened:
        assert len(list(opened.verdicts(VerdictQuery(application="newcomer")))) == written > 0


def test_a_console_warms_up_on_any_store(tmp_path):
    """A store that is gone is said by the pages, not by the start."""
    for path in (fill(tmp_path / "store.sqlite"), tmp_path / "missing.sqlite"):
        visitor = Visitor(path, tmp_path / "console")

        async def start(app=visitor.app) -> list[str]:
            asked = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])
            said = []

            async def receive() -> dict[str, str]:
                await asyncio.sleep(0.05)
                return next(asked)

            async def send(message: dict[str, str]) -> None:
                said.append(message["type"])

            await app({"type": "lifespan"}, receive, send)
            return said

        assert asyncio.run(start()) == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
