"""Runs classic BPF programs as the kernel does, so that they can be tested without privileges (linux/filter.h)."""

from callprint.sources import kernel_filter as bpf
from callprint.sources.fanout import LINK, NETWORK

WORD = 0xFFFFFFFF
FROM_X = {bpf.LOAD_WORD_X, bpf.LOAD_HALF_X, bpf.LOAD_BYTE_X}
SIZES = {
    **dict.fromkeys((bpf.LOAD_WORD, bpf.LOAD_WORD_X), 4),
    **dict.fromkeys((bpf.LOAD_HALF, bpf.LOAD_HALF_X), 2),
    **dict.fromkeys((bpf.LOAD_BYTE, bpf.LOAD_BYTE_X), 1),
}


def run(program: list[bpf.Instruction], frame: bytes, ancillary: dict[int, int], network: int = 14) -> int:
    """Return the program's result, which is 0 after a load beyond the frame, as in the kernel.

    `network` is the offset of the network header in the frame.
    """
    a = x = at = 0
    memory = [0] * 16
    while True:
        code, if_true, if_false, k = program[at]
        at += 1
        match code:
            case bpf.RETURN:
                return k
            case bpf.RETURN_A:
                return a
            case _ if code in SIZES:
                if k >= bpf.ANCILLARY:
                    a = ancillary[k]
                    continue
                begin = k + (x if code in FROM_X else 0)
                if k >= NETWORK:
                    begin += network - NETWORK
                elif k >= LINK:
                    begin -= LINK
                if begin + SIZES[code] > len(frame):
                    return 0
                a = int.from_bytes(frame[begin : begin + SIZES[code]], "big")
            case bpf.SET_A:
                a = k
            case bpf.SET_X:
                x = k
            case bpf.STORE_A:
                memory[k] = a
            case bpf.STORE_X:
                memory[k] = x
            case bpf.RECALL_A:
                a = memory[k]
            case bpf.RECALL_X:
                x = memory[k]
            case bpf.A_TO_X:
                x = a
            case bpf.ADD:
                a = (a + k) & WORD
            case bpf.ADD_X:
                a = (a + x) & WORD
            case bpf.MULTIPLY:
                a = (a * k) & WORD
            case bpf.XOR_X:
                a ^= x
            case bpf.AND:
                a &= k
            case bpf.SHIFT_LEFT:
                a = (a << k) & WORD
            case bpf.SHIFT_RIGHT:
                a >>= k
            case bpf.JUMP:
                at += k
            case bpf.JUMP_EQUAL:
                at += if_true if a == k else if_false
            case bpf.JUMP_SET:
                at += if_true if a & k else if_false
            case bpf.JUMP_AT_LEAST:
                at += if_true if a >= k else if_false
            case _:
                raise AssertionError(f"unknown instruction {code:#x}")
