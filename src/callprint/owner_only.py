"""Files and folders for their owner alone: what callprint keeps is people's calls, or lets somebody in."""

import os
from pathlib import Path

FILE_MODE, FOLDER_MODE = 0o600, 0o700


def owner_only(path: str, flags: int) -> int:
    """Open a file that its owner alone can read if it is made now; an opener for `open`."""
    return os.open(path, flags | os.O_CLOEXEC, FILE_MODE)


def make_folder(folder: Path) -> None:
    """Make a folder, and what is missing above it, unless it is there. Raises OSError."""
    folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
