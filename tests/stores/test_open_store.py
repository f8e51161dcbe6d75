"""Which store a URL means."""

import os
import stat
import sys
from pathlib import Path

import pytest

from callprint.core.ground.errors import ConfigError, StoreError
from callprint.stores import VerdictQuery, default_store_url, open_store
from callprint.stores.kept_calls import read_key


@pytest.mark.parametrize("form", ["{path}", "sqlite:{path}", "sqlite://{path}"])
def test_a_path_or_a_sqlite_url_opens_the_same_file(tmp_path, form):
    path = tmp_path / "my.sqlite"
    with open_store(form.format(path=path)):
        pass
    assert path.is_file()
    with open_store(str(path), create=False) as store, open_store(store.url, create=False):
        pass


def test_a_relative_path_with_a_colon_is_a_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with open_store("2026-11-22T10:00.sqlite"):
        pass
    assert Path("2026-11-22T10:00.sqlite").is_file()


def test_the_default_place(monkeypatch, tmp_path):
    monkeypatch.delenv("CALLPRINT_STORE", raising=False)
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_store_url() == f"sqlite:{tmp_path}/.local/share/callprint/verdicts.sqlite"
    monkeypatch.setenv("XDG_DATA_HOME", "/srv/data")
    assert default_store_url() == "sqlite:/srv/data/callprint/verdicts.sqlite"
    monkeypatch.setenv("XDG_DATA_HOME", "not/absolute")
    assert default_store_url() == f"sqlite:{tmp_path}/.local/share/callprint/verdicts.sqlite"


def test_the_variable_goes_before_the_default_and_the_argument_before_both(monkeypatch, tmp_path):
    monkeypatch.setenv("CALLPRINT_STORE", str(tmp_path / "variable.sqlite"))
    with open_store() as store:
        assert store.url == f"sqlite:{tmp_path}/variable.sqlite"
    with open_store(str(tmp_path / "argument.sqlite")) as store:
        assert store.url == f"sqlite:{tmp_path}/argument.sqlite"


@pytest.mark.parametrize(
    "url", ["postgres://host/db", "http://host", "cassandre://host/keyspace", "postgres:db"]
)
def test_an_unknown_kind_of_store_is_no_file_name(url):
    with pytest.raises(StoreError, match="no such kind of store"):
        open_store(url)


def test_a_home_that_is_not_known_is_an_error_of_our_own(monkeypatch):
    for url in ("~no such user/v.sqlite", "sqlite:~no such user/v.sqlite"):
        with pytest.raises(StoreError, match="home"):
            open_store(url)
    with pytest.raises(ConfigError, match="home"):
        read_key("~no such user/key")

    def nobody():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("CALLPRINT_STORE", raising=False)
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setattr(Path, "home", nobody)
    with pytest.raises(ConfigError, match="XDG_DATA_HOME"):
        default_store_url()


def test_cassandra_without_its_driver_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "cassandra", None)
    monkeypatch.setitem(sys.modules, "callprint.stores.cassandra", None)
    with pytest.raises(StoreError, match=r"setup.sh cluster"):
        open_store("cassandra://127.0.0.1/callprint")


@pytest.mark.parametrize("address", ["", "10.0.0", "example.org", "10.0.0.1 OR 1=1", "::1%eth0\n"])
def test_a_query_for_what_is_no_address(address):
    with pytest.raises(StoreError, match="not an IPv4 or IPv6 address"):
        VerdictQuery(address=address)


def test_a_query_for_no_rows():
    with pytest.raises(StoreError, match="limit"):
        VerdictQuery(limit=0)


def test_a_new_store_and_its_folder_are_for_their_owner_alone(tmp_path):
    old = os.umask(0)
    try:
        with open_store(str(tmp_path / "new" / "v.sqlite")):
            made = [tmp_path / "new", *(tmp_path / "new").iterdir()]
            modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in made}
    finally:
        os.umask(old)
    assert modes.pop("new") == 0o700
    assert set(modes.values()) == {0o600}
