"""Operations of compiled code that Numba does not have: a block copy and a prefetch.

Use them by way of core/ground/compiled.py, which imports this file, and with it Numba, when something is compiled.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from callprint.core.ground.references import by_reference

__all__ = ["by_reference", "copy_bytes", "prefetch"]


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


copy_bytes: Any = intrinsic(_copy_bytes)
prefetch: Any = intrinsic(_prefetch)
