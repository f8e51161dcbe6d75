"""Makes the image of entry points (ready.py) out of what Numba has compiled in this process and others."""

import io
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from callprint.core.ground import compiled
from callprint.machine_code import keeping, ready
from callprint.machine_code.argument_types import NotKnownError, described
from callprint.machine_code.linking import NotSimpleError, linked

_PARTS = "parts-of-"
_ENVIRONMENT = "_ZN08NumbaEnv"
"""How the names of pointers begin that Numba fills in."""


def keep_parts() -> None:
    """Leave the entry points that this process has compiled or loaded on disk, for `make`."""
    if keeping.processor_named() != keeping.PROCESSOR:
        return
    parts = _parts(_folder())
    parts.mkdir(exist_ok=True)
    for name, dispatcher in compiled.entry_points().items():
        overloads = list(dispatcher.overloads.values())
        part = _part(dispatcher, overloads[0]) if len(overloads) == 1 else None  # of several, Numba chooses
        if part is not None:
            _write(parts / name, json.dumps(part[0]).encode() + b"\n" + part[1])


def make() -> None:
    """Put the parts that all processes have left on disk together as the image of this version."""
    folder = _folder()
    parts = _parts(folder)
    if not parts.is_dir():
        return
    read = {path.name: path.read_bytes().partition(b"\n") for path in sorted(parts.glob("[!.]*"))}
    name = ready.image_name()
    if not read or (folder / f"{name}.json").exists():  # another process was first
        return
    image = linked(code for _, _, code in read.values())
    functions = {}
    for function, (about, _, _) in read.items():
        entry = json.loads(about)
        functions[function] = {"at": image.symbols[entry["symbol"]], "types": entry["types"]}
    index = {
        "functions": functions,
        "externals": image.externals,
        "pointers": image.pointers,
        "environments": [at for symbol, at in image.symbols.items() if symbol.startswith(_ENVIRONMENT)],
    }
    for old in folder.glob("ready-*"):
        old.unlink(missing_ok=True)
    content = io.BytesIO()
    np.save(content, image.code)
    np.save(content, image.relocations)
    _write(folder / f"{name}.npy", content.getvalue())
    _write(folder / f"{name}.json", json.dumps(index).encode())
    for old in folder.glob(_PARTS + "*"):
        shutil.rmtree(old, ignore_errors=True)


def make_here() -> None:
    """Make the image from what this process alone has compiled, unless there is one."""
    if not (_folder() / f"{ready.image_name()}.json").exists():
        keep_parts()
        make()


def _write(path: Path, content: bytes) -> None:
    """Write a file that others see whole or not at all."""
    new = path.with_name(f".{path.name}-{os.getpid()}")
    new.write_bytes(content)
    new.rename(path)


def _folder() -> Path:
    return keeping.base_folder(os.environ.get("NUMBA_CACHE_DIR", ""))


def _parts(folder: Path) -> Path:
    return folder / (_PARTS + ready.image_name())


def _part(dispatcher: Any, overload: Any) -> tuple[dict[str, Any], bytes] | None:
    """Return what is to be known of an entry point and its object file; None when it cannot do without Numba."""
    cache = dispatcher._cache  # what is on disk: a library gives its object file away when it is loaded
    kept = cache._cache_file.load(
        cache._index_key(overload.signature.args, overload.target_context.codegen())
    )
    if kept is None:
        return None
    _, kind, (code, _) = kept[0]
    try:
        if kind != "object" or overload.environment.consts:  # objects that Numba would have to make
            return None
        linked([code])
        types = [described(one) for one in overload.signature.args]
    except (NotKnownError, NotSimpleError):
        return None
    return {"symbol": overload.fndesc.llvm_cpython_wrapper_name, "types": types}, code
