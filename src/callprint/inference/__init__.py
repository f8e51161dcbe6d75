"""Inference: a model file and its card in, decisions on evidence logs out. The only part that runs ONNX Runtime."""

from pathlib import Path

from callprint.inference.onnx_identifier import OnnxIdentifier, load_model

DEFAULT_MODEL = Path(__file__).resolve().parents[3] / "models" / "compact.onnx"
"""The network that ships with callprint."""

__all__ = ["DEFAULT_MODEL", "OnnxIdentifier", "load_model"]
