"""Processor time, and which processor it was: the times of a report mean little without that."""

import platform
import time
from collections.abc import Callable
from pathlib import Path

# The widest first. Without VNNI, 8-bit networks gain half of what they gain with it.
VECTORS = (("avx512_vnni", "AVX-512 with VNNI"), ("avx512f", "AVX-512"), ("avx2", "AVX2, not AVX-512"))


def processor(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """Return the processor's name and its widest vector instructions, as far as the system tells."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    facts = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    flags = facts.get("flags", "").split()
    vectors = next((f" ({name})" for flag, name in VECTORS if flag in flags), "")
    return facts.get("model name", platform.machine()) + vectors


def processor_s(work: Callable[[], object]) -> float:
    """Return the processor seconds that a call takes, of all threads together."""
    begin_s = time.process_time()
    work()
    return time.process_time() - begin_s
