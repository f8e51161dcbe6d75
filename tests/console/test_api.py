"""The REST interface: as its OpenAPI document says, whatever it is asked."""

import asyncio
import json

import pytest
import schemathesis
from console_visitor import Visitor, add_judged, fill
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from verdict_samples import JAMI_IPV6, LINPHONE, verdict

from callprint.console import pages_now, shown
from callprint.console.sessions import Role
from callprint.console.site import Site
from callprint.console.store_pool import StorePool
from callprint.console.users import Users
from callprint.stores import open_store


@pytest.fixture(scope="module")
def robot(tmp_path_factory):
    folder = tmp_path_factory.mktemp("api")
    token = Users(folder / "console" / "users.json").set_token("robot", Role.ANALYST)
    visitor = Visitor(fill(folder / "store.sqlite"), folder / "console", enter=False)
    visitor.header = {"Authorization": f"Bearer {token}"}
    return visitor


@pytest.fixture(scope="module")
def document(robot):
    return robot.get("/api/v1/openapi.json", headers=robot.header).json()


OPERATIONS = (
    *(("/api/v1/flows", "GET"), ("/api/v1/flows/{key}", "GET"), ("/api/v1/calls", "GET")),
    *(("/api/v1/calls/{key}", "GET"), ("/api/v1/activity", "GET"), ("/api/v1/votes", "GET")),
    *(("/api/v1/health", "GET"), ("/api/v1/calls/{key}/messages", "GET")),
    *(("/api/v1/flows/{key}/why", "GET"), ("/api/v1/flows/{key}/quality", "GET")),
    *(("/api/v1/votes", "POST"), ("/api/v1/allowed", "GET"), ("/api/v1/models", "GET")),
    *(("/api/v1/unknowns", "GET"), ("/api/v1/unknowns/flows", "GET"), ("/api/v1/unknowns/names", "POST")),
    *(("/api/v1/unknowns/clusters", "POST"), ("/api/v1/training", "GET"), ("/api/v1/training", "POST")),
    ("/api/v1/drift", "GET"),
)


def test_the_document_has_these_operations(document):
    found = {(path, method.upper()) for path, methods in document["paths"].items() for method in methods}
    assert found == set(OPERATIONS)


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
@given(data=st.data())
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_answer_is_as_the_document_says(robot, document, path, method, data):
    operation = schemathesis.openapi.from_dict(document)[path][method]
    case = data.draw(operation.as_strategy())
    asked = case.as_transport_kwargs(base_url="http://127.0.0.1:8383")
    asked.pop("cookies", None)
    headers = {**dict(asked.pop("headers", None) or {}), **robot.header}
    answer = robot.send(asked.pop("method"), asked.pop("url"), headers=headers, **asked)
    known = document["paths"][path][method.lower()]["responses"]
    assert str(answer.status_code) in {
        *known,
        "404",
        "405",
        "422",
        "429",
    }  # the path may have a slash too many
    if answer.status_code == 200 and str(answer.request.url.path).startswith("/api/v1"):
        Draft202012Validator(known["200"]["content"]["application/json"]["schema"]).validate(answer.json())


def test_flows_and_calls_are_the_objects_of_json(robot):
    flows = robot.get("/api/v1/flows?q=application=jami", headers=robot.header).json()
    assert [flow["application"] for flow in flows["items"]] == ["jami"]
    one = robot.get(f"/api/v1/flows/{flows['items'][0]['id']}", headers=robot.header).json()
    assert one == flows["items"][0]
    calls = robot.get("/api/v1/calls?limit=2", headers=robot.header).json()
    assert len(calls["items"]) == 2
    rest = robot.get(f"/api/v1/calls?after={calls['next']}", headers=robot.header).json()
    assert len(rest["items"]) == 5
    assert rest["next"] is None


def test_a_flow_explained_and_its_quality(tmp_path):
    store = fill(tmp_path / "store.sqlite")
    path = f"/api/v1/flows/{shown.flow_id(add_judged(store))}"
    visitor = Visitor(store, tmp_path / "console")
    why = visitor.get(f"{path}/why").json()
    assert sum(why["probabilities"].values()) == pytest.approx(1.0, abs=1e-4)
    assert len(why["groups"]) == 12
    assert [each["lost"] for each in visitor.get(f"{path}/quality").json()] == [0, 0, 3, 41, 60, 12, 0, 1, 0]
    other = f"/api/v1/flows/{shown.flow_id(LINPHONE)}"
    assert visitor.get(f"{other}/why").json()["problem"] == "Its packets are not kept."
    assert visitor.get(f"{other}/quality").json() == []
    assert visitor.get("/api/v1/flows/x/why").status_code == 404


def test_activity_counts(robot):
    found = robot.get("/api/v1/activity?range=7d", headers=robot.header).json()
    assert sum(sum(counts.values()) for counts in found["calls"].values()) == 7
    json.dumps(found)


def test_a_browser_needs_the_token_of_its_pages(store, tmp_path):
    visitor = Visitor(store, tmp_path / "console")
    call = visitor.get("/api/v1/calls?q=spam=yes").json()["items"][0]["id"]
    body = {"calls": [call], "kind": "spam"}
    assert visitor.send("POST", "/api/v1/votes", json=body).status_code == 403
    header = {"X-CSRF-Token": visitor.csrf()}
    assert visitor.send("POST", "/api/v1/votes", json=body, headers=header).status_code == 200
    assert [vote["spam"] for vote in visitor.get("/api/v1/votes").json()] == [True]


def test_the_stream_says_when_something_is_new(store, tmp_path):
    class Connected:
        async def is_disconnected(self) -> bool:
            return False

    async def first_event() -> str:
        pool = StorePool(f"sqlite:{store}")
        site = Site(None, pool, None, None, None, None)
        stream = pages_now.changes(site, Connected())
        assert (await anext(stream)).startswith("retry")
        with open_store(str(store)) as opened:
            opened.put_verdicts([verdict(JAMI_IPV6, "new")])
        event = await asyncio.wait_for(anext(stream), 2.0)
        await stream.aclose()
        pool.close()
        return event

    assert "event: change" in asyncio.run(first_event())
