"""Types of arguments that an entry point was compiled for: written down as JSON, and compared with arguments.

Machine code trusts its arguments, so whatever is not known here to fit does not fit. The rules are those by which
Numba chooses compiled code (numba/core/typing/typeof.py).
"""

from collections.abc import Callable
from typing import Any

import numpy as np

Fit = Callable[[Any], bool]

_C_CONTIGUOUS, _WRITEABLE = 0x1, 0x400  # of numpy.ndarray.flags.num
_INT64 = range(-(1 << 63), 1 << 63)


class NotKnownError(Exception):
    """A type that this module does not know."""


def described(numba_type: Any) -> Any:
    """Return a type of Numba as plain values. Raises NotKnownError."""
    from numba.core import types  # noqa: PLC0415 - only where code is made

    if numba_type in (types.int64, types.uint64, types.boolean, types.float64, types.none):
        return str(numba_type)
    if isinstance(numba_type, types.Array) and numba_type.layout == "C":
        return ["array", _dtype_out(numba_type.dtype), numba_type.ndim, numba_type.mutable]
    if isinstance(numba_type, types.Record):
        return ["record", _dtype_out(numba_type)]
    if isinstance(numba_type, types.BaseNamedTuple):
        named: Any = numba_type  # Numba fills it in classes of its own
        kind = named.instance_class
        return ["named", kind.__module__, kind.__qualname__, [described(one) for one in named]]
    raise NotKnownError(str(numba_type))


def fit_for(plain: Any) -> Fit:
    """Return what tells whether an argument is of a `described` type. Raises NotKnownError."""
    if isinstance(plain, str):
        return _SCALARS[plain]
    kind, *rest = plain
    if kind == "array":
        return _array(_dtype_in(rest[0]), rest[1], _C_CONTIGUOUS | (_WRITEABLE if rest[2] else 0))
    if kind == "record":
        dtype = _dtype_in(rest[0])
        return lambda value: type(value) is np.void and value.dtype == dtype
    if kind == "named":
        return _named(rest[0], rest[1], [fit_for(one) for one in rest[2]])
    raise NotKnownError(kind)


_SCALARS: dict[str, Fit] = {
    "int64": lambda value: (type(value) is int and value in _INT64) or type(value) is np.int64,
    "uint64": lambda value: type(value) is np.uint64,
    "bool": lambda value: type(value) is bool or type(value) is np.bool_,
    "float64": lambda value: type(value) is float or type(value) is np.float64,
    "none": lambda value: value is None,
}


def _array(dtype: Any, dimensions: int, flags: int) -> Fit:
    # Comparing two structured types takes longer than most calls: those that are equal are remembered.
    equal: list[Any] = [dtype]

    def fit(value: Any) -> bool:
        if type(value) is not np.ndarray or value.ndim != dimensions:
            return False
        if value.flags.num & (_C_CONTIGUOUS | _WRITEABLE) != flags:
            return False
        found = value.dtype
        if found is equal[-1]:
            return True
        if found != dtype or found.isalignedstruct != dtype.isalignedstruct:
            return False
        equal[:] = [found]
        return True

    return fit


def _named(module: str, name: str, parts: list[Fit]) -> Fit:
    checked: list[Any] = [None]  # the same tables come with every batch, and a tuple does not change

    def fit(value: Any) -> bool:
        if value is checked[0]:
            return True
        kind = type(value)
        if (kind.__module__, kind.__qualname__) != (module, name) or len(value) != len(parts):
            return False
        if not all(part(one) for part, one in zip(parts, value, strict=True)):
            return False
        checked[0] = value
        return True

    return fit


def _dtype_out(numba_type: Any) -> Any:
    from numba.np import numpy_support  # noqa: PLC0415 - only where code is made

    dtype = numpy_support.as_dtype(numba_type)
    plain = _plain(dtype)
    if _dtype_in(plain) != dtype:
        raise NotKnownError(str(numba_type))
    return plain


def _plain(dtype: Any) -> Any:
    if dtype.subdtype is not None:
        return [_plain(dtype.subdtype[0]), list(dtype.subdtype[1])]
    if dtype.fields is None:
        return dtype.str
    fields = [[name, _plain(dtype.fields[name][0]), dtype.fields[name][1]] for name in dtype.names]
    return [fields, dtype.itemsize, bool(dtype.isalignedstruct)]


def _dtype_in(plain: Any) -> Any:
    if isinstance(plain, str):
        return np.dtype(plain)
    if len(plain) == 2:
        return np.dtype((_dtype_in(plain[0]), tuple(plain[1])))
    fields, size, aligned = plain
    names, formats, offsets = zip(*fields, strict=True)
    kinds = [_dtype_in(one) for one in formats]
    return np.dtype(
        {"names": names, "formats": kinds, "offsets": offsets, "itemsize": size}, align=bool(aligned)
    )
