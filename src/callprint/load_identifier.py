"""The network that names applications, by its file, or the one that is in place."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from callprint.core.flow import EngineSettings
from callprint.core.ground.errors import ModelError
from callprint.network_in_place import network_in_place
from callprint.secret_places import in_secret_places

if TYPE_CHECKING:
    from callprint.inference import OnnxIdentifier

NO_MODEL = "none"
"""In place of a file: flows and calls stay without names, and ONNX Runtime is not needed."""


def engine_settings(identifier: "OnnxIdentifier | None", *, live: bool = False) -> EngineSettings:
    """Return the settings of a flow engine that looks at flows when the network asks for it."""
    settings = EngineSettings() if identifier is None else EngineSettings(checkpoints=identifier.checkpoints)
    return in_secret_places(settings, live=live)


def load_identifier(model: "str | os.PathLike[str] | None" = None) -> "OnnxIdentifier | None":
    """Load a network; None where flows are to stay without names.

    Raises ModelError that says what to do, and ConfigError when the list of networks in place is damaged.
    """
    if model == NO_MODEL:
        return None
    try:
        from callprint.inference import load_model  # noqa: PLC0415 - `none` works without it
    except ModuleNotFoundError as error:
        if error.name != "onnxruntime":
            raise
        raise ModelError(
            "naming applications needs ONNX Runtime: `sh tools/setup.sh cpu` in the clone installs it, "
            "`pip install callprint[cpu]` beside an installed package; `--model none` shows flows and calls "
            "without names"
        ) from error
    return load_model(network_in_place() if model is None else Path(model))
