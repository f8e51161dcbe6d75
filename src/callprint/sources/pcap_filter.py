"""Filters as tcpdump understands them (pcap-filter(7)): compiled by libpcap, run over frames by compiled code.

libpcap is loaded only when a filter is asked for, and does nothing but compile: packets never pass through it.
"""

import ctypes
import ctypes.util
from functools import cache
from typing import Any

import numpy as np

from callprint.core.capture.bpf import INSTRUCTION, MEMORY, check_program, passing
from callprint.core.ground.arrays import Array
from callprint.core.ground.compiled import read_only
from callprint.core.ground.errors import ConfigError

USUAL = (1, 105)
"""Ethernet and 802.11: what means something on neither of them is no filter."""
SNAPSHOT_BYTES = 262_144  # a frame's longest, as in captures
DLT_OF_LINKTYPE = {14: 12, 100: 11, 101: 12, 102: 15, 103: 16}
"""Where libpcap's own number on Linux is not that of capture files."""
_NETMASK_UNKNOWN = 0xFFFFFFFF


class _Instruction(ctypes.Structure):
    _fields_ = (
        ("code", ctypes.c_ushort),
        ("if_true", ctypes.c_ubyte),
        ("if_false", ctypes.c_ubyte),
        ("constant", ctypes.c_uint32),
    )


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint), ("instructions", ctypes.POINTER(_Instruction)))


class PacketFilter:
    """Tells which frames pass a filter expression, whatever their link types."""

    def __init__(self, expression: str) -> None:
        """Compile the expression.

        Raises ValueError with libpcap's words where it is wrong, ConfigError where libpcap is not installed.
        """
        self.expression = expression
        self.not_applicable: dict[int, str] = {}
        """Link types for which the expression means nothing, with libpcap's reason; none of their frames passes."""
        self._memory = np.zeros(MEMORY, np.int64)
        self._programs: dict[int, Array | None] = {}
        self._reasons: dict[int, str] = {}
        if all(self._program(link_type) is None for link_type in USUAL):
            raise ValueError(self._reasons[USUAL[0]])

    def passes(self, data: Array, records: Array) -> Array:
        """Return which frames pass, (n,) bool; data: (bytes,) uint8, records: (n,) RECORD."""
        passed = np.zeros(len(records), np.bool_)
        for link_type in np.unique(records["link_type"]).tolist():
            program = self._program(link_type)
            if program is None:
                self.not_applicable[link_type] = self._reasons[link_type]
            else:
                passing(program, read_only(data), read_only(records), link_type, self._memory, passed)
        return passed

    def _program(self, link_type: int) -> Array | None:
        if link_type not in self._programs:
            try:
                self._programs[link_type] = compile_filter(self.expression, link_type)
            except ValueError as error:
                self._programs[link_type] = None
                self._reasons[link_type] = str(error)
        return self._programs[link_type]


def compile_filter(expression: str, link_type: int) -> Array:
    """Return the program, (n * INSTRUCTION_BYTES,) uint8, of an expression for a LINKTYPE_ number.

    Raises ValueError with libpcap's words where the expression is wrong or means nothing on such frames, ConfigError
    where there is no libpcap.
    """
    library = _libpcap()
    handle = library.pcap_open_dead(DLT_OF_LINKTYPE.get(link_type, link_type), SNAPSHOT_BYTES)
    if not handle:
        raise ConfigError("libpcap has no memory left")
    try:
        program = _Program()
        text = expression.encode()
        if b"\0" in text:
            raise ValueError("a filter is text")
        if library.pcap_compile(handle, ctypes.byref(program), text, 1, _NETMASK_UNKNOWN):
            raise ValueError(library.pcap_geterr(handle).decode(errors="replace"))
        size = program.length * ctypes.sizeof(_Instruction)
        instructions = np.frombuffer(ctypes.string_at(program.instructions, size), INSTRUCTION).copy()
        library.pcap_freecode(ctypes.byref(program))
    finally:
        library.pcap_close(handle)
    check_program(instructions)
    return read_only(instructions.view(np.uint8))


@cache
def _libpcap() -> Any:
    name = ctypes.util.find_library("pcap")
    try:
        library = ctypes.CDLL(name or "libpcap.so.1")
    except OSError as error:
        raise ConfigError(
            "--filter needs libpcap, which is not installed: apt-get install libpcap0.8 (Debian), "
            "dnf install libpcap (Fedora), apk add libpcap (Alpine)"
        ) from error
    library.pcap_open_dead.argtypes = (ctypes.c_int, ctypes.c_int)
    library.pcap_open_dead.restype = ctypes.c_void_p
    library.pcap_compile.argtypes = (
        ctypes.c_void_p,
        ctypes.POINTER(_Program),
        ctypes.c_char_p,
        ctypes.c_int,
        ctypes.c_uint32,
    )
    library.pcap_compile.restype = ctypes.c_int
    library.pcap_geterr.argtypes = (ctypes.c_void_p,)
    library.pcap_geterr.restype = ctypes.c_char_p
    library.pcap_freecode.argtypes = (ctypes.POINTER(_Program),)
    library.pcap_freecode.restype = None
    library.pcap_close.argtypes = (ctypes.c_void_p,)
    library.pcap_close.restype = None
    return library
