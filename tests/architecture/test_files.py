"""Files stay small, and names in the core say which thing is meant."""

import ast
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CORE = ROOT / "src" / "callprint" / "core"
FOLDERS = ("src", "capture_agent", "topologies", "tests", "benchmarks", "tools")
MOST_LINES = 400

FILES = sorted([*ROOT.glob("*.py"), *(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))])


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_file_is_longer_than_400_lines(folder):
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for path in FILES
        if path.is_relative_to(ROOT / folder)
    }
    assert lengths
    assert {name: length for name, length in lengths.items() if length > MOST_LINES} == {}


def test_no_two_classes_of_the_core_share_a_name():
    homes = defaultdict(list)
    for path in sorted(CORE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                homes[node.name].append(str(path.relative_to(CORE)))
    assert len(homes) > 50
    shared = {name: files for name, files in homes.items() if len(files) > 1}
    assert shared == {}
