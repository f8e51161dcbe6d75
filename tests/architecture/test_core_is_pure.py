"""The core has no I/O, clock or framework: the rule of docs/architecture.md, checked on the source itself."""

import ast
from pathlib import Path

import pytest

CORE = Path(__file__).resolve().parents[2] / "src" / "callprint" / "core"
FILES = sorted(CORE.rglob("*.py"))

ALLOWED_MODULES = {
    # values and algorithms
    "abc", "base64", "bisect", "collections", "contextlib", "dataclasses", "enum", "functools", "hashlib", "heapq",
    "hmac", "ipaddress", "itertools", "json", "math", "operator", "re", "string", "struct", "types", "typing",
    "typing_extensions", "unicodedata", "zlib",
    # a lock: two threads may be the first to call compiled functions
    "threading",
    # memory pages without a file behind them
    "mmap",
    # arrays and the compiler
    "numpy", "numba", "llvmlite",
}  # fmt: skip
FORBIDDEN_CALLS = {"open", "print", "input", "exec", "eval", "breakpoint", "__import__", "hash"}


def imported(tree: ast.AST):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide where a module lives"
            yield node.module or "", node.lineno


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(CORE)))
def test_imports_only_values_and_arrays(path):
    for module, line in imported(ast.parse(path.read_text())):
        ours = module == "callprint.core" or module.startswith("callprint.core.")
        allowed = module == "urllib.parse" or module.split(".")[0] in ALLOWED_MODULES
        assert ours or allowed, f"{path.name}:{line} imports {module}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(CORE)))
def test_calls_nothing_that_does_io_or_differs_between_processes(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in FORBIDDEN_CALLS, f"{path.name}:{node.lineno} calls {node.func.id}"


def test_there_is_a_core():
    assert len(FILES) > 20
