"""Keeps compiled machine code on disk, separately for each version of the source that it was compiled from.

Numba checks only whether the function's own file has changed. If a helper or a constant in another file changed, the
caller would silently go on with the old one. So every file with compiled functions has a folder whose name holds a
digest of that file and of all files of callprint that it imports, directly or not. When such a folder is made, those
of earlier versions of the same file are removed, and what a wheel brings for this version is copied into it (ADR 0013).
"""

import atexit
import hashlib
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from callprint.core.ground.compilation import Compilation

PACKAGE = Path(__file__).resolve().parents[1]
IMPORT = re.compile(
    r"^[ \t]*from[ \t]+(callprint[\w.]*)[ \t]+import[ \t]+(?:\(([^)]*)\)|([^\n#(]+))"
    r"|^[ \t]*import[ \t]+(callprint[\w.]*)",
    re.MULTILINE,
)

SHIPPED = PACKAGE / "shipped_machine_code"
"""What a wheel brings: folders named by module and digest (tools/ship_machine_code.py)."""

PROCESSOR = "x86-64-v3"
"""AVX2-class: what processors since 2013 (Intel) and 2015 (AMD) run. Others get code for just themselves."""
NEEDED = (
    *("avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe", "xsave"),
    *("cx16", "popcnt", "sse4.2", "ssse3"),
)
"""Its features, as LLVM calls them (x86-64 psABI, 3.1.1)."""

TEMPORARY = "callprint-"
"""How the name of a folder begins that is removed when the process ends."""

COMPILING = (
    "compiling for this processor: half a minute to a minute now, later only what an update has changed"
)


def install(
    prepare: Callable[[], None],
    ready: Callable[[str, Callable[[], Callable[..., Any]]], Callable[..., Any] | None],
) -> None:
    """Make the core keep its machine code in these folders. Call it before anything compiled is called.

    prepare: called before Numba is imported. ready: finds what can be called without Numba (ready.py).
    """
    Compilation.folder_of = folder_of
    Compilation.ready = ready
    Compilation.prepare = prepare


class Announcement:
    """Whether people are to be told, and were told, that something is compiled, which may take minutes."""

    wanted = False
    """As soon as anything is compiled, whatever the command: this process is the program itself."""
    given = False


def announce() -> None:
    """Say once on standard error that something is compiled."""
    if not Announcement.given:
        Announcement.given = True
        print(f"callprint: {COMPILING}", file=sys.stderr, flush=True)


def processor_named() -> str:
    """Return what machine code is made for: a class of processors that this one belongs to, else this one."""
    from llvmlite import binding  # noqa: PLC0415 - only where something is compiled or loaded

    features = binding.get_host_cpu_features()
    if all(features.get(name) for name in NEEDED):
        return PROCESSOR
    return str(binding.get_host_cpu_name())


def folder_of(source: str, wanted: str) -> str:
    """Return the folder for the machine code of `source`, below `wanted` unless that is empty. Makes it."""
    path = Path(source)
    # Several installations may share a folder in a home: each keeps and clears its own.
    place = hashlib.sha256(str(path).encode()).hexdigest()[:8]
    name = f"{module_of(path)}-{place}-"
    base = base_folder(wanted)
    folder = base / (name + digest(path))
    if not folder.exists():
        _make(folder, path)
        for old in base.glob(name + "*"):
            if old != folder:
                shutil.rmtree(old, ignore_errors=True)
    return str(folder)


def module_of(path: Path) -> str:
    """Return the name of a file within the package, as in `core.flow.process`."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts if path.is_relative_to(PACKAGE) else (path.stem,)
    return ".".join(parts)


def _make(folder: Path, path: Path) -> None:
    """Make the folder of a source file, with the machine code that was shipped for it, all at once."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    shipped = SHIPPED / f"{module_of(path)}-{digest(path)}"
    if not shipped.is_dir():
        folder.mkdir(exist_ok=True)
        return
    from numba.core.caching import UserProvidedCacheLocator  # noqa: PLC0415 - importing Numba takes most of a second

    half_made = Path(tempfile.mkdtemp(dir=folder.parent, prefix="half-made-"))
    below = UserProvidedCacheLocator.get_suitable_cache_subpath(str(path))  # type: ignore[no-untyped-call]
    shutil.copytree(shipped, half_made / below)
    try:
        half_made.rename(folder)
    except OSError:  # another process was first
        shutil.rmtree(half_made, ignore_errors=True)


@cache
def base_folder(wanted: str) -> Path:
    """Return the first folder that can be written to: that wanted, beside the package, the user's, a temporary one."""
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111 - never raises
    kept = [Path(wanted)] if wanted else []
    kept += [PACKAGE / "__pycache__" / "machine-code", Path(home) / "callprint" / "machine-code"]
    for folder in kept:
        if _can_write(folder):
            return folder
    # Only this user may write to it: what is loaded from it is code.
    temporary = Path(tempfile.mkdtemp(prefix=TEMPORARY))
    atexit.register(shutil.rmtree, temporary, ignore_errors=True)
    print(
        f"callprint: compiled code cannot be kept ({' and '.join(map(str, kept))} cannot be written to), so every "
        "start compiles anew, for about a minute; set NUMBA_CACHE_DIR to a folder of your own",
        file=sys.stderr,
    )
    return temporary


def is_temporary(folder: Path) -> bool:
    """Tell whether other processes cannot use what is kept in a folder of `base_folder`."""
    return folder.parent == Path(tempfile.gettempdir()) and folder.name.startswith(TEMPORARY)


@cache
def digest(source: Path) -> str:
    """Return a digest of all that the machine code of `source` depends on: 16 hexadecimal digits."""
    sources = sorted(sources_of(source))
    contents = b"".join(map(_contents, sources))
    return hashlib.sha256(contents).hexdigest()[:16]


@cache
def _contents(source: Path) -> bytes:
    return hashlib.sha256(_text(source).encode()).digest()


@cache
def sources_of(source: Path) -> frozenset[Path]:
    """Return `source` and every file of callprint that it imports, directly or not."""
    found: set[Path] = set()
    waiting = [source]
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting += imported(path)
    return frozenset(found)


@cache
def imported(source: Path) -> tuple[Path, ...]:
    """Return the files of callprint that `source` imports."""
    return tuple(_imported(_text(source)))


def _imported(text: str) -> Iterator[Path]:
    for found in IMPORT.finditer(text):
        module = found[1] or found[4]
        files = _files(module)
        yield from files
        if not any(file.name == "__init__.py" for file in files):
            continue  # what is imported from it are names in it; asking the disk for each took half of this
        for name in (found[2] or found[3] or "").replace("\n", ",").split(","):
            words = name.split("#")[0].split()
            if words:
                # A module, or a name in the package, which is no file.
                yield from _files(f"{module}.{words[0]}")


@cache
def _files(module: str) -> tuple[Path, ...]:
    path = PACKAGE.joinpath(*module.split(".")[1:])
    return tuple(file for file in (path / "__init__.py", path.with_suffix(".py")) if file.is_file())


@cache
def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:  # installed without its source: a new version comes with a new path or a new Numba cache
        return ""


def _can_write(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return False
    return True
