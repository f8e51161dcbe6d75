"""Inference: a model file and its card in, decisions on evidence logs out. The only part that runs ONNX Runtime."""

from callprint.inference.onnx_identifier import OnnxIdentifier, load_model
from callprint.model_files import DEFAULT_MODEL

__all__ = ["DEFAULT_MODEL", "OnnxIdentifier", "load_model"]
