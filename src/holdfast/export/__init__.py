"""From a trained network to one ONNX graph."""

from holdfast.export.onnx import export_onnx, set_temperature, torch_probabilities

__all__ = ["export_onnx", "set_temperature", "torch_probabilities"]
