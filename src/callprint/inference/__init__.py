"""Inference: a model file and its card in, decisions on evidence logs out. The only part that runs ONNX Runtime."""

from typing import TYPE_CHECKING, Any

from callprint.model_files import DEFAULT_MODEL

if TYPE_CHECKING:
    from callprint.inference.onnx_identifier import OnnxIdentifier, load_model

__all__ = ["DEFAULT_MODEL", "OnnxIdentifier", "load_model"]


def __getattr__(name: str) -> Any:
    """Load ONNX Runtime with the first use: the help of a command names the default model without it (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    from callprint.inference import onnx_identifier  # noqa: PLC0415 - see above

    return getattr(onnx_identifier, name)
