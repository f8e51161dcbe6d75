"""Requests that no browser sends: they are refused, and never an error of ours."""

import base64
import json
from dataclasses import replace

import pytest
from console_visitor import Visitor, spam_calls
from verdict_samples import SECOND_NS, START_NS

from callprint.console import shown
from callprint.console.sessions import Role
from callprint.console.users import Users
from callprint.stores import open_store


def key_of(*identity):
    return base64.urlsafe_b64encode(json.dumps(identity).encode()).decode().rstrip("=")


@pytest.mark.parametrize("host", ["[::1", "[bad]", "[127.0.0.1]", "", "127.0.0.1.evil.example", "a:b:c"])
def test_a_host_that_is_none_of_ours_is_refused(visitor, host):
    assert visitor.get("/", headers={"host": host}).status_code == 421


@pytest.mark.parametrize("origin", ["http://[::1", "http://[bad]", "null", "", "//x", "http://evil.example"])
@pytest.mark.parametrize("path", ["/desk/vote", "/login"])
def test_an_origin_that_is_not_ours_is_refused(visitor, path, origin):
    form = {"csrf": visitor.csrf("/desk"), "name": "local", "password": "x"}
    assert visitor.post(path, form, headers={"origin": origin}).status_code == 403


@pytest.mark.parametrize("part", [0, 1])
@pytest.mark.parametrize("form", ["/calls/{}", "/calls/{}/messages", "/api/v1/calls/{}"])
def test_half_a_surrogate_pair_in_a_key_names_no_call(visitor, part, form):
    identity = ["x", "y", 1]
    identity[part] = "\ud800"
    assert visitor.get(form.format(key_of(*identity))).status_code == 404
    assert visitor.get(f"/calls?after={key_of(*identity)}").status_code == 200


@pytest.mark.parametrize(
    "numbers",
    ["-1~b~2~3~4", "65536~b~2~3~4", "1~b~2~99999999999~4", "1~b~2~3~9223372036854775807", "1~b~2~3~-9"],
)
@pytest.mark.parametrize("form", ["/flows/{}", "/flows/{}/k-matrix.png", "/api/v1/flows/{}/why"])
def test_numbers_that_no_flow_has_name_no_flow(visitor, form, numbers):
    assert visitor.get(form.format(f"192.0.2.1~{numbers}")).status_code == 404


@pytest.mark.parametrize("path", ["/flows", "/calls", "/api/v1/flows", "/api/v1/calls"])
def test_a_search_with_too_many_conditions_is_cut_and_that_is_said(visitor, path):
    answer = visitor.get(path, params={"q": "a " * 1_000})
    assert answer.status_code == 200
    assert "too long" in answer.text


def test_numbers_in_call_ids_and_reasons_are_masked_for_viewers(store, tmp_path):
    one = replace(
        spam_calls()[0],
        call_id="tel-4930888777@gw",
        caller="+4930888777",
        callee="+4989700999",
        reason="calls +4989700999 again",
        started_ns=START_NS + 99 * SECOND_NS,
    )
    with open_store(str(store)) as opened:
        opened.put_calls([one])
    token = Users(tmp_path / "console" / "users.json").set_token("looker", Role.VIEWER)
    viewer = Visitor(store, tmp_path / "console", enter=False)
    key = shown.call_id(one)
    for path in (
        "/",
        "/calls",
        "/desk",
        "/desk/report",
        f"/calls/{key}",
        "/api/v1/calls",
        f"/api/v1/calls/{key}",
    ):
        text = viewer.get(path, headers={"Authorization": f"Bearer {token}"}).text
        assert "4930888777" not in text, path
        assert "4989700999" not in text, path


@pytest.mark.parametrize("path", ["votes", "unknowns/names", "unknowns/clusters", "training"])
@pytest.mark.parametrize(
    "body", [r'{"kind": "\ud800", "x": 1}', r'{"\ud800": 1}', r'["\ud800"]', "{", "\xff"]
)
def test_a_body_that_makes_no_sense_is_refused(visitor, path, body):
    headers = {"content-type": "application/json", "x-csrf-token": visitor.csrf("/desk")}
    answer = visitor.send("POST", f"/api/v1/{path}", content=body.encode("latin-1"), headers=headers)
    assert answer.status_code in (400, 422)
    assert answer.json()["detail"]
