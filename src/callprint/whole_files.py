"""Small files that are there whole or not at all, whenever their writer is killed."""

import os
from pathlib import Path

from callprint.core.ground.errors import ConfigError
from callprint.owner_only import make_folder


def write_whole(path: Path, text: str) -> None:
    """Put a file in the place of the one of this name. Raises ConfigError when it cannot be written."""
    beside = path.with_name(path.name + ".new")
    try:
        make_folder(path.parent)
        with beside.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}") from error
