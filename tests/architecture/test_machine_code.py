"""Machine code is kept for exactly the version of the source that it was compiled from."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from callprint.machine_code import keeping

PACKAGE = keeping.PACKAGE
COMPILED = sorted(
    path
    for path in PACKAGE.rglob("*.py")
    if "core.ground.compiled import" in path.read_text(encoding="utf-8")
)


def files_imported(path):
    """What Python itself would import, according to its parser."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        for name in names:
            if name.split(".")[0] == "callprint":
                place = PACKAGE.joinpath(*name.split(".")[1:])
                yield from (f for f in (place / "__init__.py", place.with_suffix(".py")) if f.is_file())


@pytest.mark.parametrize("path", COMPILED, ids=lambda path: path.stem)
def test_every_import_counts(path):
    assert set(keeping.imported(path)) == set(files_imported(path))
    assert path in keeping.sources_of(path)


def test_constants_of_other_files_count():
    sources = keeping.sources_of(PACKAGE / "core" / "flow" / "process.py")
    assert {
        PACKAGE / "core" / name for name in ("packets.py", "flow/layout.py", "flow/hashing.py")
    } <= sources


@pytest.fixture
def tree(tmp_path):
    """A package of two files: a compiled function, and the helper that it calls."""
    package = tmp_path / "tree" / "callprint"
    (package / "core" / "ground").mkdir(parents=True)
    (package / "machine_code").mkdir()
    for name in (
        "__init__.py",
        "machine_code/__init__.py",
        "machine_code/keeping.py",
        "machine_code/ahead.py",
        "machine_code/numba_import.py",
        "machine_code/linking.py",
        "machine_code/ready.py",
        "machine_code/argument_types.py",
        "core/__init__.py",
        "core/ground/arrays.py",
        "core/ground/compiled.py",
        "core/ground/compilation.py",
        "core/ground/inlining.py",
        "core/ground/intrinsics.py",
        "core/ground/references.py",
    ):
        shutil.copy(PACKAGE / name, package / name)
    head = "from callprint.core.ground.compiled import compiled\n"
    (package / "core" / "helper.py").write_text(
        f"{head}@compiled\ndef helper(x: int) -> int:\n    return x + 1\n"
    )
    (package / "core" / "caller.py").write_text(
        f"{head}from callprint.core.helper import helper\n"
        "@compiled\ndef caller(x: int) -> int:\n    return helper(x) * 10\n"
    )
    return package


def call(tree, code="print(caller(1))", **environment):
    head = "import sys; sys.path.insert(0, sys.argv[1])\nfrom callprint.core.caller import caller"
    done = subprocess.run(
        [sys.executable, "-c", f"{head}\n{code}", str(tree.parent)],
        # Python tells versions of a source by seconds, and a test may take less.
        env={"PATH": "", "HOME": str(tree.parent), "PYTHONDONTWRITEBYTECODE": "1", **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    return int(done.stdout)


def test_a_changed_helper_in_another_file_is_noticed_and_the_old_code_removed(tree):
    assert call(tree) == 20
    kept = tree / "__pycache__" / "machine-code"
    before = {folder.name for folder in kept.iterdir()}
    assert {name.split("-")[0] for name in before} == {"core.caller"}  # which has the helper in it
    helper = tree / "core" / "helper.py"
    helper.write_text(helper.read_text().replace("x + 1", "x + 2"))
    assert call(tree) == 30
    after = {folder.name for folder in kept.iterdir()}
    assert len(after) == 1
    assert not after & before


def test_what_only_compiled_code_calls_is_not_loaded_by_itself(tree):
    code = "from callprint.core.ground import compiled; caller(1); print(compiled._dispatcher.cache_info().currsize)"
    assert call(tree, code) == 2  # compiling the caller needs the helper
    assert call(tree, code) == 1


def test_two_threads_that_are_the_first_to_call_share_what_is_compiled(tree):
    code = (
        "from callprint.core.ground import compiled; from concurrent.futures import ThreadPoolExecutor\n"
        "with ThreadPoolExecutor(8) as pool: results = set(pool.map(caller, [1] * 8))\n"
        "print(results.pop() + compiled._dispatcher.cache_info().currsize)"
    )
    assert call(tree, code) == 22


COMPILATIONS = (
    "from numba.core import event\n"
    "with event.install_recorder('numba:compile') as seen: caller(1)\n"
    "print(len(seen.buffer))"
)


def test_what_a_wheel_brings_for_this_version_is_not_compiled_again(tree):
    assert call(tree, COMPILATIONS) > 0
    (kept,) = (tree / "__pycache__" / "machine-code").iterdir()
    module, _, digest = kept.name.rsplit("-", 2)
    (files,) = kept.iterdir()
    shutil.move(files, tree / "shipped_machine_code" / f"{module}-{digest}")
    shutil.rmtree(kept)
    assert call(tree, COMPILATIONS) == 0
    helper = tree / "core" / "helper.py"
    helper.write_text(helper.read_text().replace("x + 1", "x + 2"))
    assert call(tree) == 30  # it was for another version


def test_the_folder_that_the_user_names_is_taken(tree, tmp_path):
    assert call(tree, NUMBA_CACHE_DIR=str(tmp_path / "mine")) == 20
    assert {folder.name.split("-")[0] for folder in (tmp_path / "mine").iterdir()} == {"core.caller"}
    assert not (tree / "__pycache__" / "machine-code").exists()


def test_where_nothing_can_be_kept_one_line_says_so(monkeypatch, capsys):
    monkeypatch.setattr(keeping, "_can_write", lambda _folder: False)
    keeping.base_folder.cache_clear()
    try:
        folder = Path(keeping.folder_of(str(COMPILED[0]), ""))
        assert folder.is_dir()
        keeping.folder_of(str(COMPILED[1]), "")
    finally:
        keeping.base_folder.cache_clear()
    assert folder.parent.stat().st_mode & 0o077 == 0  # what is loaded from there is code
    (line,) = capsys.readouterr().err.splitlines()
    assert "cannot be kept" in line
    assert "NUMBA_CACHE_DIR" in line
