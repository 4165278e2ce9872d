"""Writes a version in forms that other programs read: files, a tar, a zip, WebDataset shards, one Parquet."""

import io
import json
import shutil
import tarfile
import uuid
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import pyarrow
from pyarrow import parquet

from holdfast.core.ahead import ahead
from holdfast.core.errors import DataError
from holdfast.core.files import ASIDE, folder_aside, put_in_place, room_told, write_json
from holdfast.core.progress import Progress, progress
from holdfast.data.checkout import OWN, checkout, refuse_names
from holdfast.data.plan import META, SPLITS
from holdfast.data.shards import TARGET_BYTES, plain_suffixes
from holdfast.data.sheet import SHEET, are_files, write_sheet
from holdfast.data.version import Version

Format = Literal["folder", "tar", "zip", "webdataset", "parquet"]
_BY_SUFFIX: dict[str, Format] = {".tar": "tar", ".zip": "zip", ".parquet": "parquet", "": "folder"}
_THREADS = 2
_AHEAD = 64
_GROUP_BYTES = 64 * 2**20
"""Bytes of samples in one row group of a Parquet."""


def export(version: Version, to: Path, *, kind: Format | None = None, force: bool = False) -> Format:
    """Write a version to a new file or folder, which appears when it is whole; the form that it has.

    Args:
        version: open for reading.
        to: where it goes.
        kind: folder, tar and zip hold the files under their names and `samples.csv`; webdataset is a folder
            of tars for each split, with `.cls` and `.json` beside each sample; parquet holds the bytes too.
            By default what the suffix says, or a folder if there is none.
        force: replace what is there.

    Raises:
        DataError: if something is there, the suffix means nothing, or a name leads out of a folder.
    """
    chosen = kind or _BY_SUFFIX.get(to.suffix.lower())
    if chosen is None:
        raise DataError(
            f"{to.suffix!r} says no form to export to",
            hint=f"end in .tar, .zip or .parquet, or say it: --format {'|'.join(get_args(Format))}",
        )
    if to.exists() and not force:
        raise DataError(f"{to} is there already", hint="give another place, or replace it with --force")
    version.refuse_altered()
    to.parent.mkdir(parents=True, exist_ok=True)
    with room_told(to), progress("exporting", len(version), unit="samples") as bar:
        if chosen in ("folder", "webdataset"):
            _folder(version, to, bar, webdataset=chosen == "webdataset")
        else:
            write = {"tar": _tar, "zip": _zip, "parquet": _parquet}[chosen]
            aside = to.with_name(f"{ASIDE}{uuid.uuid4().hex}")
            try:
                write(version, aside, bar)
                if to.is_dir():
                    shutil.rmtree(to)
                put_in_place(aside, to)
            finally:
                aside.unlink(missing_ok=True)
    return chosen


def _folder(version: Version, to: Path, bar: Progress, *, webdataset: bool) -> None:
    with folder_aside(to.parent) as aside:
        if webdataset:
            _webdataset(version, aside, bar)
        else:
            checkout(version, aside)
            shutil.rmtree(aside / OWN)
        if to.is_dir():
            shutil.rmtree(to)
        else:
            to.unlink(missing_ok=True)
        aside.rename(to)


def _tar(version: Version, path: Path, bar: Progress) -> None:
    with tarfile.open(path, "w") as archive:

        def add(name: str, data: bytes) -> None:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))

        _pack(version, add, lambda sheet: archive.add(sheet, SHEET, filter=_plain), path, bar)


def _zip(version: Version, path: Path, bar: Progress) -> None:
    with zipfile.ZipFile(path, "w") as archive:

        def add(name: str, data: bytes) -> None:
            archive.writestr(zipfile.ZipInfo(name), data)

        _pack(version, add, lambda sheet: archive.write(sheet, SHEET), path, bar)


def _pack(
    version: Version,
    add: Callable[[str, bytes], None],
    add_file: Callable[[Path], None],
    path: Path,
    bar: Progress,
) -> None:
    """Put each file under its name into an archive, once, and the table beside them."""
    rows = np.flatnonzero(are_files(version))
    names, digests = (
        version.table.column(key).take(pyarrow.array(rows)).combine_chunks() for key in ("name", "digest")
    )
    refuse_names(names, digests, f"{version.info.name}@{version.info.version}")
    first = np.sort(np.unique(names.dictionary_encode().indices.to_numpy(), return_index=True)[1])
    for name, data in zip(
        names.take(pyarrow.array(first)).to_pylist(), _read(version, rows[first]), strict=True
    ):
        add(name, data)
        bar.advance()
    sheet = path.with_name(f"{path.name}.csv")
    try:
        write_sheet(version, sheet)
        add_file(sheet)
    finally:
        sheet.unlink(missing_ok=True)


def _webdataset(version: Version, folder: Path, bar: Progress) -> None:
    """Tars of some 128 MB for each split, with samples in the order of their digests, so mixed well."""
    lengths = version.table.column("length").to_numpy()
    shown = {name.removeprefix(META): name for name in version.table.column_names if name.startswith(META)}
    keys, suffixes = _keys(version), _suffixes(version)
    splits = version.table.column("split").to_numpy(zero_copy_only=False)
    for split in SPLITS:
        rows = np.flatnonzero(splits == split)
        parts = np.split(rows, np.flatnonzero(np.diff(np.cumsum(lengths[rows]) // TARGET_BYTES)) + 1)
        for number, part in enumerate(parts if len(rows) else []):
            with tarfile.open(
                folder / f"{split}-{number:06}.tar", "w", format=tarfile.USTAR_FORMAT
            ) as archive:
                for row, data in zip(part.tolist(), _read(version, part), strict=True):
                    for suffix, content in _members(version, row, data, suffixes[row], shown):
                        info = tarfile.TarInfo(f"{keys[row]}.{suffix}")
                        info.size = len(content)
                        archive.addfile(info, io.BytesIO(content))
                    bar.advance()
    write_json(folder / "dataset.json", version.info.to_json())


def _members(
    version: Version, row: int, data: bytes, suffix: str, shown: dict[str, str]
) -> Iterator[tuple[str, bytes]]:
    labels = list(version.labels_of(row))
    told: dict[str, Any] = {"name": version.names[row], "labels": labels}
    told |= {"group": version.groups[row], "split": version.splits[row]}
    told |= {"metadata": {name: version.table.column(key)[row].as_py() for name, key in shown.items()}}
    yield suffix, data
    if version.info.task == "single":
        yield "cls", str(int(version.targets[row])).encode()
    yield "json", json.dumps(told, ensure_ascii=False).encode()


def _keys(version: Version) -> list[str]:
    """The digest of each sample; of copies the later ones get a number, since a key must not come twice."""
    seen: dict[str, int] = {}
    found = []
    for digest in version.table.column("digest").to_pylist():
        seen[digest] = seen.get(digest, 0) + 1
        found.append(digest if seen[digest] == 1 else f"{digest}-{seen[digest]}")
    return found


def _suffixes(version: Version) -> list[str]:
    plain: list[str] = plain_suffixes(version.table.column("name").combine_chunks()).to_pylist()
    files = are_files(version).tolist()
    return [suffix.lstrip(".") or "bin" if file else "txt" for suffix, file in zip(plain, files, strict=True)]


def _parquet(version: Version, path: Path, bar: Progress) -> None:
    """One file of everything: the bytes (of texts the text), what is said of each sample, and its facts."""
    placed = ("shard", "offset", "length")
    table = version.table.select([name for name in version.table.column_names if name not in placed])
    is_text = version.info.modality == "text"
    field = pyarrow.field(
        "text" if is_text else "bytes", pyarrow.large_string() if is_text else pyarrow.large_binary()
    )
    lengths = version.table.column("length").to_numpy()
    rows = np.arange(len(table))
    groups = np.split(rows, np.flatnonzero(np.diff(np.cumsum(lengths) // _GROUP_BYTES)) + 1)
    with parquet.ParquetWriter(path, table.schema.insert(0, field), compression="zstd") as writer:
        for group in groups:
            data = list(_read(version, group))
            column = pyarrow.array([item.decode() for item in data] if is_text else data, field.type)
            part = table.take(pyarrow.array(group)).add_column(0, field, column)
            writer.write_table(part)
            bar.advance(len(group))


def _read(version: Version, rows: np.ndarray) -> Iterator[bytes]:
    pool: AbstractContextManager[Any]
    with ThreadPoolExecutor(_THREADS) as pool:
        yield from ahead(pool, version.read, (int(row) for row in rows), most=_AHEAD)


def _plain(info: tarfile.TarInfo) -> tarfile.TarInfo:
    """Without owner and time: the same version gives the same archive."""
    info.uid = info.gid = info.mtime = 0
    info.uname = info.gname = ""
    info.mode = 0o644
    return info
