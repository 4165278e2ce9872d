"""A model version in one row, read from its small files alone."""

import json
from typing import Any

from holdfast.bundle.manifest import EVALUATION, MANIFEST, read_manifest
from holdfast.core.errors import BundleError
from holdfast.core.files import digest_bytes
from holdfast.core.refs import Ref
from holdfast.registry.store import Store

_COLUMNS = ("run", "created", "digest", "dataset", "headline", "value", "low", "high", "problem")


def row_of(ref: Ref, store: Store, version: int, aliases: dict[str, int]) -> dict[str, Any]:
    """What lists show of a version. What cannot be read is None, and `problem` says why."""
    row: dict[str, Any] = {
        "ref": str(ref),
        "name": ref.name,
        "version": version,
        "aliases": [alias for alias, holder in aliases.items() if holder == version],
        **dict.fromkeys(_COLUMNS),
    }
    if row["aliases"] and version not in store.versions():
        return {
            **row,
            "problem": f"the version is gone, but {' and '.join(row['aliases'])} still points there",
        }
    try:
        entry = store.entry(version)
        row |= {name: entry[name] for name in ("run", "created", "digest")}
        row |= _numbers(store, version)
    except BundleError as error:
        row["problem"] = error.message.splitlines()[0]
    return row


def _numbers(store: Store, version: int) -> dict[str, Any]:
    folder = store.bundle(version)
    try:
        manifest = read_manifest((folder / MANIFEST).read_bytes(), str(folder / MANIFEST))
        evaluation = (folder / EVALUATION).read_bytes() if EVALUATION in manifest.files else b"{}"
    except OSError as error:
        raise BundleError(f"{error.filename} cannot be read ({error.strerror})") from None
    if EVALUATION in manifest.files and digest_bytes(evaluation) != manifest.files[EVALUATION]:
        raise BundleError(f"{folder / EVALUATION} is damaged")
    headline = json.loads(evaluation).get("headline")
    origin = manifest.provenance
    return {
        "dataset": f"{origin['dataset']}@{origin['version']}" if "dataset" in origin else None,
        "headline": headline,
        **{end: manifest.metrics.get(headline, {}).get(end) for end in ("value", "low", "high")},
    }
