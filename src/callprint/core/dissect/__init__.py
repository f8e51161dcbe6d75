"""Dissection: RECORD rows (frames in a buffer) in, PACKET rows (quad-tuple, payload, kind) out. No I/O."""

import numpy as np

from callprint.core.dissect.dissector import SIGNALLING_PORTS, dissect
from callprint.core.dissect.h225 import H225_PORT
from callprint.core.packets import RECORD

__all__ = ["H225_PORT", "SIGNALLING_PORTS", "dissect", "warm_up"]


def warm_up() -> None:
    """Compile (or load from disk) the dissector, so that the first capture does not wait for the compiler."""
    dissect(np.empty(0, np.uint8), np.empty(0, RECORD))
