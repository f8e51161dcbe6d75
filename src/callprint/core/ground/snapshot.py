"""State that outlives a process: plain values and arrays, as bytes and back. Nothing is pickled.

    0  5  magic and version, "CPST" 1
    5  .. zlib: length of a JSON text (4 bytes, little-endian), the text, then the arrays one after the other

The text is {"plain": values, "arrays": [[name, dtype, shape], ...]}. The version is that of this container; what
the names mean, and the version of that, is up to the parts that make a snapshot.
"""

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from callprint.core.ground.errors import DecodeError

MAGIC = b"CPST\x01"
MAXIMUM_BYTES = 1 << 30  # unpacked; it bounds what a forged snapshot can ask for
_LENGTH = 4


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What `restore` needs. The names of nested parts are joined by dots."""

    plain: dict[str, Any] = field(default_factory=dict)  # what JSON can hold; NaN is allowed
    arrays: dict[str, NDArray[Any]] = field(default_factory=dict)

    @classmethod
    def joined(cls, parts: Mapping[str, "Snapshot"]) -> "Snapshot":
        """Return several snapshots as one; `part` takes them apart again."""
        return cls(
            {name: part.plain for name, part in parts.items()},
            {
                f"{name}.{inner}": array
                for name, part in parts.items()
                for inner, array in part.arrays.items()
            },
        )

    def part(self, name: str) -> "Snapshot":
        """Return one of the snapshots that were joined. Raises DecodeError when none has that name."""
        plain = self.plain.get(name)
        if not isinstance(plain, dict):
            raise DecodeError(f"the snapshot has no part {name!r}")
        prefix = f"{name}."
        arrays = {
            inner.removeprefix(prefix): array
            for inner, array in self.arrays.items()
            if inner.startswith(prefix)
        }
        return Snapshot(plain, arrays)

    def pack(self) -> bytes:
        """Return the snapshot as bytes."""
        described = [[name, array.dtype.str, array.shape] for name, array in self.arrays.items()]
        text = json.dumps({"plain": self.plain, "arrays": described}, separators=(",", ":")).encode()
        pieces = [len(text).to_bytes(_LENGTH, "little"), text]
        pieces += [np.ascontiguousarray(array).tobytes() for array in self.arrays.values()]
        return MAGIC + zlib.compress(b"".join(pieces), level=1)

    @classmethod
    def unpack(cls, data: bytes) -> "Snapshot":
        """Return the snapshot that the bytes hold. Raises DecodeError that names the defect."""
        if data[: len(MAGIC)] != MAGIC:
            raise DecodeError("no callprint snapshot of a version that is known")
        unpacker = zlib.decompressobj()
        try:
            raw = unpacker.decompress(data[len(MAGIC) :], MAXIMUM_BYTES)
        except zlib.error as error:
            raise DecodeError(f"the snapshot is damaged: {error}") from error
        if not unpacker.eof or unpacker.unused_data:
            raise DecodeError("the snapshot is cut short or has bytes after its end")
        end = _LENGTH + int.from_bytes(raw[:_LENGTH], "little")
        try:
            described = json.loads(raw[_LENGTH:end])
            plain, arrays, at = described["plain"], {}, end
            for name, dtype, shape in described["arrays"]:
                arrays[str(name)], at = _array(raw, at, np.dtype(str(dtype)), tuple(map(int, shape)))
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise DecodeError(f"the snapshot is damaged: {error}") from error
        if at != len(raw) or not isinstance(plain, dict):
            raise DecodeError("the snapshot holds more or fewer bytes than it says")
        return cls(plain, arrays)


def _array(raw: bytes, at: int, dtype: np.dtype[Any], shape: tuple[int, ...]) -> tuple[NDArray[Any], int]:
    if dtype.hasobject or dtype.itemsize == 0 or any(length < 0 for length in shape):
        raise ValueError(f"a snapshot cannot hold an array of {dtype} and {shape}")
    count = prod(shape)
    end = at + count * dtype.itemsize
    if end > len(raw):
        raise ValueError("an array is longer than the snapshot")
    return np.frombuffer(raw, dtype, count, at).reshape(shape).copy(), end
