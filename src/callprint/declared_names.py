"""The table of declared names that comes with callprint: declared_names.toml."""

import tomllib
from functools import cache
from importlib.resources import files

from callprint.core.declared.table import NameTable


@cache
def shipped_names() -> NameTable:
    """Return the table."""
    return NameTable(**tomllib.loads(files("callprint").joinpath("declared_names.toml").read_text("utf-8")))
