"""Where samples come from: a folder, a table, or a zip or tar of these, read in place and never unpacked."""

import bz2
import gzip
import lzma
import os
import stat
import tempfile
import threading
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np

from holdfast.core.errors import DataError, InputError
from holdfast.core.media import is_table
from holdfast.data.archives import damaged, tar_members, zip_members
from holdfast.data.listing import NO_FILE, Listing, list_folder
from holdfast.data.litter import LITTER, PAPER_NAMES, is_hidden, is_ignored

MAX_SAMPLE_BYTES = 512 * 2**20
"""Larger files are quarantined: they are seldom one sample, and each is held in memory once."""
MAX_TABLE_BYTES = 8 * 2**30
_FREE_BYTES = 2**30
_MAX_RATIO = 100  # texts pack 3 to 20 times; a bomb packs a thousand times and more
_UNPACK = {".gz": gzip.open, ".tgz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
_AS_IT_IS = getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
_DAMAGED = (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error, lzma.LZMAError)


class Source(Protocol):
    """Files with names. Reading is safe from several threads."""

    table: str | None
    """The one table that was named as the source, if one was."""

    @property
    def listing(self) -> Listing:
        """All files that count."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all files that count, with forward slashes, sorted."""
        ...

    @property
    def every_name(self) -> tuple[str, ...]:
        """Names of all files, also of those that do not count, apart from hidden folders."""
        ...

    @property
    def left_out(self) -> int:
        """How many files do not count: hidden, litter of a file manager, or told to be ignored."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should hear of it, once it was read: links that were not followed, and the like."""
        ...

    def read(self, name: str, *, limit: int = MAX_SAMPLE_BYTES) -> bytes:
        """The bytes of a file.

        Raises:
            InputError: if it cannot be read, or is longer than the limit.
        """
        ...


@contextmanager
def open_source(
    path: Path, *, ignore: tuple[str, ...] = (), apart: tuple[Path, ...] = ()
) -> Iterator[Source]:
    """Open a folder, a table, a zip or a tar.

    Args:
        path: where it is.
        ignore: patterns of files that do not count.
        apart: folders that are no part of it, should they lie in it: the workspace.

    Raises:
        DataError: if it is not there, is none of these, or would unpack to far more than it is.
    """
    if path.is_dir():
        yield _Folder(path, ignore, apart)
    elif not path.exists():
        raise DataError(f"there is nothing at {str(path)!r}", hint="give a folder, a table, a zip or a tar")
    elif is_table(path.name):
        yield _Folder(path.parent, ignore, apart, table=path.name)
    elif path.suffix.lower() == ".zip":
        with _opened_zip(path) as archive:
            yield _Zip(archive, path, ignore)
    elif is_tar(path):
        with _plain_tar(path) as file:
            yield _Tar(file, path, ignore)
    else:
        raise DataError(
            f"{path.name!r} is not something that samples can be read from",
            hint="give a folder, a table (.csv, .tsv, .parquet, .jsonl), a .zip or a .tar(.gz)",
        )


class Listed:
    """What all sources share: which files count."""

    def __init__(self, ignore: tuple[str, ...], table: str | None = None) -> None:
        self.table = table
        self._ignore = ignore
        self._said: tuple[str, ...] = ()

    @cached_property
    def listing(self) -> Listing:
        """As `Source` says."""
        return self._every.where(_counting(self._every, self._ignore))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """As `Source` says."""
        return tuple(sorted(self.listing.names.to_pylist()))

    @cached_property
    def every_name(self) -> tuple[str, ...]:
        """As `Source` says."""
        return tuple(sorted(self._every.names.to_pylist()))

    @property
    def left_out(self) -> int:
        """As `Source` says."""
        return len(self._every) - len(self.listing)

    @property
    def notes(self) -> tuple[str, ...]:
        """As `Source` says."""
        listed: Listing | None = vars(self).get("_every")  # a table of texts never asks what is beside it
        return (*self._said, *(listed.notes if listed else ()))

    def _on_disk(self, name: str) -> str:
        return self._every.odd.get(name, name) if "\\" in name else name

    @cached_property
    def _every(self) -> Listing:
        return self._list()

    def _list(self) -> Listing:
        raise NotImplementedError


class _Folder(Listed):
    def __init__(
        self, folder: Path, ignore: tuple[str, ...], apart: tuple[Path, ...], table: str | None = None
    ) -> None:
        super().__init__(ignore, table)
        self._folder, self._apart = str(folder), apart

    def _list(self) -> Listing:
        return list_folder(
            Path(self._folder),
            skip=is_hidden,
            ignored=lambda name: is_ignored(name, self._ignore),
            apart=self._apart,
        )

    def read(self, name: str, *, limit: int = MAX_SAMPLE_BYTES) -> bytes:
        try:
            return _read_file(f"{self._folder}/{self._on_disk(name)}", limit)
        except OSError as error:
            raise InputError(f"cannot be read: {error.strerror or error}") from error


class _Zip(Listed):
    def __init__(self, archive: zipfile.ZipFile, path: Path, ignore: tuple[str, ...]) -> None:
        super().__init__(ignore)
        self._archive, self._status = archive, path.stat()
        _refuse_bomb(path, sum(info.file_size for info in archive.infolist()))
        self._members = zip_members(archive)

    def _list(self) -> Listing:
        sizes = [(name, info.file_size) for name, info in self._members.places.items()]
        return self._members.listing(sizes, changed=self._status.st_mtime_ns, inode=self._status.st_ino)

    def read(self, name: str, *, limit: int = MAX_SAMPLE_BYTES) -> bytes:
        info = self._members.of(self._on_disk(name))
        try:
            with self._archive.open(info) as file:
                return _read_up_to(file, limit)
        except (*_DAMAGED, RuntimeError, NotImplementedError) as error:  # encrypted; packed in a strange way
            raise InputError(f"cannot be unpacked: {error}") from error


class _Tar(Listed):
    def __init__(self, file: IO[bytes], path: Path, ignore: tuple[str, ...]) -> None:
        super().__init__(ignore)
        self._file, self._lock, self._status = file, threading.Lock(), path.stat()
        self._members = tar_members(file, path.name)
        self._said = tuple(self._members.notes)

    def _list(self) -> Listing:
        sizes = [(name, size) for name, (_, size) in self._members.places.items()]
        return self._members.listing(sizes, changed=self._status.st_mtime_ns, inode=self._status.st_ino)

    def read(self, name: str, *, limit: int = MAX_SAMPLE_BYTES) -> bytes:
        offset, size = self._members.of(self._on_disk(name))
        if size > limit:
            raise too_large(limit)
        with self._lock:
            self._file.seek(offset)
            data = self._file.read(size)
        if len(data) != size:
            raise InputError("cannot be unpacked: the archive ends in the middle of it")
        return data


def _counting(listing: Listing, ignore: tuple[str, ...]) -> np.ndarray:
    """Which files are no litter and not to be ignored; bool, shape (n,)."""
    shown = np.array([not any(map(is_hidden, folder.split("/"))) for folder in listing.folders], bool)
    litter = listing.begins_with(".") | listing.called(LITTER) | listing.called(PAPER_NAMES)
    counting = ~litter & shown[listing.folder] if len(listing) else ~litter
    if ignore:
        counting &= np.array([not is_ignored(name, ignore) for name in listing.names.to_pylist()], bool)
    return np.asarray(counting)


def _read_file(path: str, limit: int) -> bytes:
    """The bytes of a file, with as few calls as can be: there may be millions. A pipe is not waited for."""
    handle = os.open(path, os.O_RDONLY | _AS_IT_IS)
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise InputError(NO_FILE)
        if status.st_size > limit:
            raise too_large(limit)
        data = os.read(handle, status.st_size + 1)
        if len(data) == status.st_size:
            return data
        with open(handle, "rb", closefd=False) as file:  # too large for one call; or it grew
            data += file.read(max(status.st_size + 1 - len(data), 0))
        if len(data) == status.st_size:
            return data
        raise InputError("changed while it was being read")
    finally:
        os.close(handle)


def _read_up_to(file: IO[bytes], limit: int) -> bytes:
    data = file.read(limit + 1)
    if len(data) > limit:
        raise too_large(limit)
    return data


def too_large(limit: int) -> InputError:
    """What to say of a file that is longer than a limit in bytes."""
    return InputError(f"larger than {limit // 2**20} MB")


def _refuse_bomb(path: Path, unpacked: int) -> None:
    packed = path.stat().st_size
    if unpacked > max(_FREE_BYTES, packed * _MAX_RATIO):
        raise DataError(
            f"{path.name!r} holds {packed:,} bytes but would unpack to {unpacked:,} or more: "
            f"over {_MAX_RATIO} times as much",
            hint="unpack it yourself if you trust it, and give the folder",
        )


@contextmanager
def _opened_zip(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError) as error:
        raise damaged(path.name, error) from error
    with archive:
        yield archive


def is_tar(path: Path) -> bool:
    """Whether a file's name is that of a tar, packed or not."""
    return any(suffix in (".tar", ".tgz") for suffix in [s.lower() for s in path.suffixes[-2:]])


@contextmanager
def _plain_tar(path: Path) -> Iterator[IO[bytes]]:
    """The archive as a plain tar, in which one can jump; a packed one is unpacked to a nameless file."""
    unpack: Any = _UNPACK.get(path.suffix.lower())
    if unpack is None:
        with path.open("rb") as file:
            yield file
        return
    with tempfile.TemporaryFile() as plain:
        try:
            with unpack(path, "rb") as packed:
                while block := packed.read(2**20):
                    plain.write(block)
                    _refuse_bomb(path, plain.tell())
        except _DAMAGED as error:
            raise damaged(path.name, error) from error
        plain.seek(0)
        yield plain
