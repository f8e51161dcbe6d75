"""Fixtures of the console's tests: stores, and visitors without a browser."""

import pytest
from argon2 import PasswordHasher
from console_browser import chromium, served  # noqa: F401 - fixtures
from console_visitor import Visitor, fill, fill_hostile

from callprint.console import users
from callprint.stores import open_store


@pytest.fixture(autouse=True)
def quick_hashes(monkeypatch):
    """Passwords take as little time as argon2 allows."""
    quick = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(users, "_HASHER", quick)
    monkeypatch.setattr(users, "_NOBODY", quick.hash("nobody"))


@pytest.fixture
def store(tmp_path):
    return fill(tmp_path / "store.sqlite")


@pytest.fixture
def visitor(store, tmp_path):
    return Visitor(store, tmp_path / "console")


@pytest.fixture
def empty_visitor(tmp_path):
    path = tmp_path / "empty.sqlite"
    open_store(str(path)).close()
    return Visitor(path, tmp_path / "console")


@pytest.fixture
def hostile_visitor(tmp_path):
    return Visitor(fill_hostile(tmp_path / "hostile.sqlite"), tmp_path / "console")
