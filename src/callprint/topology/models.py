"""The network on its way to the workers: Storm's blobstore, or a path that every worker has.

The blobstore's supervisor puts the files beside the topology's code and renews them when an operator replaces
the blobs, so a new model needs no new submit. A bolt looks at the files now and then.
"""

import logging
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from callprint.core.ground.errors import ModelError
from callprint.core.identify.card import card_text
from callprint.stores.base import RegisteredModel
from callprint.topology.settings import ANY_DEVICE, BLOBSTORE, THRESHOLD_OF_CARD, TopologySettings

if TYPE_CHECKING:
    from callprint.inference import OnnxIdentifier

log = logging.getLogger(__name__)

CUDA = "CUDAExecutionProvider"

NO_MODEL = "none"


def blobs_of(topology: str, model: Path) -> dict[str, Path]:
    """Return the files of a model by their keys in the blobstore. On a worker they keep their names."""
    return {f"{topology}-model.onnx": model, f"{topology}-model.json": model.with_suffix(".json")}


def registration(identifier: "OnnxIdentifier", now_ns: int) -> RegisteredModel:
    """Return what the store is told of a model that will give verdicts."""
    card = identifier.card
    return RegisteredModel(identifier.name, card.onnx_sha256, card_text(card), now_ns)


class ModelFile:
    """Finds, loads and watches the model of a topology."""

    def __init__(self, settings: TopologySettings, start: Path | None = None) -> None:
        """`start` is where to look for the blobs: the working folder of a component, by default."""
        self._settings = settings
        self._start = start or Path.cwd()
        self._loaded: tuple[object, ...] = ()

    def path(self) -> Path:
        """Return the model's file: the blob where there is one, else the path of the settings."""
        named = Path(self._settings.model)
        # Components run in `resources/` below the folder where the supervisor links the blobs.
        blob = self._start.parent / named.name
        return blob if self._settings.model_from == BLOBSTORE and blob.exists() else named

    def load(self) -> "OnnxIdentifier | None":
        """Return the identifier, None when the settings ask for none. Raises ModelError.

        It is a warning when CUDA was asked for and is not there.
        """
        if self._settings.model == NO_MODEL:
            return None
        settings = self._settings
        if settings.device != ANY_DEVICE:
            # Before CUDA is started: then the process knows no other device, and takes memory of no other.
            os.environ["CUDA_VISIBLE_DEVICES"] = str(settings.device)
        from callprint.inference import load_model  # noqa: PLC0415 - ONNX Runtime, only where a network runs

        path = self.path()
        self._loaded = self._state(path)
        identifier = load_model(path, threads=settings.inference_threads)
        if settings.threshold != THRESHOLD_OF_CARD:
            policy = replace(identifier.card.policy, threshold=settings.threshold)
            identifier.card = replace(identifier.card, policy=policy)
        provider = identifier.provider
        if settings.device != ANY_DEVICE and provider != CUDA:
            log.warning(
                "callprint.device asks for CUDA device %d, but %s runs on %s: is onnxruntime-gpu installed here?",
                settings.device, identifier.name, provider,
            )  # fmt: skip
        return identifier

    def changed(self) -> bool:
        """Return whether the file is another one than the one that was loaded, and is whole."""
        if self._settings.model == NO_MODEL:
            return False
        try:
            return self._state(self.path()) != self._loaded
        except ModelError:
            return False  # being replaced just now

    @staticmethod
    def _state(path: Path) -> tuple[object, ...]:
        try:
            model, card = path.resolve(strict=True), path.with_suffix(".json").resolve(strict=True)
            return (model, model.stat().st_mtime_ns, card, card.stat().st_mtime_ns)
        except OSError as error:
            raise ModelError(f"the model {path} cannot be read: {error.strerror}") from error
