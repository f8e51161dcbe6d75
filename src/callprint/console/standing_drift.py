"""The drift of the models at hand, measured beside the pages on the latest verdicts of the store."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from callprint.console.background import Background
from callprint.core.identify.drift import Drift, measure
from callprint.model_files import ModelFile, models_at
from callprint.stores import VerdictQuery, open_store

MOST_VERDICTS = 20_000  # the latest; `callprint drift` takes more
OLD_AFTER_S = 60.0


@dataclass(frozen=True, slots=True)
class Measured:
    """The drift of one model."""

    parts: tuple[Drift, ...]  # empty: too few flows, or the card has no reference
    flows: int  # that could be compared
    has_reference: bool


class StandingDrift:
    """The drift of each model, by the digest of its network."""

    def __init__(self, store_url: str) -> None:
        self.paths: tuple[Path, ...] = ()
        self.work: Background[dict[str, Measured]] = Background(lambda: _measured(store_url, self.paths))

    def look(self, paths: Iterable[Path]) -> dict[str, Measured] | None:
        """Return what was measured last, None where nothing was, and measure anew where that is due."""
        self.paths = tuple(paths)
        if self.work.age_s > OLD_AFTER_S and not self.work.problem:
            self.work.start()
        return self.work.found.value if self.work.found else None


def _measured(store_url: str, paths: tuple[Path, ...]) -> dict[str, Measured]:
    from callprint.drift import from_verdicts  # noqa: PLC0415 - the extra `cpu`
    from callprint.inference import load_model  # noqa: PLC0415

    with open_store(store_url, create=False) as store:
        rows = store.verdicts(VerdictQuery(limit=MOST_VERDICTS))
        verdicts = [row.verdict for row in islice(rows, MOST_VERDICTS)]
    found = {}
    for model in models_at(path for path in paths if path.exists()):
        if not isinstance(model, ModelFile) or not model.intact:
            continue
        reference = model.card.reference
        if reference is None:
            found[model.card.onnx_sha256] = Measured((), 0, has_reference=False)
            continue
        identifier = load_model(model.path)
        sample = from_verdicts(verdicts, identifier).sample
        parts = tuple(measure(reference, identifier.applications, sample))
        found[model.card.onnx_sha256] = Measured(parts, sample.flows, has_reference=True)
    return found
