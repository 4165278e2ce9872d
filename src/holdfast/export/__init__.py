"""From a trained network to one ONNX graph, and from that to a smaller or faster one.

A name is loaded when it is first asked for: a graph is made smaller without torch.
"""

from typing import TYPE_CHECKING

from holdfast.core.lazy_names import lazy_names

if TYPE_CHECKING:
    from holdfast.export.graphs import open_session, read_temperature
    from holdfast.export.half import half_precision
    from holdfast.export.int8 import (
        METHODS,
        Method,
        dynamic_int8,
        fits_dynamic,
        fits_static,
        hangs_on_batch,
        has_convolutions,
        has_tables,
        saturates,
        static_int8,
    )
    from holdfast.export.onnx import export_onnx, set_temperature, torch_probabilities

__all__ = [
    "METHODS",
    "Method",
    "dynamic_int8",
    "export_onnx",
    "fits_dynamic",
    "fits_static",
    "half_precision",
    "hangs_on_batch",
    "has_convolutions",
    "has_tables",
    "open_session",
    "read_temperature",
    "saturates",
    "set_temperature",
    "static_int8",
    "torch_probabilities",
]

_MODULES = {
    "graphs": ("open_session", "read_temperature"),
    "half": ("half_precision",),
    "int8": (
        "METHODS",
        "Method",
        "dynamic_int8",
        "fits_dynamic",
        "fits_static",
        "hangs_on_batch",
        "has_convolutions",
        "has_tables",
        "saturates",
        "static_int8",
    ),
    "onnx": ("export_onnx", "set_temperature", "torch_probabilities"),
}

__getattr__ = lazy_names(__name__, _MODULES)
