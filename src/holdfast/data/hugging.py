"""Datasets of Hugging Face: a folder that `datasets` saved, or Parquet parts as the hub keeps them.

They are read as they lie, without the package `datasets`: the schema says which columns are classes and which
hold pictures or sounds.
"""

import io
import json
import re
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Any

import numpy as np
import pyarrow
from pyarrow import ipc, parquet

from holdfast.core.errors import DataError, InputError
from holdfast.core.media import modality_of
from holdfast.core.progress import progress
from holdfast.data.listing import Listing, list_names
from holdfast.data.litter import is_hidden
from holdfast.data.source import MAX_SAMPLE_BYTES, Listed, Source, too_large

_MEDIA = {"Image", "Audio"}
_PART = re.compile(r"([a-z_]+?)(?:-\d+-of-\d+)?\.(?:parquet|arrow)")
_MAGIC = (
    (b"\x89PNG", ".png"),
    (b"\xff\xd8\xff", ".jpg"),
    (b"GIF8", ".gif"),
    (b"RIFF", ".webp"),
    (b"fLaC", ".flac"),
    (b"OggS", ".ogg"),
    (b"ID3", ".mp3"),
    (b"\xff\xfb", ".mp3"),
    (b"BM", ".bmp"),
)


def is_hugging(path: Path) -> bool:
    """Whether a folder is a dataset that `datasets` saved, or holds Parquet parts that say they are one; or a
    file is such a part, with pictures or sounds in it, or with classes."""
    if path.is_file():
        schema = _schema(path) if path.suffix.lower() == ".parquet" else None
        return schema is not None and _speaks_of_samples(schema)
    if not path.is_dir():
        return False
    if (path / "dataset_dict.json").is_file() or (path / "state.json").is_file():
        return True
    parts = [*path.glob("*.parquet"), *path.glob("data/*.parquet")]
    first = _schema(parts[0]) if parts else None
    return first is not None and bool(_features(first))


@contextmanager
def hugging_source(
    path: Path, *, ignore: tuple[str, ...] = (), apart: tuple[Path, ...] = ()
) -> Iterator[Source]:
    """Open such a folder or part: a table of its rows, beside the pictures or sounds in them as files.

    Args:
        path: where it is.
        ignore: patterns of columns that do not count.
        apart: folders that are no part of it, should they lie in it.

    Raises:
        DataError: if there are no rows, or a part is damaged.
    """
    folder = path.parent if path.is_file() else path
    parts = [path] if path.is_file() else _parts(path, apart)
    if not parts:
        raise DataError(f"there are no .arrow or .parquet files in {folder}", hint="save the dataset again")
    with tempfile.TemporaryFile() as spill:
        rows = _Rows(spill, folder)
        with progress("unpacking", len(parts), unit="parts") as bar:
            for part in parts:
                try:
                    rows.add(part)
                except (pyarrow.ArrowException, OSError) as error:
                    raise DataError(f"{part} is damaged: {error}", hint="fetch or save it again") from error
                bar.advance()
        yield _Hugging(rows, parts[0].name if len(parts) == 1 else f"*{parts[0].suffix}", ignore)


def _parts(folder: Path, apart: tuple[Path, ...]) -> list[Path]:
    here = folder.resolve()
    inside = {place for it in apart if here in (place := it.resolve()).parents}
    found = sorted([*folder.rglob("*.arrow"), *folder.rglob("*.parquet")])
    return [
        part
        for part in found
        if not part.name.startswith("cache-")
        and not any(map(is_hidden, part.relative_to(folder).parts))
        and not (inside and inside & set(part.resolve().parents))
    ]


@dataclass
class _Rows:
    """The rows in columns, and their media one after the other in a nameless file."""

    spill: IO[bytes]
    folder: Path
    tables: list[pyarrow.Table] = field(default_factory=list)
    places: dict[str, tuple[int, int]] = field(default_factory=dict)
    count: int = 0
    end: int = 0

    def add(self, part: Path) -> None:
        split = _split_of(part, self.folder)
        for batch in _batches(part):
            features = _features(batch.schema)
            columns: dict[str, Any] = {}
            media = [n for n in batch.schema.names if _is_media(features.get(n), batch.schema.field(n).type)]
            for place, name in enumerate(media):
                columns["file" if place == 0 else name] = self._keep(batch.column(name), split)
            for name in batch.schema.names:
                if name not in media:
                    plain = _plain_columns(name, batch.column(name), features.get(name))
                    columns |= {f"{own}_" if own in columns else own: it for own, it in plain.items()}
            if split:
                columns.setdefault("split", pyarrow.array([split] * len(batch)))
            self.tables.append(pyarrow.table(columns))

    def _keep(self, column: pyarrow.Array, split: str) -> pyarrow.Array:
        names = []
        for value in column.to_pylist():
            data, path = (value or {}).get("bytes"), (value or {}).get("path") or ""
            if data is None and path:
                data = self._beside(path)
            name = f"{split or 'rows'}/{self.count:07d}{_suffix(path, data or b'')}"
            self.count += 1
            if data is not None:
                self.spill.write(data)
                self.places[name] = (self.end, len(data))
                self.end += len(data)
            names.append(name)
        return pyarrow.array(names, pyarrow.string())

    def _beside(self, path: str) -> bytes | None:
        """A file that a row names; only within the folder, whatever the row says."""
        file = (self.folder / path).resolve()
        inside = file.is_relative_to(self.folder.resolve()) and file.is_file()
        return file.read_bytes() if inside else None


class _Hugging(Listed):
    def __init__(self, rows: _Rows, table: str, ignore: tuple[str, ...]) -> None:
        super().__init__(ignore, table)
        self._rows, self._lock = rows, threading.Lock()
        whole = pyarrow.concat_tables(rows.tables, promote_options="permissive")
        written = io.BytesIO()
        parquet.write_table(whole, written, compression="zstd")
        self._table = written.getvalue()

    def _list(self) -> Listing:
        files = ((name, length) for name, (_, length) in self._rows.places.items())
        return list_names([(self.table or "", len(self._table)), *files])

    def read(self, name: str, *, limit: int = MAX_SAMPLE_BYTES) -> bytes:
        if name == self.table:
            return self._table
        if name not in self._rows.places:
            raise InputError("cannot be read: the dataset does not have it")
        offset, length = self._rows.places[name]
        if length > limit:
            raise too_large(limit)
        with self._lock:
            self._rows.spill.seek(offset)
            return self._rows.spill.read(length)


def _batches(part: Path) -> Iterator[pyarrow.RecordBatch]:
    if part.suffix == ".parquet":
        with parquet.ParquetFile(part) as file:
            yield from file.iter_batches(batch_size=256)
        return
    with pyarrow.memory_map(str(part)) as mapped:
        for batch in ipc.open_stream(mapped):
            for start in range(0, len(batch), 256):
                yield batch.slice(start, 256)


def _schema(part: Path) -> pyarrow.Schema | None:
    try:
        return parquet.read_schema(part)
    except (pyarrow.ArrowException, OSError):  # damaged: whoever reads it will say so
        return None


def _speaks_of_samples(schema: pyarrow.Schema) -> bool:
    features = _features(schema)
    classes = [
        kind for kind in features.values() if isinstance(kind, dict) and kind.get("_type") == "ClassLabel"
    ]
    return bool(classes) or any(_is_media(features.get(n), schema.field(n).type) for n in schema.names)


def _features(schema: pyarrow.Schema) -> dict[str, Any]:
    """What `datasets` wrote into the schema of its columns; empty where it did not."""
    told = (schema.metadata or {}).get(b"huggingface", b"{}")
    try:
        return dict(json.loads(told).get("info", {}).get("features") or {})
    except (ValueError, AttributeError):
        return {}


def _is_media(kind: Any, type_: pyarrow.DataType) -> bool:
    if isinstance(kind, dict) and kind.get("_type") in _MEDIA:
        return True
    return pyarrow.types.is_struct(type_) and {part.name for part in type_} == {"bytes", "path"}


def _plain_columns(name: str, column: pyarrow.Array, kind: Any) -> dict[str, pyarrow.Array]:
    """A column as a table for people has it: classes by their names, many of them as columns of 0 and 1."""
    if isinstance(kind, dict) and kind.get("_type") == "ClassLabel":
        return {name: _named(column, kind["names"])}
    inner = kind.get("feature") if isinstance(kind, dict) else next(iter(kind or []), None)
    if isinstance(inner, dict) and inner.get("_type") == "ClassLabel":
        present = np.zeros((len(column), len(inner["names"])), np.int8)
        for row, classes in enumerate(column.to_pylist()):
            present[row, [index for index in classes or [] if index >= 0]] = 1
        return {label: pyarrow.array(present[:, place]) for place, label in enumerate(inner["names"])}
    if pyarrow.types.is_nested(column.type):
        return {name: pyarrow.array([json.dumps(value, default=str) for value in column.to_pylist()])}
    if pyarrow.types.is_binary(column.type) or pyarrow.types.is_large_binary(column.type):
        return {}
    return {name: column}


def _named(column: pyarrow.Array, names: Sequence[str]) -> pyarrow.Array:
    indices = column.to_pylist()  # -1 and None: nobody knows
    known = [names[it] if it is not None and 0 <= it < len(names) else "" for it in indices]
    return pyarrow.array(known, pyarrow.string())


def _split_of(part: Path, folder: Path) -> str:
    """The split that a part's name or folder speaks of; empty if neither does."""
    found = _PART.fullmatch(part.name)
    word = found[1] if found and found[1] != "data" else part.parent.name if part.parent != folder else ""
    return word if word not in ("data", "default") else ""


def _suffix(path: str, data: bytes) -> str:
    if path and modality_of(path):
        return PurePosixPath(path).suffix.lower()
    if data[:4] == b"RIFF" and data[8:12] == b"WAVE":
        return ".wav"
    return next((suffix for magic, suffix in _MAGIC if data.startswith(magic)), "")
