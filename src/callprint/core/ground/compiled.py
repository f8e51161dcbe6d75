"""How the core is compiled: decorators for Numba that mypy sees through, a block copy and a prefetch.

Numba takes most of a second to import, so that is done when the first compiled function is called: a command that
calls none does without. For the same reason a function that only compiled code calls is never loaded by itself.
"""

import contextlib
import functools
import threading
from collections.abc import Callable, Iterator
from typing import Any, ParamSpec, TypeVar, cast

from callprint.core.ground.arrays import Array
from callprint.core.ground.compilation import Compilation

"""Any NumPy array; a comment beside it gives its shape and type."""
Row = Any
"""One row of a structured array: compiled code sees its fields, mypy cannot."""
Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def compiled(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Compile `function` at its first call without the interpreter, and keep the machine code on disk.

    A compiled function works on arrays that its caller owns and must not allocate any, so that Numba need not
    count references (`_nrt`): at a hundred nanoseconds a packet, that would be most of the time. For the same
    reason calls between compiled functions are inlined: a dozen arrays as arguments are a kilobyte.

    Numba looks at the function's own file alone to see whether that code is up to date; callprint/machine_code
    makes a change in a helper or a constant of another file count as well.
    """
    return cast(Callable[Parameters, Result], Compiled(function, _nrt=False, forceinline=True))


def compiled_allocating(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Like `compiled`, for a function off the hot path that makes arrays of its own."""
    return cast(Callable[Parameters, Result], Compiled(function))


def compiled_apart(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Like `compiled`, but called rather than inlined: for what happens rarely in the midst of what happens always."""
    # Said, because an option that is not given is that of the caller in Numba.
    return cast(Callable[Parameters, Result], Compiled(function, _nrt=False, forceinline=False))


def compiled_aside(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Like `compiled_allocating`, but lets other threads run meanwhile: for long work on arrays that nobody changes."""
    return cast(Callable[Parameters, Result], Compiled(function, nogil=True))


def read_only(values: Array) -> Array:
    """Return a view that cannot be written to.

    Numba compiles a function for each kind of array. With every input read-only there is one version, wherever
    the bytes come from.
    """
    view = values.view()
    view.flags.writeable = False
    return view


class Compiled:
    """A function that Numba takes over when it is first called, from Python or in the compilation of its caller."""

    def __init__(self, function: Callable[..., Any], **options: bool) -> None:
        functools.update_wrapper(self, function)
        self._function = function
        self._options = options
        self._call: Callable[..., Any] = self._first_call

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """Call the machine code."""
        return self._call(*arguments, **named)

    def _first_call(self, *arguments: Any, **named: Any) -> Any:
        with _LOCK:
            if self._call == self._first_call:
                self._call = self._ready() or self.dispatcher()
        return self._call(*arguments, **named)

    def _ready(self) -> Callable[..., Any] | None:
        if Compilation.ready is None:
            return None
        return Compilation.ready(_name(self), self.dispatcher)

    def dispatcher(self, *, by_compiled_code: bool = False) -> Any:
        """Return Numba's own object for this function, always the same: one for each kind of caller."""
        with _LOCK:
            return _dispatcher(self, by_compiled_code)


class Intrinsic:
    """Stands for an operation of core/ground/intrinsics.py in compiled functions until Numba takes them over."""

    def __init__(self, name: str) -> None:
        self.name = name


prefetch: Any = Intrinsic("prefetch")
"""prefetch(array, byte): ask for the cache line that holds this byte of an array; compiled code only."""

by_reference: Any = Intrinsic("by_reference")
"""by_reference(tuple of arrays): the same, passed on as one address (references.py); compiled code only."""

copy_bytes: Any = Intrinsic("copy_bytes")
"""copy_bytes(target, target_at, source, source_at, count): memcpy between 1-D uint8 arrays; compiled code only.

Numba copies slices byte by byte, ten times slower. The caller has checked the bounds.
"""

_LOCK = threading.RLock()
"""Numba has one folder for the whole process, see `_kept`; two threads may call their first functions at once."""

_ENTRY_POINTS: dict[str, Any] = {}


def entry_points() -> dict[str, Any]:
    """Return Numba's objects for the functions that Python has called through Numba so far, by name."""
    with _LOCK:
        return dict(_ENTRY_POINTS)


def load_compiler() -> None:
    """Import Numba now: for a process that is going to give up the right to read it."""
    _numba()


def _name(function: Compiled) -> str:
    return f"{function.__module__}.{function._function.__qualname__}"


@functools.cache
def _dispatcher(function: Compiled, by_compiled_code: bool) -> Any:
    numba = _numba()
    _name_intrinsics(function._function)
    if by_compiled_code:
        # What its caller inlines needs no entry points for Python and C, and nothing on disk, as the caller has it:
        # with them, everything took twice as long to compile and five times the room.
        return numba.njit(
            no_cpython_wrapper=True, no_cfunc_wrapper=True, **_without_machine_code(), **function._options
        )(function._function)
    with _kept(function._function):
        try:
            dispatcher = numba.njit(cache=True, **function._options)(function._function)
        except RuntimeError:
            # Numba may not write to the folder: this process has given up its privileges since.
            dispatcher = numba.njit(**function._options)(function._function)
    _ENTRY_POINTS[_name(function)] = dispatcher
    return dispatcher


@functools.cache
def _without_machine_code() -> dict[str, Any]:
    try:
        from callprint.core.ground.inlining import InlinedCompiler  # noqa: PLC0415 - imports Numba
    except (ImportError, AttributeError):
        # A Numba that has changed inside compiles all, and takes longer.
        return {}
    return {"pipeline_class": InlinedCompiler}


@functools.cache
def _numba() -> Any:
    """Return Numba, which from now on knows what a `Compiled` is that it meets in the code of another."""
    if Compilation.prepare is not None:
        Compilation.prepare()
    import numba  # noqa: PLC0415 - see the top of this file
    from numba.extending import typeof_impl  # noqa: PLC0415

    def type_of(function: Compiled, context: Any) -> Any:
        return typeof_impl(function.dispatcher(by_compiled_code=True), context)

    typeof_impl.register(Compiled)(type_of)
    _without_machine_code()  # now, with Numba: a process may give up the right to read files afterwards
    return numba


def _name_intrinsics(function: Callable[..., Any]) -> None:
    from callprint.core.ground import intrinsics  # noqa: PLC0415 - imports Numba

    names = function.__globals__
    for name in function.__code__.co_names:
        stands_for = names.get(name)
        if isinstance(stands_for, Intrinsic):
            names[name] = getattr(intrinsics, stands_for.name)


@contextlib.contextmanager
def _kept(function: Callable[..., Any]) -> Iterator[None]:
    """Have Numba keep the machine code of what is decorated meanwhile in the folder that the host of the core names."""
    settings: Any = (
        _numba().config
    )  # Numba fills this module from the environment, so mypy does not know its names
    wanted = settings.CACHE_DIR
    if Compilation.folder_of is not None:
        settings.CACHE_DIR = Compilation.folder_of(function.__code__.co_filename, wanted)
    try:
        yield
    finally:
        settings.CACHE_DIR = wanted
