"""Signatures of all samples of a version: made once, in threads, and kept beside the dataset."""

import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
from pyarrow import compute, parquet

from holdfast.core.cores import cores
from holdfast.core.errors import DataError, InputError
from holdfast.core.files import write_bytes
from holdfast.core.media import Modality
from holdfast.core.progress import progress
from holdfast.data import Version
from holdfast.data import signatures as sign
from holdfast.data.parquets import read_parquet
from holdfast.modality import seen

_PART = 20_000
"""Signatures in one file: what an interrupted check does not have to make again."""


def signatures(version: Version) -> pyarrow.Table:
    """The signatures of a version, one row for each of its distinct digests that can be read.

    Those that are missing are made and kept in `scans/signatures/` of the dataset, which may be deleted.
    """
    folder = version.folder.parents[1] / "scans" / "signatures"
    digests = version.table.column("digest").combine_chunks()
    known = _kept(folder, version.info.modality, digests)
    missing = compute.invert(compute.is_in(digests, value_set=known.column("digest").combine_chunks()))
    rows = np.flatnonzero(np.asarray(missing))
    _, first = np.unique(np.asarray(digests.dictionary_encode().indices)[rows], return_index=True)
    made = [known]
    with progress("looking for near duplicates", len(first), unit="samples") as bar:
        for part in _parts(np.sort(rows[first])):
            table = _make(version, part, bar)
            _keep(folder, table)
            made.append(table)
    return pyarrow.concat_tables(made)


def signature(modality: Modality, data: bytes) -> dict[str, Any]:
    """The signature of one sample, a row for `holdfast.data.signatures.rows_of`.

    Raises:
        InputError: if it cannot be decoded.
    """
    sample = seen(modality, data)
    if modality == "image":
        return sign.picture(sample)
    return sign.text(sample) if modality == "text" else sign.sound(*sample)


def _kept(folder: Path, modality: Modality, wanted: pyarrow.Array) -> pyarrow.Table:
    """What was made before. A file that is damaged or of another form is not there."""
    schema = sign.schema(modality)
    tables = []
    for path in sorted(folder.glob("*.parquet")):
        try:
            table = read_parquet(path)
        except (pyarrow.ArrowException, OSError):
            continue
        if table.schema.equals(schema, check_metadata=True):
            tables.append(table.filter(compute.is_in(table.column("digest"), value_set=wanted)))
    return pyarrow.concat_tables(tables) if tables else schema.empty_table()


def _keep(folder: Path, table: pyarrow.Table) -> None:
    """Kept for the next time, where there is room: a check needs no more than the memory."""
    if not len(table):
        return
    buffer = io.BytesIO()
    parquet.write_table(table, buffer, compression="zstd")
    try:
        write_bytes(folder / f"{table.column('digest')[0]}-{len(table)}.parquet", buffer.getvalue())
    except OSError:
        return


def _parts(rows: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(rows), _PART):
        yield rows[start : start + _PART]


def _make(version: Version, rows: np.ndarray, bar: Any) -> pyarrow.Table:
    modality = version.info.modality

    def one(row: int) -> dict[str, Any] | None:
        try:
            return signature(modality, version.read(row))
        except (InputError, DataError):
            return None  # a damaged shard is a finding of its own
        finally:
            bar.advance()

    with ThreadPoolExecutor(min(16, cores() + 1)) as threads:
        made = list(threads.map(one, rows.tolist()))
    digests = version.table.column("digest").take(rows).to_pylist()
    found = {digest: signature for digest, signature in zip(digests, made, strict=True) if signature}
    return sign.rows_of(found, modality)
