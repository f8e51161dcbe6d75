"""Entry points of compiled code, called without Numba (ADR 0012).

Importing Numba and unpacking what it has kept takes most of a second. So the machine code of the functions that Python
calls is kept a second time: as one image (linking.py), which is loaded in milliseconds, with the list of its entry
points, which are Numba's own, and the types of arguments that they were made for.

Numba stays in charge. It compiles; and what is not in the image, or is called with other types, is called through it.
The image is found by content: its name has a digest of the sources, and the versions of Numba and Python.
"""

import contextlib
import ctypes
import hashlib
import importlib.machinery
import importlib.metadata
import importlib.util
import json
import mmap
import os
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from callprint.machine_code import keeping
from callprint.machine_code.argument_types import fit_for

Call = Callable[..., Any]

_OF_NO_CONSEQUENCE = frozenset({"NUMBA_CACHE_DIR", "NUMBA_NUM_THREADS"})
"""Settings of Numba that change nothing about its code."""
_FLAGS = frozenset(
    ["avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe", "xsave", "cx16", "popcnt", "sse4_2", "ssse3"]
)
"""The features of keeping.PROCESSOR, as Linux calls them."""
_EXTENSIONS = {
    "numba._helperlib": "numba_",
    "numba._dynfunc": "numba_",
    "numba.core.runtime._nrt_python": "NRT_",
}
"""Numba's own C code that its machine code calls, and how names in it begin: modules that need nothing else of it."""


def find(name: str, otherwise: Callable[[], Call]) -> Call | None:
    """Return what calls a compiled function, such as `callprint.core.flow.process.process`; None when it is not ready.

    otherwise: returns what is called instead from the first arguments on that the image has no code for.
    """
    entry = _entry_points().get(name)
    if entry is None:
        return None
    function, types = entry
    fits = [fit_for(one) for one in types]
    instead: list[Call] = []

    def call(*arguments: Any, **named: Any) -> Any:
        if not instead:
            if len(arguments) == len(fits) and not named:
                for fit, argument in zip(fits, arguments):  # noqa: B905 - their lengths were compared
                    if not fit(argument):
                        break
                else:
                    return function(*arguments)
            instead.append(otherwise())
        return instead[0](*arguments, **named)

    return call


def image_name() -> str:
    """Return the name of the image of this version: a digest of sources, Python, Numba and class of processors."""
    words = (
        *(keeping.digest(Path(__file__).with_name(name)) for name in ("warm_up.py", "making.py")),
        str(sys.implementation.cache_tag),
        importlib.metadata.version("numba"),
        keeping.PROCESSOR,
    )
    return "ready-" + hashlib.sha256(" ".join(words).encode()).hexdigest()[:16]


@cache
def _entry_points() -> dict[str, tuple[Call, list[Any]]]:
    """Return the entry points of the image and their types; none where there is no image, or it cannot be used."""
    if not _is_wanted():
        return {}
    name = image_name()
    for folder in (keeping.base_folder(os.environ.get("NUMBA_CACHE_DIR", "")), keeping.SHIPPED):
        with contextlib.suppress(OSError, EOFError, ValueError, KeyError, AttributeError, ImportError):
            # Whatever is wrong with it, Numba can do without.
            return _load((folder / f"{name}.json").read_bytes(), folder / f"{name}.npy")
    return {}


def _is_wanted() -> bool:
    """Tell whether Numba would make such code here, and has not been imported anyway."""
    if "numba" in sys.modules or any(
        name.startswith("NUMBA_") for name in os.environ.keys() - _OF_NO_CONSEQUENCE
    ):
        return False
    try:
        about = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:  # not Linux
        return False
    return frozenset(about.partition("\nflags")[2].partition("\n")[0].split()) >= _FLAGS


class _Method(ctypes.Structure):
    """PyMethodDef."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("address", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    )


_ARGUMENTS_AND_NAMED = 0x1 | 0x2  # METH_VARARGS | METH_KEYWORDS

_KEPT: list[Any] = []
"""What has to live as long as the process: loaded code, and what it points to."""


def _load(index: bytes, code: Path) -> dict[str, tuple[Call, list[Any]]]:
    """Load an image. Raises ValueError, KeyError, AttributeError, ImportError or OSError when it does not fit."""
    about = json.loads(index)
    with code.open("rb") as file:
        content, relocations = np.load(file, allow_pickle=False), np.load(file, allow_pickle=False)
    region = mmap.mmap(-1, len(content) + max(about["pointers"], 1), mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    bytes_of = np.frombuffer(region, np.uint8)
    base = bytes_of.ctypes.data
    bytes_of[: len(content)] = content
    helpers = _extensions()
    addresses = np.array([*(_address(name, helpers) for name in about["externals"]), base], np.uint64)
    values = addresses[relocations["of"]] + relocations["addend"].astype(np.uint64)
    values -= np.where(relocations["relative"], base + relocations["at"], 0).astype(np.uint64)
    bytes_of[relocations["at"][:, None] + np.arange(8)] = values[:, None].view(np.uint8)
    environment = helpers["numba._dynfunc"].Environment({})
    pointers = np.array(about["environments"], np.int64)
    bytes_of[pointers[:, None] + np.arange(8)] = np.frombuffer(
        id(environment).to_bytes(8, "little"), np.uint8
    )
    protect = ctypes.CDLL(None, use_errno=True).mprotect
    if protect(ctypes.c_void_p(base), ctypes.c_size_t(len(content)), mmap.PROT_READ | mmap.PROT_EXEC):
        raise OSError(ctypes.get_errno(), "memory cannot be made executable")
    _KEPT.extend((region, bytes_of, environment))
    return {
        name: (_callable(name, base + entry["at"]), entry["types"])
        for name, entry in about["functions"].items()
    }


def _callable(name: str, address: int) -> Call:
    method = _Method(name.encode(), address, _ARGUMENTS_AND_NAMED, None)
    _KEPT.append(method)
    new = ctypes.pythonapi.PyCFunction_NewEx
    new.restype, new.argtypes = ctypes.py_object, (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
    function: Call = new(ctypes.addressof(method), None, None)
    return function


def _extensions() -> dict[str, Any]:
    """Load Numba's C code without Numba. Raises ImportError."""
    spec = importlib.util.find_spec("numba")
    if spec is None or not spec.submodule_search_locations:
        raise ImportError("no Numba")
    found = {}
    for name in _EXTENSIONS:
        below = name.replace(".", "/").removeprefix("numba/") + importlib.machinery.EXTENSION_SUFFIXES[0]
        path = str(Path(spec.submodule_search_locations[0]) / below)
        loader = importlib.machinery.ExtensionFileLoader(name, path)
        module_spec = importlib.machinery.ModuleSpec(name, loader, origin=path)
        found[name] = importlib.util.module_from_spec(module_spec)
        loader.exec_module(found[name])
    return found


def _address(name: str, helpers: dict[str, Any]) -> int:
    """Return where machine code finds a name, as Numba tells LLVM. Raises KeyError or AttributeError."""
    for module, prefix in _EXTENSIONS.items():
        found = helpers[module].c_helpers.get(name.removeprefix(prefix)) if name.startswith(prefix) else None
        if found is not None:
            return int(found)
    if name == "_Py_NoneStruct":
        return id(None)
    if name.startswith("PyExc_"):
        return id(getattr(__import__("builtins"), name[6:]))
    library = ctypes.pythonapi if name.startswith("Py") else _mathematics()
    return int(ctypes.cast(getattr(library, name), ctypes.c_void_p).value or 0)


@cache
def _mathematics() -> Any:
    return ctypes.CDLL("libm.so.6")
