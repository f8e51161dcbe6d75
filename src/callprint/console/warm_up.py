"""What a console does before anybody asks: so that the first page does not wait for it."""

import asyncio
from contextlib import suppress
from importlib import import_module

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
    with suppress(ImportError):  # without the extra `spit`, which the page of unknown flows names
        await asyncio.to_thread(_load_clustering)
    await asyncio.to_thread(lambda: load(WEIGHTS).points(np.zeros((1, FEATURE_COUNT)), at_end=True))


def _load_clustering() -> None:
    """Import what the page of unknown flows needs: scikit-learn takes seconds."""
    for name in ("clusters", "naming", "picture", "regroup"):
        import_module(f"callprint.unknowns.{name}")
