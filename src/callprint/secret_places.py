"""Where flows, candidates and handshakes lie in their tables is kept from those who send them."""

import secrets
from dataclasses import replace

from callprint.core.flow import EngineSettings


def in_secret_places(settings: EngineSettings, *, live: bool) -> EngineSettings:
    """Return settings with keys that no sender knows.

    Of files the sets of candidates and handshakes stay those of the hashes: which of a flood go is seen in the
    verdicts, and a file has the same ones each time.
    """
    placed = replace(settings, index_key=secrets.randbits(64))
    return replace(placed, set_key=secrets.randbits(64)) if live else placed
