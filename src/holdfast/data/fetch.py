"""Sources that are not on this machine: `s3://`, `gs://`, `https://` and `hf://`."""

import hashlib
import tempfile
import threading
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, Protocol, Self
from urllib.parse import quote, unquote, urlsplit

from holdfast.core.addresses import masked
from holdfast.core.errors import DataError, InputError
from holdfast.core.media import is_table
from holdfast.core.progress import progress
from holdfast.data.hugging import hugging_source, is_hugging
from holdfast.data.listing import Listing, list_stamped
from holdfast.data.remote import Bucket, Entry, open_remote
from holdfast.data.remote_faults import retrying
from holdfast.data.source import MAX_SAMPLE_BYTES, Listed, Source, is_tar, open_source, too_large

_THREADS = 32
_AHEAD = 8
"""Files that are fetched before they are asked for, where files are read one after the other."""
_AHEAD_BYTES = 4 * 2**20
"""Larger ones are not."""
_PART_BYTES = 16 * 2**20


@contextmanager
def open_any(
    source: str | Path, *, ignore: tuple[str, ...] = (), apart: tuple[Path, ...] = ()
) -> Iterator[Source]:
    """Open a source wherever it is: on this machine as `open_source` does, at an address, or a HF dataset.

    Args:
        source: a path or an address.
        ignore: patterns of files that do not count.
        apart: folders here that are no part of it, should they lie in it.

    Raises:
        DataError: if it is not there, is none of these, or may not be read.
    """
    text = str(source)
    if "://" not in text:
        opened = hugging_source if is_hugging(Path(source)) else open_source
        with opened(Path(source), ignore=ignore, apart=apart) as it:
            yield it
        return
    place, name = place_of(text)
    archive = [Entry(name, 0, 0, "")] if name and not is_table(name) else []
    parts = [] if name else _hugging_parts(place)
    if archive:
        with _downloaded(archive, place) as folder, open_source(folder / name, ignore=ignore) as it:
            yield it
    elif parts:
        with _downloaded(parts, place) as folder, hugging_source(folder, ignore=ignore) as it:
            yield it
    else:
        with _Fetched(place, ignore, table=name or None) as it:
            yield it


class Place(Protocol):
    """A folder somewhere else. Names are relative to it."""

    @property
    def uri(self) -> str:
        """Its address, without secrets."""
        ...

    def entries(self) -> list[Entry]:
        """All files in it and in its folders."""
        ...

    def read(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        """Bytes of a file; all of it where parts are not given. FileNotFoundError if it is not there."""
        ...


@dataclass
class _InBucket:
    bucket: Bucket
    folder: str

    @property
    def uri(self) -> str:
        return f"{self.bucket.uri}/{self.folder}".rstrip("/")

    def entries(self) -> list[Entry]:
        return self.bucket.entries(self.folder)

    def read(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        return self.bucket.read(f"{self.folder}/{name}" if self.folder else name, offset, length)


class _OnHub:
    """Files of a dataset on the Hugging Face hub: `hf://datasets/user/name[@revision][/folder]`."""

    def __init__(self, uri: str) -> None:
        from huggingface_hub import HfFileSystem

        self.uri, self._path = uri, uri.removeprefix("hf://").rstrip("/")
        self._fs: Any = HfFileSystem(skip_instance_cache=True)

    def entries(self) -> list[Entry]:
        found = self._do("listing", lambda: self._fs.find(self._path, detail=True))
        root = self._fs.resolve_path(self._path).unresolve().rstrip("/") + "/"
        files = [(path.removeprefix(root), info) for path, info in found.items()]
        marks = ((name, info["size"], str(info.get("blob_id") or "")) for name, info in files)
        return [Entry(name, size, 1, mark) for name, size, mark in marks]

    def read(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        span = {} if length is None else {"start": offset, "end": offset + length}
        data: bytes = self._do("reading", lambda: self._fs.cat_file(f"{self._path}/{name}", **span))
        return data

    def _do(self, doing: str, call: Callable[[], Any]) -> Any:
        try:
            return retrying(call, uri=self.uri, doing=doing, permission="a login (`hf auth login`)")
        except FileNotFoundError:
            raise DataError(
                f"there is no {self.uri} on the hub, or it is private",
                hint="check its name; for a private one, run `hf auth login`",
            ) from None


class _Fetched(Listed):
    """Files in a place elsewhere, each fetched when it is read, and the next ones before they are."""

    def __init__(self, place: Place, ignore: tuple[str, ...], table: str | None) -> None:
        super().__init__(ignore, table)
        self._place = place
        self._pool = ThreadPoolExecutor(_THREADS)
        self._lock = threading.Lock()
        self._coming: dict[str, Future[bytes]] = {}
        self._recent: deque[int] = deque(maxlen=_THREADS)  # of all threads that read

    def _list(self) -> Listing:
        try:
            entries = self._place.entries()
        except DataError:
            if self.table is None:
                raise
            entries = [Entry(self.table, 0, 0, "")]  # a server that gives the table need not list its folder
        if not entries:
            raise DataError(f"there are no files at {self._place.uri}", hint="check the address")
        self._sizes = {entry.path: entry.size for entry in entries}
        return list_entries(entries)

    def read(self, name: str, *, limit: int = MAX_SAMPLE_BYTES) -> bytes:
        if self._sizes.get(name, 0) > limit:
            raise too_large(limit)
        try:
            data = self._begun(name).result()
        except FileNotFoundError as error:
            raise InputError("cannot be read: it is not there any more") from error
        if len(data) > limit:
            raise too_large(limit)
        return data

    def _begun(self, name: str) -> "Future[bytes]":
        """The file on its way here, with those that follow it if it follows one that was read."""
        place = bisect_left(self.names, name)
        with self._lock:
            coming = self._coming.pop(name, None)
            follows = coming is not None or any(0 < place - last <= _AHEAD for last in self._recent)
            self._recent.append(place)
            mine = coming or self._pool.submit(self._place.read, name)
            for other in self.names[place + 1 : place + 1 + _AHEAD] if follows else ():
                small = self._sizes[other] <= _AHEAD_BYTES and not is_table(other)
                if small and len(self._coming) < _THREADS * 2 and other not in self._coming:
                    self._coming[other] = self._pool.submit(self._place.read, other)
        return mine

    def __enter__(self) -> Self:
        self.listing  # noqa: B018  # says at once if there is nothing
        return self

    def __exit__(self, *error: object) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)


def list_entries(entries: Iterable[Entry]) -> Listing:
    """The listing of a place's files; their marks stand for inodes."""
    return list_stamped((it.path, it.size, it.changed, _number(it.mark)) for it in entries)


def place_of(uri: str) -> tuple[Place, str]:
    """The folder that an address names or is in, and the one file that it names, if it does."""
    parts = urlsplit(uri)
    path = unquote(parts.path) if parts.scheme in ("http", "https") else parts.path
    name = PurePosixPath(path).name
    single = name if is_table(name) or name.lower().endswith(".zip") or is_tar(Path(name)) else ""
    folder = path.removesuffix(single).strip("/") if single else path.strip("/")
    if parts.scheme in ("s3", "gs", "gcs"):
        bucket = open_remote(f"{parts.scheme}://{parts.netloc}")
        assert isinstance(bucket, Bucket)
        return _InBucket(bucket, folder), single
    if parts.scheme in ("http", "https"):
        from holdfast.data.web import OnWeb

        return OnWeb(f"{parts.scheme}://{parts.netloc}/{quote(folder)}", parts.query), single
    if parts.scheme == "hf":
        return _OnHub(f"hf://{parts.netloc}/{folder}"), single
    raise DataError(
        f"{masked(uri)!r} is no address that samples can be read from",
        hint="give s3://bucket/folder, gs://bucket/folder, https://host/file.zip or hf://datasets/user/name",
    )


def _hugging_parts(place: Place) -> list[Entry]:
    """The files of a dataset as the hub keeps them: its Parquet parts, where it has no other data files."""
    if not isinstance(place, _OnHub):
        return []
    entries = place.entries()
    parts = [entry for entry in entries if entry.path.endswith(".parquet")]
    return parts if parts else [entry for entry in entries if entry.path.endswith((".arrow", "dict.json"))]


@contextmanager
def _downloaded(entries: list[Entry], place: Place) -> Iterator[Path]:
    """A folder with copies of files, for as long as they are needed."""
    with tempfile.TemporaryDirectory(prefix="holdfast-") as folder:
        with progress("fetching", len(entries), unit="files") as bar:
            for entry in entries:
                path = Path(folder) / entry.path
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("wb") as file:
                    _copy(place, entry.path, file)
                bar.advance()
        yield Path(folder)


def _copy(place: Place, name: str, file: IO[bytes]) -> None:
    """Copy a file in parts, so that a broken connection costs one of them."""
    start = 0
    while True:
        try:
            part = place.read(name, start, _PART_BYTES)
        except FileNotFoundError:
            raise DataError(f"there is no {place.uri}/{name}", hint="check the address") from None
        if len(part) > _PART_BYTES:  # the server gives files whole only
            file.truncate(0)
            file.seek(0)
            file.write(part)
            return
        file.write(part)
        start += len(part)
        if len(part) < _PART_BYTES:
            return


def _number(mark: str) -> int:
    """A mark as the inode of a listing: another number for other bytes."""
    return int.from_bytes(hashlib.sha256(mark.encode()).digest()[:7], "big") if mark else 0
