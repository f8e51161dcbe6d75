"""The golden files of released forms (released/README.md), and values compared with them by name."""

import gzip
import json
import math
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np

from callprint.core.calls.branches import Branches

GOLDEN = Path(__file__).parent / "released" / "golden"


def golden(name: str) -> bytes:
    """Return the bytes of a golden file; of one that ends in .gz what it holds."""
    data = (GOLDEN / name).read_bytes()
    return gzip.decompress(data) if name.endswith(".gz") else data


def golden_json(name: str) -> Any:
    """Return what a golden JSON file says."""
    return json.loads(golden(name))


def golden_lines(name: str) -> list[Any]:
    """Return the objects of a golden file in JSON Lines."""
    return [json.loads(line) for line in golden(name).splitlines()]


FEATURES: list[str] = golden_json("expected/features.json")
"""The names of the features of a call as they were then, in the order of a vector."""


NAME_THEN = {
    "endpoints": "places",
    "received": "heard",
    "progress_seen": "met",
    "progress": "marks",
    "latest_clock_ns": "latest_ns",
    "latest_message_ns": "told_ns",
}
"""What a field was called when the files were written, by its name of today."""


def plain(value: Any) -> Any:
    """Return a value as JSON holds it, with its fields by name: bytes in hex, NaN as "NaN", sets sorted."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, np.generic):
        return _named(value) if value.dtype.names else plain(value.item())
    if isinstance(value, Branches):
        return {name: None for _, name in value.pending}  # all that was known of them
    if is_dataclass(value):
        named = {
            NAME_THEN.get(field.name, field.name): plain(getattr(value, field.name))
            for field in fields(value)
        }
        if "features" in named:
            named["features"] = dict(zip(FEATURES, named["features"], strict=False))
        return named
    if hasattr(value, "_asdict"):
        return {name: plain(each) for name, each in value._asdict().items()}
    if isinstance(value, dict):
        return {_key(name): plain(each) for name, each in value.items()}
    if isinstance(value, set | frozenset):
        return sorted(map(plain, value))
    if isinstance(value, np.ndarray) or (not isinstance(value, str | bytes) and hasattr(value, "__iter__")):
        return [plain(each) for each in value]
    if isinstance(value, bytes):
        return value.hex()
    return "NaN" if isinstance(value, float) and math.isnan(value) else value


def _key(name: Any) -> str:
    return ",".join(str(plain(part)) for part in name) if isinstance(name, tuple) else str(plain(name))


def _named(row: Any) -> dict[str, Any]:
    return {name: plain(row[name]) for name in row.dtype.names}


def differences(expected: Any, found: Any, where: str = "") -> Iterator[str]:
    """Say where `found` is not what is expected. What it has besides, under new names, is no difference."""
    if isinstance(expected, dict) and isinstance(found, dict):
        for name, value in expected.items():
            if name in found:
                yield from differences(value, found[name], f"{where}.{name}")
            else:
                yield f"{where}.{name} is gone"
    elif isinstance(expected, list) and isinstance(found, list):
        if len(expected) != len(found):
            yield f"{where} has {len(found)} entries, not {len(expected)}"
        for i, (one, other) in enumerate(zip(expected, found, strict=False)):
            yield from differences(one, other, f"{where}[{i}]")
    elif isinstance(expected, float) and isinstance(found, float):
        # Other processors round the last bits of a sum in another way.
        if not math.isclose(expected, found, rel_tol=1e-9, abs_tol=1e-12):
            yield f"{where} is {found!r}, not {expected!r}"
    elif expected != found or type(expected) is not type(found):
        yield f"{where} is {found!r}, not {expected!r}"


def assert_holds(expected: Any, found: Any) -> None:
    """Fail unless `found`, any value, has everything that is expected, by name."""
    wrong = list(differences(expected, plain(found)))
    assert not wrong, "\n".join(wrong[:20])
