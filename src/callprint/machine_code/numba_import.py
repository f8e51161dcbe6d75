"""Imports Numba when the first compiled function is called: as the program needs it, and for a class of processors."""

import contextlib
import importlib
import sys
from collections.abc import Iterator
from typing import Any

from callprint.machine_code import ahead
from callprint.machine_code.keeping import PROCESSOR, Announcement, announce, processor_named


def prepare() -> None:
    """Import Numba, for the class of processors, and in the program itself as that needs it."""
    first = "numba" not in sys.modules  # else others may have made code with it, by what it was set to
    if Announcement.wanted:
        _prepare_program()
    if first:
        _name_processor()


def _prepare_program() -> None:
    """Compile ahead; import Numba without what the core does without; have it call `announce` before it compiles."""
    ahead.run_if_needed()
    with _hidden("scipy"):
        # Numba's linear algebra, which the core does without, would import all of scipy.linalg where an extra of
        # callprint has installed it: .4 s.
        from numba.core import event  # noqa: PLC0415 - importing Numba takes most of a second

        with contextlib.suppress(ImportError):  # a Numba that has it elsewhere: it starts more slowly
            importlib.import_module("numba.np.arraymath")

    class Listener(event.Listener):
        def on_start(self, event: object) -> None:  # noqa: ARG002 - Numba's signature
            announce()

        def on_end(self, event: object) -> None:
            pass

    event.register("numba:compile", Listener())  # type: ignore[no-untyped-call]


def _name_processor() -> None:
    """Have Numba make code for the class of processors, unless the user has named one: so it can be carried about."""
    if processor_named() != PROCESSOR:
        return
    from numba.core import config  # noqa: PLC0415 - importing Numba takes most of a second

    settings: Any = config  # Numba fills this module from the environment, so mypy does not know its names
    if not settings.CPU_NAME:
        settings.CPU_NAME, settings.CPU_FEATURES = PROCESSOR, ""


@contextlib.contextmanager
def _hidden(package: str) -> Iterator[None]:
    """Let imports of a package fail meanwhile, unless it is there already."""
    if package in sys.modules:
        yield
        return
    sys.modules[package] = None  # type: ignore[assignment] # "cannot be imported", docs of sys.modules
    try:
        yield
    finally:
        del sys.modules[package]
