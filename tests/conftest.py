"""Fixtures that several parts share."""

import os
from pathlib import Path

import pytest

SHARED_DATA = Path(os.environ.get("CALLPRINT_DATA", Path(__file__).parents[2] / "shared" / "data"))


@pytest.fixture(scope="session")
def public_corpus() -> Path:
    """The folder of captures by others; their licences forbid to copy them into the project."""
    folder = SHARED_DATA / "public"
    if not (folder / "manifest.csv").exists():
        pytest.skip(f"the public captures are not at {folder} (set CALLPRINT_DATA to their parent)")
    return folder


@pytest.fixture(scope="session")
def labelled_calls() -> Path:
    """The folder of labelled calls: flows.csv, dataset1, dataset2, cross."""
    folder = SHARED_DATA / "calls"
    if not (folder / "flows.csv").exists():
        pytest.skip(f"the labelled calls are not at {folder} (set CALLPRINT_DATA to their parent)")
    return folder
