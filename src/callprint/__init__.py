"""callprint: which VoIP application made each call leg, and which calls are spam.

    import callprint

    for flow in callprint.identify("call.pcap"):
        print(flow.src_ip, flow.application, f"{flow.confidence:.0%}")

What `__all__` lists is the interface for programs (docs/use/python.md); everything else may change with any version.
"""

import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from callprint.machine_code import keeping

if TYPE_CHECKING:
    from callprint.core.call import CallRecord
    from callprint.core.ground.errors import (
        CallprintError,
        CaptureError,
        ConfigError,
        ModelError,
        StoreError,
    )
    from callprint.core.verdict import FlowKey, FlowSummary, Verdict
    from callprint.interface import Flow, Identification, QualityWindow, identify
    from callprint.output.tables import Tables
    from callprint.stores import CallQuery, VerdictQuery, open_store

__version__ = "0.1.0"

__all__ = [
    "CallQuery",
    "CallRecord",
    "CallprintError",
    "CaptureError",
    "ConfigError",
    "Flow",
    "FlowKey",
    "FlowSummary",
    "Identification",
    "ModelError",
    "QualityWindow",
    "StoreError",
    "Tables",
    "Verdict",
    "VerdictQuery",
    "identify",
    "open_store",
]

_PLACES = {
    "callprint.core.call": ("CallRecord",),
    "callprint.core.ground.errors": (
        "CallprintError",
        "CaptureError",
        "ConfigError",
        "ModelError",
        "StoreError",
    ),
    "callprint.core.verdict": ("FlowKey", "FlowSummary", "Verdict"),
    "callprint.interface": ("Flow", "Identification", "QualityWindow", "identify"),
    "callprint.output.tables": ("Tables",),
    "callprint.stores": ("CallQuery", "VerdictQuery", "open_store"),
}


def _prepare() -> None:
    from callprint.machine_code import numba_import  # noqa: PLC0415 - nothing of it before something compiled is called

    numba_import.prepare()


def _ready(name: str, otherwise: Callable[[], Callable[..., Any]]) -> Callable[..., Any] | None:
    from callprint.machine_code import ready  # noqa: PLC0415 - as above

    return ready.find(name, otherwise)


keeping.install(_prepare, _ready)


def __getattr__(name: str) -> Any:
    """Import what a program asks for: `import callprint` alone costs nothing, also for the command line."""
    for module, names in _PLACES.items():
        if name in names:
            found = getattr(importlib.import_module(module), name)
            globals()[name] = found
            return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
