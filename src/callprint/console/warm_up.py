"""What a console does before anybody asks: so that the first page does not wait for it."""

import asyncio
from contextlib import suppress

import numpy as np

from callprint.console.pages_now import RANGES, look
from callprint.console.site import Site
from callprint.core.ground.errors import StoreError
from callprint.core.spam.features import FEATURE_COUNT
from callprint.core.spam.prior_weights import WEIGHTS
from callprint.core.spam.scorecard import load


async def warm_up(site: Site) -> None:
    """Count what the longest chart shows, where the store has not kept that, and load the compiled scorecard."""
    with suppress(StoreError):  # whoever asks for a page is told
        await site.ask(lambda store: look(store, RANGES["7d"]))
    await asyncio.to_thread(lambda: load(WEIGHTS).points(np.zeros((1, FEATURE_COUNT)), at_end=True))
