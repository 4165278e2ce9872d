"""A store somewhere else: a folder, or a bucket of S3 or Google Cloud, laid out as a store here is."""

import os
import shutil
import uuid
from base64 import b64encode
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol, TypeVar
from urllib.parse import urlsplit

from holdfast.core.addresses import masked
from holdfast.core.errors import DataError
from holdfast.core.files import (
    ASIDE,
    digest_bytes,
    digest_file,
    folder_aside,
    publish,
    sync_folder,
    write_bytes,
)
from holdfast.data.info import restore_command
from holdfast.data.remote_faults import retrying

T = TypeVar("T")

LAST = "version.json"
"""The file of a version that is written last: a bucket has a version when it has this file of it."""
_CONNECTIONS = 32


class Entry(NamedTuple):
    """An object: when it was written, in nanoseconds, or 0; and a mark that changes when its bytes do."""

    path: str
    size: int
    changed: int
    mark: str


class Remote(Protocol):
    """A store somewhere else. Paths are relative to it, with forward slashes. Safe to use from threads."""

    uri: str
    """Where it is, without secrets."""

    def sizes(self, folder: str) -> dict[str, int]:
        """How long each file in a folder and the folders in it is, by path below it; none if not there."""
        ...

    def read(self, path: str, offset: int = 0, length: int | None = None) -> bytes:
        """Bytes of a file. Raises FileNotFoundError if it is not there."""
        ...

    def put_shard(self, path: str, file: Path) -> None:
        """Copy a file there, under a name that is the SHA-256 of its bytes; whole, or not there."""
        ...

    def put_version(self, folder: str, files: Mapping[str, Path]) -> None:
        """Make a version there, visible in one step.

        Raises:
            FileExistsError: if another version is there, or on its way; nothing of it is touched.
        """
        ...


def open_remote(where: str | Path) -> Remote:
    """Open a folder, `s3://bucket/prefix` or `gs://bucket/prefix`. Nothing is asked of it yet.

    Raises:
        DataError: if it is none of these.
    """
    text = str(where)
    if not text:
        raise DataError("'' is no remote", hint="give a folder, s3://bucket/prefix or gs://bucket/prefix")
    kind = text.partition("://")[0] if "://" in text else ""
    if kind in ("", "file"):
        return Folder(Path(text.removeprefix("file://")).expanduser().resolve())
    parts = urlsplit(text)
    if parts.username or parts.password or "@" in parts.netloc:
        raise DataError(
            f"{masked(text)!r} holds credentials, which would end up in files and logs",
            hint="leave them out: they are taken from the environment, or from where the login put them",
        )
    known = {"s3": S3, "gs": GoogleCloud, "gcs": GoogleCloud}
    if kind not in known:
        raise DataError(
            f"{text!r} is no remote", hint="give a folder, s3://bucket/prefix or gs://bucket/prefix"
        )
    if not parts.netloc:
        raise DataError(f"{text!r} names no bucket", hint=f"write {kind}://bucket/prefix")
    return known[kind](parts.netloc, parts.path.strip("/"))


class Folder:
    """A store in a folder: a disk, a network share, a stick."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.uri = folder, str(folder)

    def sizes(self, folder: str) -> dict[str, int]:
        """See `Remote`; what is unfinished does not count."""
        top = self.folder / folder
        files = (path for path in top.rglob("*") if path.is_file()) if top.is_dir() else ()
        named = ((path.relative_to(top), path) for path in files)
        return {
            inner.as_posix(): path.stat().st_size
            for inner, path in named
            if not any(part.startswith(ASIDE) for part in inner.parts)
        }

    def read(self, path: str, offset: int = 0, length: int | None = None) -> bytes:
        """See `Remote`."""
        with (self.folder / path).open("rb") as file:
            file.seek(offset)
            return file.read() if length is None else file.read(length)

    def put_shard(self, path: str, file: Path) -> None:
        """See `Remote`: written aside, flushed, read again, renamed."""
        final = self.folder / path
        final.parent.mkdir(parents=True, exist_ok=True)
        aside = final.with_name(f"{ASIDE}{uuid.uuid4().hex}")
        try:
            shutil.copyfile(file, aside)  # the kernel copies, where it can
            with aside.open("r+b") as target, ThreadPoolExecutor(1) as other:
                flushed = other.submit(os.fsync, target.fileno())
                if digest_file(aside) != final.stem:  # while the disk is busy
                    raise damaged_shard(file)
                flushed.result()
            aside.replace(final)
        finally:
            aside.unlink(missing_ok=True)
        sync_folder(final.parent)

    def put_version(self, folder: str, files: Mapping[str, Path]) -> None:
        """See `Remote`: one rename of a folder."""
        final = self.folder / folder
        with folder_aside(final.parent) as aside:
            for name, file in files.items():
                write_bytes(aside / name, file.read_bytes())
            try:
                publish(aside, final)
            except OSError as error:  # renaming upon a folder that is not empty has many errors
                if final.exists():
                    raise FileExistsError(str(final)) from error
                raise


class Bucket:
    """What stores of objects share: an object appears whole, or not at all. See `Remote` for the methods."""

    kind = ""
    attempts = 6
    _may: ClassVar = {"read": "", "write": "", "list": ""}
    _one_request: ClassVar[dict[str, int]] = {}

    def __init__(self, bucket: str, prefix: str) -> None:
        self.bucket, self.prefix = bucket, prefix
        self.uri = f"{self.kind}://{bucket}/{prefix}".rstrip("/")
        self._fs = self._connect()

    def sizes(self, folder: str) -> dict[str, int]:
        """See `Remote`."""
        return {entry.path: entry.size for entry in self.entries(folder)}

    def entries(self, folder: str) -> list[Entry]:
        """All objects below a folder, with paths below it."""
        start = self._key(folder).rstrip("/") + "/" if folder or self.prefix else ""
        found = self._do("list", "listing", folder, lambda: self._list(start))
        return [
            entry._replace(path=entry.path.removeprefix(start))
            for entry in found
            if not entry.path.endswith("/")  # what consoles make where a person asks for a folder
        ]

    def read(self, path: str, offset: int = 0, length: int | None = None) -> bytes:
        """See `Remote`."""
        if length == 0:
            return b""
        end = None if length is None else offset + length
        span = {} if offset == 0 and end is None else {"start": offset, "end": end}
        where = f"{self.bucket}/{self._key(path)}"
        get: Callable[[], bytes] = partial(self._fs.cat_file, where, **span, **self._one_request)
        return self._do("read", "reading", path, get)

    def put_shard(self, path: str, file: Path) -> None:
        """See `Remote`: the store compares what arrives with a digest."""
        if digest_file(file) != file.stem:
            raise damaged_shard(file)
        self._do("write", "writing", path, lambda: self._put_file(self._key(path), file))

    def put_version(self, folder: str, files: Mapping[str, Path]) -> None:
        """The manifest claims the number: of two who write at once, one finds the other's there and stops."""
        for name in sorted(files, key=lambda name: (name == LAST, name != "samples.parquet", name)):
            self._put_new(f"{folder}/{name}", files[name].read_bytes())

    def _put_new(self, path: str, data: bytes) -> None:
        try:
            self._do("write", "writing", path, lambda: self._create(self._key(path), data))
        except FileExistsError:
            if (
                self.read(path) != data
            ):  # the same bytes: put by us in a try whose answer was lost, or earlier
                raise

    def _do(self, may: str, doing: str, path: str, call: Callable[[], T]) -> T:
        uri = f"{self.uri}/{path}"
        return retrying(call, uri=uri, doing=doing, permission=self._may[may], attempts=self.attempts)

    def _key(self, path: str) -> str:
        return f"{self.prefix}/{path}" if self.prefix else path

    def _connect(self) -> Any:
        raise NotImplementedError

    def _list(self, start: str) -> list[Entry]:
        raise NotImplementedError

    def _put_file(self, key: str, file: Path) -> None:
        raise NotImplementedError

    def _create(self, key: str, data: bytes) -> None:
        raise NotImplementedError


class S3(Bucket):
    """Objects in S3 or what speaks like it. The store itself checks each upload by its SHA-256."""

    kind = "s3"
    _one_request: ClassVar[dict[str, int]] = {
        "max_concurrency": 1
    }  # else it asks for the size before each read
    _may: ClassVar = {"read": "s3:GetObject", "write": "s3:PutObject", "list": "s3:ListBucket"}

    def _connect(self) -> Any:
        import s3fs

        once = {"retries": {"mode": "standard", "total_max_attempts": 1}}  # we try again ourselves
        plain = {
            "request_checksum_calculation": "when_required",
            "response_checksum_validation": "when_required",
        }
        patience = {"connect_timeout": 10, "read_timeout": 60, "max_pool_connections": _CONNECTIONS}
        config = {**once, **plain, **patience}
        fs = s3fs.S3FileSystem(config_kwargs=config, use_listings_cache=False, skip_instance_cache=True)
        fs.retries = 1
        return fs

    def _list(self, start: str) -> list[Entry]:
        found: list[Entry] = []
        more: dict[str, str] = {}
        while True:
            page = self._fs.call_s3("list_objects_v2", Bucket=self.bucket, Prefix=start, **more)
            for item in page.get("Contents", []):
                found.append(
                    Entry(item["Key"], item["Size"], _nanoseconds(item["LastModified"]), item["ETag"])
                )
            if not page.get("IsTruncated"):
                return found
            more = {"ContinuationToken": page["NextContinuationToken"]}

    def _put_file(self, key: str, file: Path) -> None:
        checksum = b64encode(bytes.fromhex(file.stem)).decode()
        with file.open("rb") as body:
            self._put(key, body, checksum)

    def _create(self, key: str, data: bytes) -> None:
        checksum = b64encode(bytes.fromhex(digest_bytes(data))).decode()
        try:
            self._put(key, data, checksum, IfNoneMatch="*")
        except Exception as error:
            if _http_status(error) == 412:
                raise FileExistsError(key) from error
            raise

    def _put(self, key: str, body: Any, checksum: str, **more: str) -> None:
        put = {"Bucket": self.bucket, "Key": key, "Body": body, "ChecksumSHA256": checksum, **more}
        self._fs.call_s3("put_object", **put)


class GoogleCloud(Bucket):
    """Objects in Google Cloud Storage. Uploads are compared with the MD5 that the store reports."""

    kind = "gs"
    attempts = 2  # gcsfs itself tries each request six times
    _may: ClassVar = {
        "read": "storage.objects.get",
        "write": "storage.objects.create",
        "list": "storage.objects.list",
    }

    def _connect(self) -> Any:
        import logging

        from gcsfs.core import GCSFileSystem

        logging.getLogger("gcsfs").addHandler(
            logging.NullHandler()
        )  # it would print what we tell in our words
        return GCSFileSystem(consistency="md5", use_listings_cache=False, skip_instance_cache=True)

    def _list(self, start: str) -> list[Entry]:
        found = self._fs.find(f"{self.bucket}/{start}", detail=True)
        cut = len(self.bucket) + 1
        return [
            Entry(name[cut:], int(info["size"]), _nanoseconds(info.get("mtime")), str(info.get("etag", "")))
            for name, info in found.items()
        ]

    def _put_file(self, key: str, file: Path) -> None:
        where = f"{self.bucket}/{key}"
        try:
            self._fs.put_file(str(file), where)
        except Exception as error:
            if type(error).__name__ == "ChecksumError":
                self._fs.rm_file(where)
            raise

    def _create(self, key: str, data: bytes) -> None:
        self._fs.pipe_file(f"{self.bucket}/{key}", data, mode="create", chunksize=2**40)


def damaged_shard(file: Path) -> DataError:
    """What to say of a shard whose bytes are not what its name says."""
    name = file.parents[1].name
    return DataError(
        f"{file} is damaged: its bytes are not what its name says",
        hint=f"restore it with `{restore_command(name)}`, then push again",
    )


def _http_status(error: BaseException) -> int:
    cause = error.__cause__ or error
    response = getattr(cause, "response", None) or getattr(error, "response", None) or {}
    return int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _nanoseconds(moment: datetime | None) -> int:
    return 0 if moment is None else int(moment.timestamp() * 1e9)
