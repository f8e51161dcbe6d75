"""Where the machine code of compiled functions is kept: up to the host of the core, as the core touches no disk.

Apart from core/ground/compiled.py, because setting it must not cost the import of the compiler.
"""

from collections.abc import Callable
from typing import Any


class Compilation:
    """What a host may set before it calls anything that is compiled."""

    folder_of: Callable[[str, str], str] | None = None
    """folder_of(source file, folder that the user asked for or "") -> folder for its code. None: Numba's own choice."""

    ready: Callable[[str, Callable[[], Callable[..., Any]]], Callable[..., Any] | None] | None = None
    """ready(name of a function, maker of what else is called) -> what calls its code without the compiler, or None."""

    prepare: Callable[[], None] | None = None
    """Called once, before Numba is imported."""
