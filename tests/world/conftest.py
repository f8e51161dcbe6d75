"""The command line on the situations of shared/data/world."""

import json

import pytest

from callprint.cli import main


@pytest.fixture
def rows_of(capsys):
    """Return a function: capture, options -> (its flows, its ended calls), as `identify --json` gives them."""

    def identify(capture, *options):
        assert main(["identify", str(capture), "--json", "-", "--no-store", *options]) == 0
        rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        return [row for row in rows if row["type"] == "flow"], [
            row for row in rows if row.get("phase") == "end"
        ]

    return identify


@pytest.fixture
def identified(world, rows_of):
    """The same for the number of a case."""
    return lambda case, *options: rows_of(*world.glob(f"{case}-*.pcap"), *options)
