"""Requests that no browser sends: they are refused, and never an error of ours."""

import base64
import json

import pytest


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
