"""The state of an interrupted training in a file: whole or not there, and refused when it belongs to another run."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import torch

from callprint.core.ground.errors import ModelError

Resumed = TypeVar("Resumed")
DAMAGED = (
    *(pickle.UnpicklingError, EOFError, RuntimeError, UnicodeDecodeError),
    *(AttributeError, KeyError, IndexError, TypeError, ValueError),
)
"""What torch raises for a file that it did not write, and what parts do that are given the state of others."""


def keep_state(path: Path, identity: dict[str, Any], state: dict[str, Any]) -> None:
    """Write the state of the run that `identity` names; an interruption leaves the old one or the whole new one."""
    partial = path.with_suffix(path.suffix + ".partial")
    torch.save({"identity": identity, **state}, partial)
    partial.replace(path)


def resume_state(
    path: Path, identity: dict[str, Any], restore: Callable[[dict[str, Any]], Resumed]
) -> Resumed | None:
    """Return what `restore` makes of a kept state, None where there is none.

    Raises ModelError when it is damaged, or of another run than `identity` names.
    """
    if not path.exists():
        return None
    try:
        state = torch.load(path, weights_only=True, map_location="cpu")
        if state["identity"] == identity:
            return restore(state)
    except DAMAGED as error:
        raise ModelError(f"{path} holds no run that can go on, or a damaged one: remove it") from error
    raise ModelError(f"{path} belongs to a run with other settings or data: remove it, or give them again")
