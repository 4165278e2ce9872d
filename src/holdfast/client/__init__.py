"""Asking a server for predictions, from Python: needs nothing but the standard library."""

from typing import TYPE_CHECKING

from holdfast.core.lazy_names import lazy_names

if TYPE_CHECKING:
    from holdfast.client.asking import Client, Input
    from holdfast.client.results import Failure, Info, Job, Prediction, Window

__all__ = ["Client", "Failure", "Info", "Input", "Job", "Prediction", "Window"]

_MODULES = {
    "asking": ("Client", "Input"),
    "results": ("Failure", "Info", "Job", "Prediction", "Window"),
}
__getattr__ = lazy_names(__name__, _MODULES)
