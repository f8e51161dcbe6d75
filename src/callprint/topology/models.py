"""How workers get the network: from Storm's blobstore, or from a path that exists on every worker.

A supervisor puts the files of the blobstore beside the topology's code and renews them when an operator replaces the
blobs, so a new model needs no new submit. A bolt checks the files now and then.
"""

import logging
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from callprint.core.ground.errors import ModelError
from callprint.topology.settings import ANY_DEVICE, BLOBSTORE, THRESHOLD_OF_CARD, TopologySettings

if TYPE_CHECKING:
    from callprint.inference import OnnxIdentifier

log = logging.getLogger(__name__)

CUDA = "CUDAExecutionProvider"

NO_MODEL = "none"


def blobs_of(topology: str, model: Path) -> dict[str, Path]:
    """Return {key in the blobstore: file} for the files of a model. On a worker they keep their file names."""
    return {f"{topology}-model.onnx": model, f"{topology}-model.json": model.with_suffix(".json")}


class ModelFile:
    """Finds, loads and watches the model of a topology."""

    def __init__(self, settings: TopologySettings, start: Path | None = None) -> None:
        """`start` is where to look for the blobs: by default the working folder of a component."""
        self._settings = settings
        self._start = start or Path.cwd()
        self._loaded: tuple[object, ...] = ()

    def path(self) -> Path:
        """Return the model's file: the blob if there is one, else the path in the settings."""
        named = Path(self._settings.model)
        # Components run in `resources/`, below the folder in which the supervisor links the blobs.
        blob = self._start.parent / named.name
        return blob if self._settings.model_from == BLOBSTORE and blob.exists() else named

    def load(self) -> "OnnxIdentifier | None":
        """Return the identifier, None when the settings ask for none. Raises ModelError.

        Logs a warning when CUDA was asked for and is not available.
        """
        if self._settings.model == NO_MODEL:
            return None
        settings = self._settings
        if settings.device != ANY_DEVICE:
            # Before CUDA starts: then the process sees no other device, and takes no memory of another.
            os.environ["CUDA_VISIBLE_DEVICES"] = str(settings.device)
        from callprint.inference import load_model  # noqa: PLC0415 - ONNX Runtime, only where a network runs

        path = self.path()
        self._loaded = self._versions(path)
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
        """Return whether model and card are there and differ from the ones that were loaded."""
        if self._settings.model == NO_MODEL:
            return False
        try:
            return self._versions(self.path()) != self._loaded
        except ModelError:
            return False  # it is being replaced

    @staticmethod
    def _versions(path: Path) -> tuple[object, ...]:
        """Return what changes when the model or its card is replaced."""
        try:
            model, card = path.resolve(strict=True), path.with_suffix(".json").resolve(strict=True)
            return (model, model.stat().st_mtime_ns, card, card.stat().st_mtime_ns)
        except OSError as error:
            raise ModelError(f"the model {path} cannot be read: {error.strerror}") from error
