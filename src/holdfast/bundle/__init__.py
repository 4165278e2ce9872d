"""The border between training and serving: what a run exports."""

from holdfast.bundle.bundle import Bundle, open_bundle, seal
from holdfast.bundle.card import write_card
from holdfast.bundle.manifest import Manifest
from holdfast.bundle.reference import Reference, read_reference, write_reference

__all__ = [
    "Bundle",
    "Manifest",
    "Reference",
    "open_bundle",
    "read_reference",
    "seal",
    "write_card",
    "write_reference",
]
