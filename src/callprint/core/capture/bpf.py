"""Classic BPF over frames in a buffer: which of them a filter passes.

As in libpcap, a load beyond the captured bytes ends the program and the frame is left out
(S. McCanne, V. Jacobson: The BSD packet filter, USENIX 1993; linux/bpf_common.h has the numbers).
"""

import numpy as np

from callprint.core.ground.arrays import Array
from callprint.core.ground.compiled import Row, compiled, read_only
from callprint.core.ground.errors import ConfigError
from callprint.core.ground.loads import be16, be32, le16, le32, load8
from callprint.core.packets import RECORD

INSTRUCTION = np.dtype([("code", "<u2"), ("if_true", "u1"), ("if_false", "u1"), ("constant", "<u4")])
"""One struct sock_filter."""
INSTRUCTION_BYTES = 8

MEMORY = 16  # words that a program may store
LONGEST = 1 << 16  # instructions

# The parts of `code`.
_CLASS, _SIZE, _MODE, _OPERATION, _FROM_X = 0x07, 0x18, 0xE0, 0xF0, 0x08
_LD, _LDX, _ST, _STX, _ALU, _JMP, _RET, _MISC = range(8)
_WORD, _HALF, _BYTE = 0x00, 0x08, 0x10
_IMMEDIATE, _ABSOLUTE, _INDIRECT, _MEMORY, _LENGTH, _HEADER_LENGTH = 0x00, 0x20, 0x40, 0x60, 0x80, 0xA0
_ADD, _SUB, _MUL, _DIV, _OR, _AND, _LSH, _RSH, _NEG, _MOD, _XOR = range(0x00, 0xB0, 0x10)
_ALWAYS, _EQUAL, _GREATER, _AT_LEAST, _SET = range(0x00, 0x50, 0x10)
_RETURN_A, _TXA = 0x10, 0x80
_U32 = 0xFFFFFFFF


def check_program(program: Array) -> None:
    """Raise ConfigError unless a program, (n,) INSTRUCTION, ends, stays inside itself and inside its memory."""
    kind = program["code"] & _CLASS
    mode = program["code"] & _MODE
    jumps = kind == _JMP
    always = jumps & (program["code"] & _OPERATION == _ALWAYS)
    at = np.arange(len(program), dtype=np.int64)
    furthest = np.maximum(program["if_true"], program["if_false"]).astype(np.int64)
    furthest = np.where(always, program["constant"].astype(np.int64), np.where(jumps, furthest, 0))
    stores = (kind == _ST) | (kind == _STX) | (((kind == _LD) | (kind == _LDX)) & (mode == _MEMORY))
    sound = (
        0 < len(program) <= LONGEST
        and int(kind[-1]) == _RET
        and bool(np.all(at + 1 + furthest < len(program) + (kind == _RET)))
        and bool(np.all(program["constant"][stores] < MEMORY))
    )
    if not sound:
        raise ConfigError("the filter is not a sound BPF program")


@compiled
def _load(data: np.ndarray, at: int, end: int, size: int) -> int:
    """Return a big-endian number of a frame that ends before `end`; -1 if it does not lie inside."""
    if size == _WORD:
        return -1 if at + 4 > end else be32(data, at)
    if size == _HALF:
        return -1 if at + 2 > end else be16(data, at)
    return -1 if at + 1 > end else load8(data, at)


@compiled
def _calculated(operation: int, a: int, b: int) -> int:
    """Return the 32 bits that an arithmetic instruction makes of two numbers; -1 for a division by zero."""
    if operation == _ADD:
        return (a + b) & _U32
    if operation == _SUB:
        return (a - b) & _U32
    if operation == _MUL:
        return ((a & 0xFFFF) * b + ((((a >> 16) * b) & 0xFFFF) << 16)) & _U32  # never beyond 63 bits
    if operation == _OR:
        return a | b
    if operation == _AND:
        return a & b
    if operation == _XOR:
        return a ^ b
    if operation == _LSH:
        return (a << b) & _U32 if b < 32 else 0
    if operation == _RSH:
        return a >> b if b < 32 else 0
    if operation == _NEG:
        return (-a) & _U32
    if b == 0:
        return -1
    return a // b if operation == _DIV else a % b


@compiled
def _passes(
    program: np.ndarray, data: np.ndarray, start: int, end: int, original: int, memory: np.ndarray
) -> bool:
    """Run a checked program on the frame from `start` to `end`; memory: (MEMORY,) int64, overwritten."""
    a = x = 0
    for i in range(MEMORY):
        memory[i] = 0
    at = 0
    while True:
        step = at * INSTRUCTION_BYTES
        at += 1
        code = le16(program, step)
        constant = le32(program, step + 4)
        kind = code & _CLASS
        operand = x if code & _FROM_X else constant
        if kind in (_LD, _LDX):
            mode = code & _MODE
            value = constant
            if mode == _MEMORY:
                value = int(memory[constant])
            elif mode == _LENGTH:
                value = original
            elif mode != _IMMEDIATE:
                size = code & _SIZE if mode != _HEADER_LENGTH else _BYTE
                value = _load(data, start + constant + (x if mode == _INDIRECT else 0), end, size)
                if value < 0:
                    return False
                if mode == _HEADER_LENGTH:
                    value = (value & 15) * 4
            if kind == _LD:
                a = value
            else:
                x = value
        elif kind == _ST:
            memory[constant] = a
        elif kind == _STX:
            memory[constant] = x
        elif kind == _ALU:
            a = _calculated(code & _OPERATION, a, operand)
            if a < 0:
                return False
        elif kind == _JMP:
            operation = code & _OPERATION
            if operation == _ALWAYS:
                at += constant
                continue
            holds = (
                (operation == _EQUAL and a == operand)
                or (operation == _GREATER and a > operand)
                or (operation == _AT_LEAST and a >= operand)
                or (operation == _SET and (a & operand) != 0)
            )
            at += load8(program, step + 2) if holds else load8(program, step + 3)
        elif kind == _RET:
            return (a if code & _SIZE == _RETURN_A else constant) != 0
        elif code & 0xF8 == _TXA:
            a = x
        else:
            x = a


@compiled
def passing(
    program: np.ndarray,  # (n * INSTRUCTION_BYTES,) uint8, as check_program wants it
    data: np.ndarray,  # (bytes,) uint8
    records: np.ndarray,  # (m,) RECORD
    link_type: int,
    memory: np.ndarray,  # (MEMORY,) int64, overwritten
    passes: np.ndarray,  # (m,) bool, written where the link type is this one
) -> None:
    """Say which frames of one link type the program passes."""
    for i in range(records.shape[0]):
        row: Row = records[i]
        if row.link_type == link_type:
            start: int = row.offset
            passes[i] = _passes(program, data, start, start + row.captured, row.original, memory)


def warm_up() -> None:
    """Compile (or load from disk) the interpreter, so that the first filter does not wait for the compiler."""
    nothing = read_only(np.zeros(0, np.uint8))
    passing(
        nothing, nothing, read_only(np.zeros(0, RECORD)), 1, np.zeros(MEMORY, np.int64), np.zeros(0, np.bool_)
    )
