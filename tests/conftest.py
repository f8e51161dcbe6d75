"""Fixtures that tests of several parts share."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

# How long an example takes depends on the machine and its other work, and no test is about that.
settings.register_profile("callprint", deadline=None)
settings.load_profile("callprint")

SHARED_DATA = Path(os.environ.get("CALLPRINT_DATA", Path(__file__).parents[2] / "shared" / "data"))


@pytest.fixture(scope="session")
def public_corpus() -> Path:
    """The folder of captures by others; their licences do not allow copying them into the project."""
    return _shared_folder("public", "manifest.csv")


@pytest.fixture(scope="session")
def labelled_calls() -> Path:
    """The folder of labelled calls: flows.csv, dataset1, dataset2, cross."""
    return _shared_folder("calls", "flows.csv")


@pytest.fixture(scope="session")
def world() -> Path:
    """The folder of situations that users of other tools have reported, with the right values in cases.csv."""
    return _shared_folder("world", "cases.csv")


def _shared_folder(name: str, index: str) -> Path:
    folder = SHARED_DATA / name
    if not (folder / index).exists():
        pytest.skip(f"there are no captures at {folder} (CALLPRINT_DATA names the folder above)")
    return folder
