"""Requests that no browser sends: they are refused, and never an error of ours."""

import base64
import json
import re
from dataclasses import replace

import pytest
from console_visitor import Visitor, spam_calls
from verdict_samples import SECOND_NS, START_NS

from callprint.console import shown
from callprint.console.call_ids import CallIds
from callprint.console.guard import MOST_BYTES
from callprint.console.sessions import Role
from callprint.console.users import Users
from callprint.core.ground.errors import ConfigError
from callprint.stores import CallQuery, open_store


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


@pytest.mark.parametrize("time", ["--5", "-", "", str(1 << 63), str(-(1 << 63) - 1), "9" * 19, "9" * 5_000])
@pytest.mark.parametrize("path", ["/flows", "/api/v1/flows"])
def test_a_place_at_no_time_is_the_begin_of_the_list(visitor, path, time):
    after = f"{time}~192.0.2.1~1~192.0.2.2~2~3~4"
    assert visitor.get(path, params={"after": after[: shown.LONGEST_ID]}).status_code == 200


@pytest.mark.parametrize(
    "day",
    ["9999-12-31", "0001-01-01", "9999-12-31T23:59-23:59", "0001-01-01T00:00+23:59", "9" * 40, "x", "-1"],
)
def test_a_report_on_a_day_that_is_none_is_refused(visitor, day):
    assert visitor.get("/desk/report", params={"day": day}).status_code == 400


@pytest.mark.parametrize("path", ["/flows", "/calls", "/api/v1/flows", "/api/v1/calls"])
def test_a_search_with_too_many_conditions_is_cut_and_that_is_said(visitor, path):
    answer = visitor.get(path, params={"q": "a " * 1_000})
    assert answer.status_code == 200
    assert "too long" in answer.text


def test_numbers_in_call_ids_and_reasons_are_masked_for_viewers(store, tmp_path):
    one = replace(
        spam_calls()[0],
        call_id="tel-4930888777@gw",
        from_tag="31337-tag",
        caller_user_agent="Phone of +4989700999, card 8949031337",
        caller="+4930888777",
        callee="+4989700999",
        reason="calls +4989700999 again",
        started_ns=START_NS + 99 * SECOND_NS,
    )
    with open_store(str(store)) as opened:
        opened.put_calls([one])
    token = Users(tmp_path / "console" / "users.json").set_token("looker", Role.VIEWER)
    viewer = Visitor(store, tmp_path / "console", enter=False)
    key = viewer.key_of(one)
    for path in (
        "/",
        "/calls",
        "/desk",
        "/desk/report",
        f"/calls/{key}",
        "/api/v1/calls",
        f"/api/v1/calls/{key}",
    ):
        answer = viewer.get(path, headers={"Authorization": f"Bearer {token}"})
        said = " ".join((answer.text, *answer.headers.values(), *decoded(answer.text)))
        for secret in ("4930888777", "4989700999", "tel-", "31337", "203.0.113.9@"):
            assert secret not in said, path


def decoded(text):
    """What is Base64 in a text, as text."""
    for word in re.findall(r"[\w+/-]{16,}", text):
        raw = base64.b64decode(word.replace("-", "+").replace("_", "/")[: len(word) // 4 * 4])
        yield raw.decode("latin-1")


@pytest.mark.parametrize("name", ["", "/messages", "/call.pcapng", "/evidence.pcapng"])
def test_the_call_id_is_no_address(store, tmp_path, name):
    visitor = Visitor(store, tmp_path / "console")
    old = base64.urlsafe_b64encode(b'["spam-0@203.0.113.9", "tag", 1]').decode()
    for key in (old, "1~" + "A" * 24, "9" * 400, "~", f"{1 << 63}~{'A' * 24}", f"-{1 << 63}~{'A' * 24}"):
        answer = visitor.get(f"/calls/{key}{name}")
        assert answer.status_code == 404
        assert key not in answer.text


def test_ids_stay_and_differ_from_console_to_console(store, tmp_path):
    with open_store(str(store)) as opened:
        calls = list(opened.calls(CallQuery()))
        one, again, other = (CallIds(tmp_path / name) for name in ("key", "key", "other"))
        for call in calls:
            assert one.of(call) == again.of(call) != other.of(call)
            assert one.find(opened, again.of(call)) == call
            assert one.find(opened, other.of(call)) is None
    assert len({one.of(call) for call in calls}) == len(calls)
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    (tmp_path / "bad").write_bytes(b"short")
    with pytest.raises(ConfigError, match="no key"):
        CallIds(tmp_path / "bad").of(calls[0])


@pytest.mark.parametrize("path", ["votes", "unknowns/names", "unknowns/clusters", "training"])
@pytest.mark.parametrize(
    "body", [r'{"kind": "\ud800", "x": 1}', r'{"\ud800": 1}', r'["\ud800"]', "{", "\xff"]
)
def test_a_body_that_makes_no_sense_is_refused(visitor, path, body):
    headers = {"content-type": "application/json", "x-csrf-token": visitor.csrf("/desk")}
    answer = visitor.send("POST", f"/api/v1/{path}", content=body.encode("latin-1"), headers=headers)
    assert answer.status_code in (400, 422)
    assert answer.json()["detail"]


@pytest.mark.parametrize("path", ["/login", "/desk/vote", "/logout"])
def test_half_a_surrogate_pair_in_a_form_is_refused(visitor, path):
    csrf = visitor.csrf("/desk")
    fields = {"csrf": csrf, "name": "+2AA-", "password": "+2AA-", "next": "/+2AA-", "kind": "+2AA-"}
    parts = [f'--x\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n' for k, v in fields.items()]
    headers = {"content-type": "multipart/form-data; boundary=x; charset=utf-7"}
    assert visitor.send("POST", path, content="".join(parts) + "--x--", headers=headers).status_code == 400


@pytest.mark.parametrize("kind", ["json", "x-www-form-urlencoded", "octet-stream"])
@pytest.mark.parametrize("path", ["/api/v1/votes", "/login", "/desk/vote"])
def test_of_a_request_without_end_no_more_is_read_than_one_may_hold(visitor, path, kind):
    given = 0

    async def without_end():
        nonlocal given
        while given < 4 * MOST_BYTES:
            yield b"&a=" + bytes(65_533)
            given += 65_536

    answer = visitor.send(
        "POST", path, content=without_end(), headers={"content-type": f"application/{kind}"}
    )
    assert answer.status_code in (400, 403, 413)
    assert given <= MOST_BYTES + 65_536
