"""What sections of a fingerprint are written with: characters, numbers, and a short hash of a list of codes. Compiled.

A text is a row of bytes that were 0 before; the functions return where the next character goes, and write nothing
behind its end.
"""

from callprint.core.ground.arrays import Array
from callprint.core.ground.compiled import compiled_allocating
from callprint.core.identify.evidence_tables import Integer

LONGEST_TEXT = 84  # bytes; the longest fingerprint has 82

NOT_SEEN = ord("-")
CUT = ord("~")  # behind what goes on where it cannot be read

_DIGITS = b"0123456789abcdefghijklmnopqrstuvwxyz"
_FNV_OFFSET, _FNV_PRIME = 0x811C9DC5, 0x01000193  # FNV-1a of 32 bits (RFC 9923)

HASH_OF_NOTHING = _FNV_OFFSET


@compiled_allocating
def put(text: Array, at: Integer, character: Integer) -> Integer:
    """Write one character."""
    if at < text.shape[0]:
        text[at] = character
        at += 1
    return at


@compiled_allocating
def put_digit(text: Array, at: Integer, value: Integer) -> Integer:
    """Write a number as one digit to base 36; z also stands for whatever is greater."""
    return put(text, at, _DIGITS[min(value, 35)])


@compiled_allocating
def put_number(text: Array, at: Integer, value: Integer) -> Integer:
    """Write a number in two decimal digits; 99 also stands for whatever is greater."""
    value = min(value, 99)
    return put(text, put(text, at, _DIGITS[value // 10]), _DIGITS[value % 10])


@compiled_allocating
def with_code(state: Integer, code: Integer) -> Integer:
    """Return the state of a hash after one more code of 16 bits: FNV-1a over its two bytes, the high one first."""
    state = ((state ^ (code >> 8)) * _FNV_PRIME) & 0xFFFFFFFF
    return ((state ^ (code & 255)) * _FNV_PRIME) & 0xFFFFFFFF


@compiled_allocating
def put_hash(text: Array, at: Integer, state: Integer) -> Integer:
    """Write a hash in six hexadecimal digits: the upper eight bits folded into the lower 24."""
    folded = (state >> 24) ^ (state & 0xFFFFFF)
    for shift in range(20, -1, -4):
        at = put(text, at, _DIGITS[(folded >> shift) & 15])
    return at
