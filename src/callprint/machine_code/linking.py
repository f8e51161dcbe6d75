"""Object files (ELF, x86-64) put into one image that can be loaded without a linker (ADR 0012).

What Numba makes of the core is simple: code, constants, pointers that are filled in once it is loaded, and two kinds of
relocations. Anything else is refused with `NotSimpleError`; that function is then left to Numba.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from callprint.core.ground.arrays import Array

PAGE = 4096
RELOCATION = np.dtype(
    [
        ("at", "<i8"),  # place in the image at which eight bytes are written
        ("of", "<i4"),  # number of the external name whose address is written, -1: that of the image
        ("relative", "<i4"),  # 1: as a distance from that place
        ("addend", "<i8"),
    ]
)

_SECTION = np.dtype(
    [
        *(("name", "<u4"), ("type", "<u4"), ("flags", "<u8"), ("address", "<u8"), ("offset", "<u8")),
        *(("size", "<u8"), ("link", "<u4"), ("info", "<u4"), ("align", "<u8"), ("entry", "<u8")),
    ]
)
_SYMBOL = np.dtype(
    [("name", "<u4"), ("info", "u1"), ("other", "u1"), ("section", "<u2"), ("value", "<u8"), ("size", "<u8")]
)
_RELA = np.dtype([("at", "<u8"), ("kind", "<u4"), ("symbol", "<u4"), ("addend", "<i8")])

_MAGIC = b"\x7fELF\x02\x01\x01"  # 64 bits, little endian
_X86_64 = 62
_CONTENT, _SYMBOLS, _RELOCATIONS, _UNWINDING = 1, 2, 4, 0x70000001
_WRITE, _LOADED = 1, 2
_UNDEFINED, _COMMON = 0, 0xFFF2
_ABSOLUTE, _DISTANCE = 1, 24  # R_X86_64_64, R_X86_64_PC64


class NotSimpleError(Exception):
    """An object file has something that is not known here."""


@dataclass(frozen=True)
class Image:
    """Code and constants, which are only read; then pointers, which are written, from the next page on."""

    code: Array  # (n,) uint8, n a multiple of PAGE
    pointers: int  # their bytes, all zero
    relocations: Array  # (m,) RELOCATION
    externals: list[str]  # names whose addresses the loader has to know
    symbols: dict[str, int]  # defined names: places in the image


@dataclass(frozen=True)
class _Object:
    data: bytes
    sections: Any  # (n,) _SECTION
    symbols: Any  # (n,) _SYMBOL
    names: list[str]  # of the symbols


def linked(files: Iterable[bytes]) -> Image:
    """Put object files together. Raises NotSimpleError. Of equal names in several files, `symbols` has the last one."""
    objects = [_read(data) for data in files]
    code = bytearray()
    places = [_place_sections(read, code) for read in objects]
    code += bytes(-len(code) % PAGE)
    symbols: dict[str, int] = {}
    externals: dict[str, int] = {}
    relocations: list[tuple[int, int, int, int]] = []
    pointers = 0
    for read, base in zip(objects, places, strict=True):
        values: list[int] = []  # of the symbols: their places, or -1 - the number of an external name
        for name, symbol in zip(read.names, read.symbols.tolist(), strict=True):
            section, value = symbol[3], symbol[4]
            if section == _UNDEFINED and name:
                values.append(-1 - externals.setdefault(name, len(externals)))
                continue
            if section == _COMMON:  # a pointer; its value is its alignment
                pointers += -pointers % value
                values.append(len(code) + pointers)
                pointers += symbol[5]
            else:
                values.append(base.get(section, 0) + value)
            symbols[name] = values[-1]
        relocations += _relocated(read, base, values, code)
    table = np.array(relocations, RELOCATION)
    return Image(np.frombuffer(bytes(code), np.uint8), pointers, table, list(externals), symbols)


def _relocated(
    read: _Object, base: dict[int, int], values: list[int], code: bytearray
) -> list[tuple[int, int, int, int]]:
    """Write the distances within the image; return the relocations that need an address."""
    left = []
    for section in read.sections:
        if section["type"] != _RELOCATIONS or int(section["info"]) not in base:
            continue
        for at, kind, symbol, addend in _table(read.data, section, _RELA).tolist():
            if kind not in (_ABSOLUTE, _DISTANCE):
                raise NotSimpleError(f"a relocation of kind {kind}")
            place, value = base[int(section["info"])] + at, values[symbol]
            if value < 0:
                left.append((place, -1 - value, int(kind == _DISTANCE), addend))
            elif kind == _ABSOLUTE:
                left.append((place, -1, 0, value + addend))
            else:
                code[place : place + 8] = (value + addend - place).to_bytes(8, "little", signed=True)
    return left


def _place_sections(read: _Object, code: bytearray) -> dict[int, int]:
    """Add what an object file has to be loaded; return the place of each section."""
    base = {}
    for number, section in enumerate(read.sections):
        kind, size = int(section["type"]), int(section["size"])
        # Tables for C++ exceptions: compiled code has none.
        if not section["flags"] & _LOADED or not size or kind == _UNWINDING:
            continue
        if kind != _CONTENT or section["flags"] & _WRITE:
            raise NotSimpleError(f"a section of type {kind} with flags {section['flags']}")
        code += bytes(-len(code) % max(int(section["align"]), 1))
        base[number] = len(code)
        offset = int(section["offset"])
        code += read.data[offset : offset + size]
    return base


def _read(data: bytes) -> _Object:
    if data[:7] != _MAGIC or int.from_bytes(data[18:20], "little") != _X86_64:
        raise NotSimpleError("no object file for x86-64")
    start, count = int.from_bytes(data[0x28:0x30], "little"), int.from_bytes(data[0x3C:0x3E], "little")
    sections = np.frombuffer(data, _SECTION, count, start)
    tables = sections[sections["type"] == _SYMBOLS]
    if len(tables) != 1:
        raise NotSimpleError(f"{len(tables)} tables of symbols")
    symbols = _table(data, tables[0], _SYMBOL)
    texts = sections[int(tables[0]["link"])]
    names = data[int(texts["offset"]) : int(texts["offset"] + texts["size"])]
    return _Object(data, sections, symbols, [_text(names, at) for at in symbols["name"].tolist()])


def _table(data: bytes, section: Any, kind: Any) -> Any:
    return np.frombuffer(data, kind, int(section["size"]) // kind.itemsize, int(section["offset"]))


def _text(names: bytes, at: int) -> str:
    return names[at : names.index(b"\0", at)].decode()
