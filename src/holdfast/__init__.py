"""Holdfast takes a classifier from a folder of labelled files to a monitored API."""

from typing import TYPE_CHECKING

from holdfast.core.lazy_names import lazy_names

if TYPE_CHECKING:
    from holdfast.client import Client as Client

__version__ = "0.1.0"
__getattr__ = lazy_names(__name__, {"client": ("Client",)})
