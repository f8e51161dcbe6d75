"""A tuple of arrays that is passed on by its address, in compiled code only.

Numba passes each array of a tuple as seven numbers. With the thirty arrays of the flow engine that made two hundred
arguments of every call, inlined or not, which took longer to compile than the code itself. A function that
Python calls therefore puts the addresses and lengths of its arrays together once; the functions behind it get the
place where they are, and write `tables.flows` as before.

Use it by way of core/ground/compiled.py, like core/ground/intrinsics.py.
"""

import hashlib
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.datamodel import models
from numba.core.datamodel.registry import register_default
from numba.core.imputils import impl_ret_borrowed
from numba.core.typing.templates import AttributeTemplate
from numba.extending import infer_getattr, intrinsic, lower_getattr_generic

_INT64, _BYTES = ir.IntType(64), ir.IntType(8).as_pointer()


class ByAddress(types.Type):
    """What `by_reference` returns for a named tuple of arrays with one dimension, whose elements lie side by side."""

    def __init__(self, of: types.BaseNamedTuple) -> None:
        # A digest, because the name becomes part of every function's name, and that of thirty arrays is 11 KB long.
        super().__init__(name=f"reference_{hashlib.sha256(str(of).encode()).hexdigest()[:16]}")
        self.of = of

    @property
    def key(self) -> Any:
        """Return what makes two of them the same type."""
        return self.of


@register_default(ByAddress)
class _Address(models.PrimitiveModel):
    def __init__(self, manager: Any, arrays: ByAddress) -> None:
        super().__init__(manager, arrays, _BYTES)  # type: ignore[no-untyped-call]


@infer_getattr
class _Arrays(AttributeTemplate):
    key = ByAddress

    def generic_resolve(self, arrays: ByAddress, name: str) -> Any:  # type: ignore[override] # Numba's says nothing
        """Return the type of the array `name`, None when there is none."""
        of: Any = arrays.of
        return of[of.fields.index(name)] if name in of.fields else None


@lower_getattr_generic(ByAddress)  # type: ignore[no-untyped-call, untyped-decorator]
def _array_of(context: Any, builder: Any, arrays: ByAddress, value: Any, name: str) -> Any:
    of: Any = arrays.of
    number = of.fields.index(name)
    kind = of[number]
    places = builder.bitcast(value, _INT64.as_pointer())
    address, count = (_unchanged(builder, places, 2 * number + i) for i in (0, 1))
    itemsize = context.get_constant(types.intp, context.get_abi_sizeof(context.get_data_type(kind.dtype)))
    array = context.make_array(kind)(context, builder)
    context.populate_array(
        array,
        data=builder.inttoptr(address, array.data.type),
        shape=[count],
        strides=[itemsize],
        itemsize=itemsize,
        meminfo=None,
    )
    return impl_ret_borrowed(context, builder, kind, array._getvalue())  # type: ignore[no-untyped-call]


def _unchanged(builder: Any, places: Any, number: int) -> Any:
    """Load a number of which LLVM may know that no store changes it: so it need not load it again after each."""
    loaded = builder.load(builder.gep(places, [_INT64(number)], inbounds=True))
    loaded.set_metadata("invariant.load", builder.module.add_metadata([]))
    return loaded


def _by_reference(_typing: Any, arrays: Any) -> Any:
    if isinstance(arrays, ByAddress):
        return arrays(arrays), lambda _context, _builder, _signature, arguments: arguments[0]
    if not isinstance(arrays, types.BaseNamedTuple):
        return None
    kinds: Any = arrays
    if not all(isinstance(kind, types.Array) and kind.ndim == 1 and kind.layout == "C" for kind in kinds):
        return None

    def code(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        places = cgutils.alloca_once(builder, _INT64, size=2 * len(kinds))  # type: ignore[no-untyped-call]
        for number, kind in enumerate(kinds):
            array = context.make_array(kind)(context, builder, builder.extract_value(arguments[0], number))
            address = builder.ptrtoint(array.data, _INT64)
            count = builder.extract_value(array.shape, 0)
            builder.store(address, builder.gep(places, [_INT64(2 * number)]))
            builder.store(count, builder.gep(places, [_INT64(2 * number + 1)]))
        # From here on nothing is stored there, as `_unchanged` promises. LLVM does not see through this, so that it can
        # neither load before the stores nor doubt the promise because of them.
        same = ir.FunctionType(_BYTES, [_BYTES])
        pointer = builder.bitcast(places, _BYTES)
        return builder.asm(same, "", "=r,0,~{memory}", [pointer], side_effect=True)

    return ByAddress(arrays)(arrays), code


by_reference: Any = intrinsic(_by_reference)
