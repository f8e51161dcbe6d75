"""The core is a house of floors: a part imports only parts that stand below it (docs/architecture.md)."""

import ast
import re
from pathlib import Path

import pytest

CORE = Path(__file__).resolve().parents[2] / "src" / "callprint" / "core"
FLOORS = (
    *("ground", "packets", "evidence", "verdict", "call"),
    *("capture", "dissect", "flow", "quality", "identify", "declared", "fingerprint", "verdicts"),
    *("signalling", "calls", "spam"),
    *("wire", "relay"),
)
"""From the ground up. Files stand for themselves, folders for all that is in them."""
LAB_COMMANDS = ("cli/evaluate.py", "cli/evaluate_paper.py", "cli/spit.py")


def part_of(path: Path) -> str:
    return path.relative_to(CORE).with_suffix("").parts[0]


def imported_parts(path: Path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[:2] == ["callprint", "core"]:
            below = node.module.split(".")[2:]
            yield from below[:1] or [alias.name for alias in node.names]


@pytest.mark.parametrize("part", FLOORS)
def test_imports_run_downwards_only(part):
    files = [path for path in CORE.rglob("*.py") if part_of(path) == part]
    assert files
    allowed = FLOORS[: FLOORS.index(part) + 1]
    for path in files:
        above = set(imported_parts(path)) - set(allowed)
        assert not above, (
            f"{path.relative_to(CORE)} imports {', '.join(sorted(above))}, which stands above it"
        )


def test_every_part_has_its_floor():
    assert {part_of(path) for path in CORE.rglob("*.py")} - {"__init__"} == set(FLOORS)


def test_nothing_of_the_product_imports_the_lab():
    """Nor a command of the lab: training, shipping and judging must work without reports and their pictures."""
    package = CORE.parent
    for path in package.rglob("*.py"):
        name = path.relative_to(package).as_posix()
        if name.startswith("lab/") or name in LAB_COMMANDS:
            continue
        text = path.read_text(encoding="utf-8")
        for module in ("callprint.lab", *(module_name(command) for command in LAB_COMMANDS)):
            assert not re.search(rf"\b{re.escape(module)}\b", text), f"{name} imports {module}"


def module_name(file: str) -> str:
    return "callprint." + file.removesuffix(".py").replace("/", ".")
