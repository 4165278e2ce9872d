"""The border between training and serving: what a run exports."""

from holdfast.bundle.abstention import read_abstention, write_abstention
from holdfast.bundle.bundle import Bundle, open_bundle, seal
from holdfast.bundle.card import write_card
from holdfast.bundle.golden import Golden, read_golden, write_golden
from holdfast.bundle.manifest import Manifest
from holdfast.bundle.reference import Reference, read_reference, write_reference
from holdfast.bundle.signature import check_signature, check_trusted, sign_bundle

__all__ = [
    "Bundle",
    "Golden",
    "Manifest",
    "Reference",
    "check_signature",
    "check_trusted",
    "open_bundle",
    "read_abstention",
    "read_golden",
    "read_reference",
    "seal",
    "sign_bundle",
    "write_abstention",
    "write_card",
    "write_golden",
    "write_reference",
]
