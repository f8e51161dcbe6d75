"""Fixtures of the tests of commands."""

import pytest

from callprint.cli import main


@pytest.fixture
def command(capsys, monkeypatch):
    """Run a command; returns (exit code, standard output, standard error)."""

    def run(*words, columns=120):
        monkeypatch.setenv("COLUMNS", str(columns))
        for name in ("CALLPRINT_KEY_FILE", "CALLPRINT_KEPT_CALLS"):
            monkeypatch.delenv(name, raising=False)
        capsys.readouterr()
        code = main([*map(str, words)])
        return code, *capsys.readouterr()

    return run
