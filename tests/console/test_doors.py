"""Who may come in, and what every answer holds."""

import argparse
import time

import pytest
import uvicorn
from console_visitor import Visitor

from callprint.cli.console import server_options
from callprint.console.sessions import RateLimit, Role, Sessions, User
from callprint.console.users import AuditLog, Users
from callprint.core.ground.errors import ConfigError

PAGES = ("/", "/flows", "/calls", "/desk", "/desk/report", "/models", "/people")
PASSWORD = "correct horse battery"


@pytest.fixture
def users(tmp_path):
    users = Users(tmp_path / "console" / "users.json")
    for name, role in (("vera", Role.VIEWER), ("ann", Role.ANALYST), ("adam", Role.ADMINISTRATOR)):
        users.set_password(name, role, PASSWORD)
    return users


def logged_in(store, tmp_path, name):
    visitor = Visitor(store, tmp_path / "console", enter=False)
    answer = visitor.post("/login", {"name": name, "password": PASSWORD, "next": "/calls"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/calls")
    return visitor


@pytest.mark.parametrize("path", PAGES)
def test_nobody_sees_a_page_without_coming_in(store, tmp_path, path):
    stranger = Visitor(store, tmp_path / "console", enter=False)
    answer = stranger.get(path)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/login")
    assert stranger.get("/api/v1/flows").status_code == 401


@pytest.mark.parametrize("path", ["/%09login", "/lo%09gin"])
def test_a_path_that_only_looks_open_is_not(store, tmp_path, path):
    stranger = Visitor(store, tmp_path / "console", enter=False)
    assert stranger.get(path).status_code == 303


@pytest.mark.parametrize("host", ["localhost/login?x=", "127.0.0.1/static/?", "localhost/enter#"])
def test_a_path_in_the_host_opens_nothing(store, tmp_path, host):
    stranger = Visitor(store, tmp_path / "console", enter=False)
    assert stranger.get("/api/v1/flows", headers={"host": host}).status_code == 401


def test_the_link_works_once_and_the_cookie_has_all_flags(store, tmp_path):
    visitor = Visitor(store, tmp_path / "console", enter=False, tls=True)
    key = visitor.sessions.make_link()
    assert visitor.get("/enter?key=wrong").status_code == 403
    answer = visitor.get(f"/enter?key={key}")
    cookie = answer.headers["set-cookie"].lower()
    assert all(flag in cookie for flag in ("httponly", "samesite=strict", "secure"))
    assert visitor.get(f"/enter?key={key}").status_code == 403


@pytest.mark.parametrize("path", [*PAGES, "/login", "/static/console.css", "/api/v1/flows", "/nowhere"])
def test_every_answer_has_the_headers(visitor, path):
    headers = visitor.get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["cache-control"]


@pytest.mark.parametrize("path", PAGES)
def test_pages_hold_no_inline_script_and_no_inline_style(visitor, path):
    text = visitor.get(path).text
    assert "<style" not in text
    assert " style=" not in text
    assert " onclick" not in text
    assert text.count("<script") == 1  # /static/console.js
    assert "http://" not in text.replace("http://www.w3.org/2000/svg", "")


def test_a_page_elsewhere_cannot_read_by_its_own_name(visitor):
    assert visitor.get("/", base="http://attacker.example:8383").status_code == 421
    assert visitor.get("/", base="http://localhost:8383").status_code in (200, 303)


def test_a_form_needs_the_token_and_our_own_origin(visitor, store):
    row = visitor.get("/desk").text.partition('name="call" value="')[2].partition('"')[0]
    form = {"kind": "spam", "call": row}
    assert visitor.post("/desk/vote", form).status_code == 403
    good = form | {"csrf": visitor.csrf("/desk")}
    assert visitor.post("/desk/vote", good, headers={"Origin": "http://attacker.example"}).status_code == 403
    assert visitor.post("/desk/vote", good, headers={"Origin": "http://127.0.0.1:8383"}).status_code == 303


def test_roles(store, tmp_path, users):
    viewer, analyst = logged_in(store, tmp_path, "vera"), logged_in(store, tmp_path, "ann")
    assert viewer.get("/people").status_code == analyst.get("/people").status_code == 403
    assert logged_in(store, tmp_path, "adam").get("/people").status_code == 200
    assert viewer.post("/desk/vote", {"csrf": viewer.csrf()}).status_code == 403
    assert viewer.get("/desk/callers.csv").status_code == 403
    assert analyst.get("/desk/callers.csv").status_code == 200


@pytest.mark.parametrize("path", ["/", "/calls", "/desk", "/desk/report", "/api/v1/calls"])
def test_viewers_see_no_number(store, tmp_path, users, path):
    viewer, analyst = logged_in(store, tmp_path, "vera"), logged_in(store, tmp_path, "ann")
    assert "+493055500" in analyst.get(path).text.replace("&#43;", "+")
    assert "3055500" not in viewer.get(path).text


def test_viewers_cannot_find_out_a_number_by_searching(store, tmp_path, users):
    viewer = logged_in(store, tmp_path, "vera")
    for q in (
        "caller=+493055500",
        "+493055500",
        "caller~30555",
        "call_id~spam",
        "from_tag~a",
        "reason~4",
        "caller_user_agent~3055",
        "41",
        "reason<2",
    ):
        answer = viewer.get("/api/v1/calls", params={"q": q}).json()
        assert answer["errors"], q
    assert viewer.get("/api/v1/calls?q=reason~calls").json()["items"]


def test_wrong_passwords_and_too_many_of_them(store, tmp_path, users):
    stranger = Visitor(store, tmp_path / "console", enter=False)
    codes = [stranger.post("/login", {"name": "ann", "password": f"no{i}"}).status_code for i in range(12)]
    assert codes == [403] * 10 + [429] * 2


def test_with_users_the_link_lets_nobody_in(store, tmp_path, users):
    stranger = Visitor(store, tmp_path / "console", enter=False)
    assert stranger.get(f"/enter?key={stranger.sessions.make_link()}").status_code == 403


def test_whoever_is_taken_out_is_out_at_once(store, tmp_path, users):
    analyst = logged_in(store, tmp_path, "ann")
    assert analyst.get("/calls").status_code == 200
    users.remove("ann")
    assert analyst.get("/calls").status_code == 303


def test_a_new_password_ends_the_sessions_of_the_old_one(store, tmp_path, users):
    analyst = logged_in(store, tmp_path, "ann")
    assert analyst.get("/calls").status_code == 200
    users.set_password("ann", Role.ANALYST, PASSWORD + " and another")
    assert analyst.get("/calls").status_code == 303


def test_leaving_ends_the_session(visitor):
    cookies = visitor.cookies
    assert visitor.post("/logout", {"csrf": visitor.csrf()}).status_code == 303
    visitor.cookies = cookies
    assert visitor.get("/").status_code == 303


def test_a_token_for_scripts(store, tmp_path, users):
    token = users.set_token("robot", Role.ANALYST)
    assert token not in users.path.read_text()
    script = Visitor(store, tmp_path / "console", enter=False)
    header = {"Authorization": f"Bearer {token}"}
    calls = script.get("/api/v1/calls?q=spam=yes", headers=header).json()["items"]
    assert len(calls) == 6
    body = {"calls": [calls[0]["id"]], "kind": "spam"}
    assert script.send("POST", "/api/v1/votes", json=body, headers=header).json() == {
        "callers": 1,
        "refused": 0,
    }
    assert script.get("/api/v1/calls", headers={"Authorization": "Bearer cpt_no"}).status_code == 401


def test_a_proxy_in_front_names_the_user(store, tmp_path, users):
    behind = Visitor(store, tmp_path / "console", enter=False, forward_auth="X-Remote-User")
    assert behind.get("/calls", headers={"X-Remote-User": "ann"}).status_code == 200
    assert behind.get("/calls", headers={"X-Remote-User": "nobody"}).status_code == 303
    far = Visitor(
        store, tmp_path / "console", enter=False, forward_auth="X-Remote-User", trusted_proxies=("192.0.2.1",)
    )
    assert far.get("/calls", headers={"X-Remote-User": "ann"}).status_code == 303
    assert (
        Visitor(store, tmp_path / "console", enter=False)
        .get("/calls", headers={"X-Remote-User": "ann"})
        .status_code
        == 303
    )  # not asked for


def test_the_log_says_who_looked_at_which_call(store, tmp_path, users):
    analyst = logged_in(store, tmp_path, "ann")
    path = analyst.get("/calls?q=spam=yes").text.partition('href="/calls/')[2].partition('"')[0]
    analyst.get(f"/calls/{path}")
    lines = AuditLog(tmp_path / "console" / "audit.jsonl").latest(10)
    assert [(line["user"], line["did"]) for line in lines] == [
        ("ann", "looked at a call"),
        ("ann", "listed calls"),
        ("ann", "came in"),
    ]
    assert lines[0]["what"].startswith("spam-")
    assert (tmp_path / "console" / "audit.jsonl").stat().st_mode & 0o077 == 0
    assert users.path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("name", ["", "a b", "../x", "<b>", "x" * 65])
def test_what_cannot_name_a_user(tmp_path, name):
    with pytest.raises(ConfigError):
        Users(tmp_path / "users.json").set_password(name, Role.VIEWER, PASSWORD)


@pytest.mark.parametrize("text", ["{", "[]", '{"a": {"role": "king"}}', '{"a": {}}', '{"a": 1}'])
def test_a_damaged_list_of_users_lets_nobody_in(tmp_path, text):
    (tmp_path / "users.json").write_text(text)
    with pytest.raises(ConfigError):
        Users(tmp_path / "users.json").accounts()


def test_sessions_end_in_time():
    sessions = Sessions()
    cookie = sessions.begin(User("ann", Role.ANALYST), 0.0)
    assert sessions.get(cookie, 12 * 3600.0) is not None
    assert sessions.get(cookie, 12 * 3600.0 + 1) is None
    assert sessions.get("", time.monotonic()) is None


def test_a_bucket_fills_again():
    limit = RateLimit(2, 10.0)
    assert [limit.take("a", 0.0) for _ in range(3)] == [True, True, False]
    assert limit.take("b", 0.0)
    assert [limit.take("a", 5.0) for _ in range(2)] == [True, False]


@pytest.mark.parametrize(
    ("one", "another", "is_one_client"),
    [
        ("2001:db8::1", "2001:db8::ffff:1", True),  # a network of 64 bits belongs to one
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("fe80::1%eth0", "fe80::2%eth1", True),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("/run/proxy.sock", "", False),
    ],
)
def test_a_client_is_whoever_shares_a_network_of_ipv6(one, another, is_one_client):
    limit = RateLimit(1, 10.0)
    assert limit.take(one, 0.0)
    assert limit.take(another, 0.0) is not is_one_client


@pytest.mark.parametrize(
    "forwarded", ["203.0.113.5", "127.0.0.1, 203.0.113.5", "nobody", "", "203.0.113.5, ::1"]
)
def test_a_proxy_names_the_user_whomever_it_asks_for(store, tmp_path, users, forwarded):
    behind = Visitor(store, tmp_path / "console", enter=False, forward_auth="X-Remote-User")
    args = argparse.Namespace(listen="127.0.0.1", port=8383, tls_cert=None, tls_key=None)
    served = uvicorn.Config(behind.app, **server_options(args))
    served.load()
    behind.app = served.loaded_app
    headers = {"X-Remote-User": "ann", "X-Forwarded-For": forwarded}
    assert behind.get("/calls", headers=headers).status_code == 200


def test_whoever_asks_a_proxy_has_a_limit_of_their_own(store, tmp_path, users):
    visitor = Visitor(store, tmp_path / "console", enter=False)

    def tries(forwarded):
        headers = {"X-Forwarded-For": forwarded}
        return visitor.post("/login", {"name": "ann", "password": "wrong"}, headers=headers).status_code

    assert [tries(f"192.0.2.{n}, 203.0.113.5") for n in range(11)] == [403] * 10 + [429]
    assert tries("203.0.113.6") == 403
    refused = AuditLog(tmp_path / "console" / "audit.jsonl").latest(1)[0]
    assert refused["what"] == "203.0.113.6"
