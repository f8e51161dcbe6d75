"""What a wheel holds, and what the help of a command needs."""

import runpy
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import setuptools

from callprint.cli import COMMANDS
from callprint.model_files import DEFAULT_MODEL

ROOT = Path(__file__).resolve().parents[2]
EXTRAS = (
    *("onnxruntime", "sklearn", "matplotlib", "torch", "scipy", "onnx", "onnxscript", "skl2onnx"),
    *("streamparse", "kafka", "cassandra", "pkg_resources", "dpkt", "jsonschema", "hypothesis"),
    *("fastapi", "starlette", "uvicorn", "jinja2", "argon2", "multipart", "pydantic"),
)
"""Modules of the optional dependencies in pyproject.toml."""

# As if only callprint itself were installed: every command's help in one process, which takes a second.
WITHOUT_EXTRAS = f"""
import runpy, sys

class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {EXTRAS!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Hidden())
from callprint.cli import main
for line in sys.argv[1:]:
    try:
        code = main([*line.split(), "--help"])
    except SystemExit as end:
        code = end.code
    print(f"exit of {{line}}: {{code}}")
sys.argv = ["callprint-agent", "--help"]
try:
    runpy.run_module("capture_agent", run_name="__main__")
except SystemExit as end:
    print(f"exit of callprint-agent: {{end.code}}")
"""
NESTED = ("console user add", "dataset build", "unknowns name", "spit learn", "spit experiment")


def test_a_wheel_puts_nothing_beside_callprint(monkeypatch):
    given = {}
    monkeypatch.setattr(setuptools, "setup", lambda **options: given.update(options))
    monkeypatch.chdir(ROOT)
    runpy.run_path("setup.py")
    packages = given["packages"]
    assert {name.partition(".")[0] for name in packages} == {"callprint"}
    assert len(packages) == len(set(packages))
    folders = {path.parent for path in (ROOT / "src" / "callprint").rglob("__init__.py")}
    assert {ROOT / "src" / name.replace(".", "/") for name in packages[:-2]} == folders
    assert [given["package_dir"][name] for name in packages[-2:]] == ["capture_agent", "models"]
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    files = settings["package-data"][packages[-1]]
    assert DEFAULT_MODEL.name in files
    assert all((ROOT / "models" / name).is_file() for name in files)


def test_the_agent_finds_its_own_modules_under_either_name():
    for path in (ROOT / "capture_agent").glob("*.py"):
        assert "from capture_agent" not in path.read_text()
        assert "import capture_agent" not in path.read_text()


@pytest.fixture(scope="module")
def helped():
    commands = [*COMMANDS, *NESTED]
    environment = {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", "PATH": "/usr/bin:/bin"}
    return subprocess.run(
        [sys.executable, "-c", WITHOUT_EXTRAS, *commands],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env=environment,
    )


@pytest.mark.parametrize("command", [*COMMANDS, *NESTED, "callprint-agent"])
def test_help_needs_no_extra(helped, command):
    assert f"exit of {command}: 0" in helped.stdout.splitlines(), helped.stderr
