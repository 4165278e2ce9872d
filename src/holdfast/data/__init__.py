"""Datasets: names with immutable versions in tar shards and Parquet files.

A name is loaded when it is first asked for: what a version holds can be told without pyarrow.
"""

from typing import TYPE_CHECKING

from holdfast.core.lazy_names import lazy_names

if TYPE_CHECKING:
    from holdfast.data.checks import check
    from holdfast.data.finding import LEVELS, Finding
    from holdfast.data.fingerprints import fingerprint
    from holdfast.data.info import (
        VersionInfo,
        find_version,
        list_datasets,
        read_info,
        unreadable_datasets,
        versions_of,
    )
    from holdfast.data.intake import ingest
    from holdfast.data.look import Probe
    from holdfast.data.plan import SPLITS, Quarantined, SourceOptions
    from holdfast.data.version import Version, open_version, read_quarantine

__all__ = [
    "LEVELS",
    "SPLITS",
    "Finding",
    "Probe",
    "Quarantined",
    "SourceOptions",
    "Version",
    "VersionInfo",
    "check",
    "find_version",
    "fingerprint",
    "ingest",
    "list_datasets",
    "open_version",
    "read_info",
    "read_quarantine",
    "unreadable_datasets",
    "versions_of",
]

_MODULES = {
    "checks": ("check",),
    "finding": ("LEVELS", "Finding"),
    "fingerprints": ("fingerprint",),
    "info": (
        "VersionInfo",
        "find_version",
        "list_datasets",
        "read_info",
        "unreadable_datasets",
        "versions_of",
    ),
    "intake": ("ingest",),
    "look": ("Probe",),
    "plan": ("SPLITS", "Quarantined", "SourceOptions"),
    "version": ("Version", "open_version", "read_quarantine"),
}

__getattr__ = lazy_names(__name__, _MODULES)
