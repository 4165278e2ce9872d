"""Datasets: names with immutable versions in tar shards and Parquet files."""

from holdfast.data.check import check
from holdfast.data.finding import LEVELS, Finding
from holdfast.data.fingerprint import fingerprint
from holdfast.data.ingest import ingest
from holdfast.data.look import Probe
from holdfast.data.plan import SPLITS, Quarantined, SourceOptions
from holdfast.data.version import (
    Version,
    VersionInfo,
    find_version,
    list_datasets,
    open_version,
    read_info,
    read_quarantine,
    unreadable_datasets,
    versions_of,
)

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
