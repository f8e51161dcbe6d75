"""What may have been meant by a name that nothing matches."""

import difflib
from collections.abc import Iterable

from callprint.core.ground.errors import ModelError
from callprint.core.identify.card import parse_card
from callprint.core.verdict import UNKNOWN
from callprint.declared_names import shipped_names
from callprint.model_files import SHIPPED, ModelFile, models_at
from callprint.output.console import printable
from callprint.stores import VerdictStore


def application_hint(application: str, store: VerdictStore) -> str:
    """Return what to say about a name that no model of this store, and none that is shipped, knows; else ""."""
    known = {UNKNOWN, *_known_to(store)}
    for model in models_at([SHIPPED]):
        if isinstance(model, ModelFile):
            known.update(model.card.classes)
    if application in known:
        return ""
    close = _close(application, known)
    names = (
        f"did you mean {' or '.join(map(printable, close))}?"
        if close
        else "`callprint models` lists those known"
    )
    return f"No model knows an application {printable(application)!r}: {names}"


def declared_hint(name: str) -> str:
    """Return what to say about a declared name that the table does not have; else ""."""
    known = shipped_names().names
    if name in known:
        return ""
    close = _close(name, set(known))
    meant = f": did you mean {' or '.join(close)}?" if close else ""
    return f"No product is called {printable(name)!r} in the table of declared names{meant}"


def _known_to(store: VerdictStore) -> Iterable[str]:
    for model in store.models():
        try:
            yield from parse_card(model.card).classes
        except ModelError:  # of another version
            continue


def _close(name: str, known: set[str]) -> list[str]:
    by_lower = {each.lower(): each for each in sorted(known)}
    return [by_lower[each] for each in difflib.get_close_matches(name.lower(), by_lower, n=3)]
