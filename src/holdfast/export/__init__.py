"""From a trained network to one ONNX graph."""
