"""What is measured of each sample: size, duration, brightness, loudness, format."""

import numpy as np
import pyarrow
from pyarrow import compute

from holdfast.data.plan import META
from holdfast.data.signatures import numbers
from holdfast.data.version import COLUMNS, Version

_KINDS = ("format", "mode", "rate", "channels")
"""Facts that name a kind, where no value lies between two others."""
_SIGNED = ("brightness", "contrast", "loudness", "silence", "words")


def measures(version: Version, signatures: pyarrow.Table | None) -> dict[str, np.ndarray]:
    """Numbers of each sample by name, float, shape (n,); NaN where nothing was measured.

    Bytes and the facts of the ingest; of pictures pixels and aspect (width over height) instead of width and
    height; with signatures also brightness, contrast, loudness, silence, words.
    """
    table = version.table
    found = {"bytes": numbers(table, "length").astype(float)}
    for name in table.column_names:
        column = table.column(name)
        plain = name not in (*COLUMNS, *_KINDS) and not name.startswith(META)
        if plain and (pyarrow.types.is_integer(column.type) or pyarrow.types.is_floating(column.type)):
            found[name] = np.asarray(column.cast("float64").to_numpy(), dtype=float)
    if "width" in found and "height" in found:
        width, height = found.pop("width"), found.pop("height")
        found |= {"pixels": width * height, "aspect": width / np.maximum(height, 1)}
    if signatures is not None and len(signatures):
        places = places_in(signatures, version)
        for name in (name for name in _SIGNED if name in signatures.column_names):
            found[name] = np.where(places >= 0, numbers(signatures, name)[places], np.nan).astype(float)
    return found


def kinds(version: Version) -> dict[str, np.ndarray]:
    """Kinds of each sample by name, such as format or rate, as text, shape (n,)."""
    there = [name for name in _KINDS if name in version.table.column_names]
    return {
        name: np.asarray(compute.fill_null(version.table.column(name).cast("string"), "unknown"), dtype=str)
        for name in there
    }


def places_in(signatures: pyarrow.Table, version: Version) -> np.ndarray:
    """The row of `signatures` that belongs to each sample, or -1, shape (n,)."""
    kept = signatures.column("digest").combine_chunks()
    places = compute.index_in(version.table.column("digest"), value_set=kept)
    return np.asarray(compute.fill_null(places, -1))
