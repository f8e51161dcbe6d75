"""The number of a source: which run of which agent, and at which site.

The upper half is the site: all agents that see the same calls, whose packets therefore belong together. A run
without a site name is a site of its own. The lower half tells the runs of a site apart. So the site of everything
that a source sent is known without a look-up.
"""

import zlib

_RUN_BITS = 32
_UNNAMED = 1 << 31


def source_number(site: str | None, random: bytes) -> int:
    """Return the number of a run. random: at least 8 bytes that no other run has; site: None for one of its own."""
    run = int.from_bytes(random[:4], "little")
    own = int.from_bytes(random[4:8], "little") | _UNNAMED
    named = own if site is None else zlib.crc32(site.encode()) & ~_UNNAMED
    return named << _RUN_BITS | run


def site_of(source: int) -> int:
    """Return the number of the site that a source belongs to."""
    return source >> _RUN_BITS


def is_named(site: int) -> bool:
    """Return whether the site outlives its sources: it has a name, so another run may come."""
    return not site & _UNNAMED
