"""How the core is compiled: decorators for Numba that mypy sees through, a block copy and a prefetch."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, ParamSpec, TypeVar

from llvmlite import ir
from numba import config, njit, types
from numba.core import cgutils
from numba.extending import intrinsic

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

    Numba looks at the function's own file alone to see whether that code is up to date; callprint/machine_code.py
    makes a change in a helper or a constant of another file count as well.
    """
    with _kept(function):
        return njit(cache=True, _nrt=False, forceinline=True)(function)  # type: ignore  # _nrt has no stub


def compiled_allocating(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Like `compiled`, for a function off the hot path that makes arrays of its own."""
    with _kept(function):
        return njit(cache=True)(function)


def read_only(values: Array) -> Array:
    """Return a view that cannot be written to.

    Numba compiles a function for each kind of array. With every input read-only there is one version, wherever
    the bytes come from.
    """
    view = values.view()
    view.flags.writeable = False
    return view


@contextlib.contextmanager
def _kept(function: Callable[..., Any]) -> Iterator[None]:
    """Have Numba keep the machine code of what is decorated meanwhile in the folder that the host of the core names."""
    settings: Any = config  # Numba fills this module from the environment, so mypy does not know its names
    wanted = settings.CACHE_DIR
    if Compilation.folder_of is not None:
        settings.CACHE_DIR = Compilation.folder_of(function.__code__.co_filename, wanted)
    try:
        yield
    finally:
        settings.CACHE_DIR = wanted


def _copy_bytes(  # Numba binds arguments by these names, even those that typing ignores
    _typing: Any,
    target: Any,
    target_at: Any,  # noqa: ARG001
    source: Any,
    source_at: Any,  # noqa: ARG001
    count: Any,  # noqa: ARG001
) -> Any:
    signature = types.void(target, types.int64, source, types.int64, types.int64)

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        target, target_at, source, source_at, count = arguments
        to = context.make_array(signature.args[0])(context, builder, target).data
        of = context.make_array(signature.args[2])(context, builder, source).data
        to, of = builder.gep(to, [target_at]), builder.gep(of, [source_at])
        cgutils.raw_memcpy(builder, to, of, count, itemsize=1)  # type: ignore[no-untyped-call]
        return context.get_dummy_value()

    return signature, code


def _prefetch(_typing: Any, array: Any, at: Any) -> Any:  # noqa: ARG001 - bound by name, see _copy_bytes
    signature = types.void(array, types.int64)

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array, at = arguments
        data = context.make_array(signature.args[0])(context, builder, array).data
        pointer = builder.gep(builder.bitcast(data, ir.IntType(8).as_pointer()), [at])
        int32 = ir.IntType(32)
        function = cgutils.get_or_insert_function(  # type: ignore[no-untyped-call]
            builder.module,
            ir.FunctionType(ir.VoidType(), [pointer.type, int32, int32, int32]),
            "llvm.prefetch.p0",
        )
        # For writing, to be kept in all caches, data (LLVM language reference, llvm.prefetch).
        builder.call(function, [pointer, int32(1), int32(3), int32(1)])
        return context.get_dummy_value()

    return signature, code


prefetch: Any = intrinsic(_prefetch)
"""prefetch(array, byte): ask for the cache line that holds this byte of an array; compiled code only."""

copy_bytes: Any = intrinsic(_copy_bytes)
"""copy_bytes(target, target_at, source, source_at, count): memcpy between 1-D uint8 arrays; compiled code only.

Numba copies slices byte by byte, ten times slower. The caller has checked the bounds.
"""
