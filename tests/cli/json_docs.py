"""What docs/use/json.md says of the objects that commands write."""

import re
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "use" / "json.md"


def documented(command: str) -> set[str]:
    """Return the names in a command's table: the fields of its objects and of what is in them, and some values."""
    table = PAGE.read_text().partition(f"`callprint {command} --json`, for each")[2].split("\n\n")[1]
    return set(re.findall("`([a-z_0-9]+)`", table))
