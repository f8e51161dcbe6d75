"""No command imports what it does not use: starting would take a second, or need what is not installed."""

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from callprint.cli import main
from callprint.stores import open_store

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}
HEAVY = (
    "numba", "llvmlite", "scipy", "scipy.linalg", "sklearn", "onnxruntime", "torch", "matplotlib", "cassandra",
    "kafka", "rich",
)  # fmt: skip
COMMAND = """
from callprint.cli import main
try:
    main(sys.argv[1:])
except SystemExit:  # after --help
    pass
"""
COMPILED = """
from callprint.machine_code import keeping
keeping.Announcement.wanted = True
from callprint.core.ground.loads import be16
be16(b"\\0" * 4, 0)
"""


def imported_by(code, *arguments):
    """What of HEAVY is there after `code`."""
    code = f"import sys\n{code}\nprint(*(name for name in {HEAVY} if name in sys.modules), file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], env=ENVIRONMENT, capture_output=True, text=True, check=True
    )
    return set(done.stderr.splitlines()[-1].split())


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    path = str(tmp_path_factory.mktemp("start") / "verdicts.sqlite")
    with open_store(path):
        return path


@pytest.mark.parametrize("command", ["verdicts", "calls", "feedback --list"])
def test_a_question_to_the_store_needs_neither_compiler_nor_networks(command, store):
    assert imported_by(COMMAND, *command.split(), "--store", store) == {"rich"}


def test_help_needs_no_tables_either():
    assert imported_by(COMMAND, "--help") == set()


@pytest.mark.parametrize("command", ["identify", "calls", "unknowns", "models", "warm-up"])
def test_the_help_of_a_command_needs_neither_compiler_nor_networks(command):
    assert imported_by(COMMAND, command, "--help") <= {"rich"}


def test_the_compiler_is_loaded_without_linear_algebra_which_others_can_import_afterwards():
    pytest.importorskip("scipy")
    assert imported_by(COMPILED) == {"numba", "llvmlite"}
    assert {"numba", "scipy.linalg"} <= imported_by(f"{COMPILED}\nimport scipy.linalg")


def test_a_program_that_has_run_a_command_can_run_another(monkeypatch, capsys):
    # A submodule takes the place of a name that its package imported from elsewhere.
    importlib.import_module("callprint.cli.keeping")
    monkeypatch.setattr("callprint.machine_code.keeping.Announcement.wanted", False)
    monkeypatch.setattr(sys, "argv", ["callprint", "models"])
    assert main() == 0
    assert "compact" in capsys.readouterr().out
