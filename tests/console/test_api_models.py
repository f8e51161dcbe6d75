"""The REST interface of unknown flows, training and drift."""

import time

import pytest
from console_visitor import Visitor, add_unknown, fill, write_strangers

from callprint.console.sessions import Role
from callprint.console.users import Users


@pytest.fixture
def robot(tmp_path):
    users = Users(tmp_path / "console" / "users.json")
    options = {"enter": False, "placed": tmp_path / "networks.json"}
    visitor = Visitor(add_unknown(fill(tmp_path / "store.sqlite")), tmp_path / "console", **options)
    visitor.header = {"Authorization": f"Bearer {users.set_token('robot', Role.ANALYST)}"}
    visitor.viewer = {"Authorization": f"Bearer {users.set_token('eve', Role.VIEWER)}"}
    return visitor


def asked(robot, path: str, **body: object):
    how = {"json": body} if body else {}
    return robot.send("POST" if body else "GET", f"/api/v1/{path}", headers=robot.header, **how)


def ready(robot, path: str) -> dict:
    until = time.monotonic() + 120
    while (found := asked(robot, path).json())["state"] != "ready" and time.monotonic() < until:
        time.sleep(0.1)
    return found


def test_clusters_are_listed_named_split_and_merged(robot):
    assert asked(robot, "unknowns").json()["state"] == "clustering"
    found = ready(robot, "unknowns")
    assert found["flows"] == 27
    assert [each["flows"] for each in found["clusters"]] == [9, 9, 9]
    first, second, third = (each["cluster"] for each in found["clusters"])
    flows = asked(robot, f"unknowns/flows?cluster={first}").json()
    assert len(flows) == 9
    assert {each["cluster"] for each in flows} == {first}
    assert len(asked(robot, "unknowns/flows?limit=5").json()) == 5
    assert (
        len(asked(robot, "unknowns/clusters", kind="merge", clusters=[first, second]).json()["clusters"]) == 2
    )
    assert asked(robot, "unknowns/clusters", kind="undo").json()["clusters"] == [first, second, third]
    assert len(asked(robot, "unknowns/clusters", kind="split", clusters=[first]).json()["clusters"]) == 4
    assert asked(robot, "unknowns/clusters", kind="split", clusters=["none"]).status_code == 409
    assert asked(robot, "unknowns/names", application="zoiper", clusters=[third]).json() == {"named": 9}
    assert asked(robot, "unknowns/names", application="bria", flows=[flows[0]["flow"]]).json() == {"named": 1}
    assert asked(robot, "unknowns").json()["named"] == {"bria": 1, "zoiper": 9}
    assert asked(robot, "unknowns/names", application="../x", clusters=[second]).status_code == 400


def test_training_and_drift_say_where_they_stand(robot):
    found = asked(robot, "training").json()
    assert (found["state"], found["in_place"]) == ("none", "compact 6")
    assert asked(robot, "training", kind="start").status_code == 409  # no dataset
    write_strangers(robot.settings.named)
    assert asked(robot, "training", kind="stop").status_code == 409
    models = ready(robot, "drift")["models"]
    assert any(each["name"] == "compact 6" for each in models)


def test_viewers_and_pages_of_others_change_nothing(robot):
    for path, body in (
        ("unknowns/names", {"application": "x", "clusters": ["a"]}),
        ("unknowns/clusters", {"kind": "renew"}),
        ("training", {"kind": "roll-back"}),
    ):
        answer = robot.send("POST", f"/api/v1/{path}", headers=robot.viewer, json=body)
        assert answer.status_code == 403
        elsewhere = {**robot.header, "Origin": "https://evil.example"}
        assert robot.send("POST", f"/api/v1/{path}", headers=elsewhere, json=body).status_code == 403
