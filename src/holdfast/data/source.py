"""Where samples come from: a folder, a table, or a zip or tar of these, read in place and never unpacked."""

import bz2
import gzip
import lzma
import os
import tarfile
import tempfile
import threading
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import IO, Any, Protocol

from holdfast.core.errors import DataError, InputError
from holdfast.data.tables import is_table

MAX_SAMPLE_BYTES = 512 * 2**20
"""Larger files are quarantined: they are seldom one sample, and each is held in memory once."""
MAX_TABLE_BYTES = 8 * 2**30
_FREE_BYTES = 2**30
_MAX_RATIO = 100  # texts pack 3 to 20 times; a bomb packs a thousand times and more
_UNPACK = {".gz": gzip.open, ".tgz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
_DAMAGED = (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error, lzma.LZMAError)
_LITTER = ("__macosx", "thumbs.db", "desktop.ini", "__pycache__", "$recycle.bin")
_PAPERS = ("readme", "license", "licence", "copying", "notice", "changelog", "citation", "contributing")
_PAPER = ("", ".md", ".txt", ".rst", ".html", ".pdf")


class Source(Protocol):
    """Files with names. Reading is safe from several threads."""

    table: str | None
    """The one table that was named as the source, if one was."""

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

    def read(self, name: str, *, limit: int = MAX_SAMPLE_BYTES) -> bytes:
        """The bytes of a file.

        Raises:
            InputError: if it cannot be read, or is longer than the limit.
        """
        ...


@contextmanager
def open_source(path: Path, *, ignore: tuple[str, ...] = ()) -> Iterator[Source]:
    """Open a folder, a table, a zip or a tar.

    Raises:
        DataError: if it is not there, is none of these, or would unpack to far more than it is.
    """
    if path.is_dir():
        yield _Folder(path, ignore)
    elif not path.exists():
        raise DataError(f"there is nothing at {str(path)!r}", hint="give a folder, a table, a zip or a tar")
    elif is_table(path.name):
        yield _Folder(path.parent, ignore, table=path.name)
    elif path.suffix.lower() == ".zip":
        with _opened_zip(path) as archive:
            yield _Zip(archive, path, ignore)
    elif _is_tar(path):
        with _plain_tar(path) as file:
            yield _Tar(file, path, ignore)
    else:
        raise DataError(
            f"{path.name!r} is not something that samples can be read from",
            hint="give a folder, a table (.csv, .tsv, .parquet, .jsonl), a .zip or a .tar(.gz)",
        )


class _Named:
    """What all sources share: which names count."""

    def __init__(self, ignore: tuple[str, ...], table: str | None = None) -> None:
        self.table = table
        self._ignore = ignore

    @cached_property
    def every_name(self) -> tuple[str, ...]:
        return tuple(sorted(self._all_names()))

    @cached_property
    def names(self) -> tuple[str, ...]:
        return tuple(name for name in self.every_name if self._counts(name))

    @property
    def left_out(self) -> int:
        return len(self.every_name) - len(self.names)

    def _counts(self, name: str) -> bool:
        return not is_litter(name) and not is_ignored(name, self._ignore)

    def _all_names(self) -> list[str]:
        raise NotImplementedError


class _Folder(_Named):
    def __init__(self, folder: Path, ignore: tuple[str, ...], table: str | None = None) -> None:
        super().__init__(ignore, table)
        self._folder = folder

    def _all_names(self) -> list[str]:
        found, seen = [], set()
        for place, folders, files in os.walk(self._folder, followlinks=True):
            status = Path(place).stat()
            identity = (status.st_dev, status.st_ino)
            if identity in seen and status.st_ino:  # a link that leads back up
                folders.clear()
                continue
            seen.add(identity)
            folders[:] = [inner for inner in folders if not _is_hidden(inner)]
            inner = Path(place).relative_to(self._folder).as_posix()
            found += [file if inner == "." else f"{inner}/{file}" for file in files]
        return found

    def read(self, name: str, *, limit: int = MAX_SAMPLE_BYTES) -> bytes:
        try:
            with (self._folder / name).open("rb") as file:
                return _read_up_to(file, limit)
        except OSError as error:
            raise InputError(f"cannot be read: {error.strerror or error}") from error


class _Zip(_Named):
    def __init__(self, archive: zipfile.ZipFile, path: Path, ignore: tuple[str, ...]) -> None:
        super().__init__(ignore)
        self._archive = archive
        self._members = {_clean(info.filename): info for info in archive.infolist() if not info.is_dir()}
        _refuse_bomb(path, sum(info.file_size for info in archive.infolist()))

    def _all_names(self) -> list[str]:
        return list(self._members)

    def read(self, name: str, *, limit: int = MAX_SAMPLE_BYTES) -> bytes:
        try:
            with self._archive.open(self._members[name]) as file:
                return _read_up_to(file, limit)
        except (*_DAMAGED, RuntimeError, NotImplementedError) as error:  # encrypted; packed in a strange way
            raise InputError(f"cannot be unpacked: {error}") from error


class _Tar(_Named):
    def __init__(self, file: IO[bytes], path: Path, ignore: tuple[str, ...]) -> None:
        super().__init__(ignore)
        self._file, self._lock = file, threading.Lock()
        try:
            with tarfile.open(fileobj=file, mode="r:") as archive:
                members = [member for member in archive if member.isfile() and not member.issparse()]
        except (tarfile.TarError, EOFError, OSError) as error:
            raise DataError(f"{path.name!r} is a damaged archive: {error}") from error
        self._members = {_clean(member.name): (member.offset_data, member.size) for member in members}

    def _all_names(self) -> list[str]:
        return list(self._members)

    def read(self, name: str, *, limit: int = MAX_SAMPLE_BYTES) -> bytes:
        offset, size = self._members[name]
        if size > limit:
            raise _too_large(limit)
        with self._lock:
            self._file.seek(offset)
            data = self._file.read(size)
        if len(data) != size:
            raise InputError("cannot be unpacked: the archive ends in the middle of it")
        return data


def is_litter(name: str) -> bool:
    """Whether a file is hidden, left by a file manager, or a paper that goes with the data.

    >>> is_litter("__MACOSX/cat/._1.jpg"), is_litter("README.md"), is_litter("signs/notice.jpg")
    (True, True, False)
    """
    parts = name.split("/")
    own = PurePosixPath(parts[-1].casefold())
    return any(map(_is_hidden, parts)) or (own.stem in _PAPERS and own.suffix in _PAPER)


def is_ignored(name: str, patterns: tuple[str, ...]) -> bool:
    """Whether a pattern names this file, or a folder that it is in.

    >>> is_ignored("old/a.jpg", ("old/",)), is_ignored("b/a.jpg", ("*.jpg",)), is_ignored("a", ("b",))
    (True, True, False)
    """
    parts = name.split("/")
    heads = ["/".join(parts[: end + 1]) for end in range(len(parts))]
    trimmed = [pattern.removeprefix("./").rstrip("/") for pattern in patterns]
    return any(fnmatchcase(text, pattern) for pattern in trimmed for text in (*parts, *heads))


def _is_hidden(part: str) -> bool:
    return part.startswith(".") or part.casefold() in _LITTER


def _read_up_to(file: IO[bytes], limit: int) -> bytes:
    data = file.read(limit + 1)
    if len(data) > limit:
        raise _too_large(limit)
    return data


def _too_large(limit: int) -> InputError:
    return InputError(f"larger than {limit // 2**20} MB")


def _clean(name: str) -> str:
    return name.replace("\\", "/").removeprefix("./").lstrip("/")


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
        raise DataError(f"{path.name!r} is a damaged archive: {error}") from error
    with archive:
        yield archive


def _is_tar(path: Path) -> bool:
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
            raise DataError(f"{path.name!r} is a damaged archive: {error}") from error
        plain.seek(0)
        yield plain
