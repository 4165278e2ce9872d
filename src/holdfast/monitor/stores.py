"""Where a journal lies: a folder, or a bucket by its URI. Files appear there whole, and never change."""

import importlib.util
import os
import shutil
import uuid
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from holdfast.core.addresses import masked
from holdfast.core.errors import ConfigError
from holdfast.core.files import ASIDE, put_in_place

_CONNECT_S, _ANSWER_S = 5, 30
_NEEDS = {"s3": ("s3fs", "s3"), "gs": ("gcsfs", "gcs"), "gcs": ("gcsfs", "gcs")}
"""Which package opens a kind of URI, and which extra brings it."""


class Store(Protocol):
    """Files by paths with forward slashes. Safe to use from threads."""

    uri: str
    """Where it is, without secrets."""

    def sizes(self, folder: str) -> dict[str, int]:
        """How long each file below a folder is, by its path from the top; none if it is not there."""
        ...

    def read(self, path: str, offset: int = 0, length: int | None = None) -> bytes:
        """Bytes of a file. Raises FileNotFoundError if it is not there."""
        ...

    def put(self, path: str, file: Path) -> None:
        """Copy a file there: it appears whole, or not at all."""
        ...

    def remove(self, path: str) -> None:
        """Remove a file, if it is there."""
        ...


def is_remote(where: str) -> bool:
    """Whether a place is a bucket, and no folder of this machine.

    >>> is_remote("s3://bucket/journal"), is_remote("./journal"), is_remote("file:///srv/journal")
    (True, False, False)
    """
    return "://" in where and not where.startswith("file://")


def open_store(where: str) -> Store:
    """Open a folder, or what fsspec knows by its URI. Nothing is asked of it yet.

    Raises:
        ConfigError: if the URI holds credentials, or nothing here can open it.
    """
    if not where.strip():
        raise ConfigError("'' is no place for a journal", hint="give a folder, s3://bucket/prefix or gs://…")
    if not is_remote(where):
        return Folder(Path(where.removeprefix("file://")).expanduser().resolve())
    if "@" in where.partition("://")[2].partition("/")[0]:
        raise ConfigError(
            f"{masked(where)!r} holds credentials, which would end up in files and logs",
            hint="leave them out: they are taken from the environment, or from where the login put them",
        )
    return Bucket(where)


class Folder:
    """A folder of this machine, or of a share."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.uri = folder, str(folder)

    def sizes(self, folder: str) -> dict[str, int]:
        """See `Store`."""
        found = {}
        for top, _, names in os.walk(self.folder / folder):
            for name in names:
                path = Path(top, name)
                try:
                    if not name.startswith(ASIDE):
                        found[path.relative_to(self.folder).as_posix()] = path.stat().st_size
                except FileNotFoundError:  # moved meanwhile
                    continue
        return found

    def read(self, path: str, offset: int = 0, length: int | None = None) -> bytes:
        """See `Store`."""
        with (self.folder / path).open("rb") as file:
            file.seek(offset)
            return file.read(-1 if length is None else length)

    def put(self, path: str, file: Path) -> None:
        """See `Store`: written aside, flushed, renamed."""
        final = self.folder / path
        final.parent.mkdir(parents=True, exist_ok=True)
        aside = final.with_name(f"{ASIDE}{uuid.uuid4().hex}")
        try:
            shutil.copyfile(file, aside)
            put_in_place(aside, final)
        finally:
            aside.unlink(missing_ok=True)

    def remove(self, path: str) -> None:
        """See `Store`."""
        (self.folder / path).unlink(missing_ok=True)


class Bucket:
    """What fsspec opens by a URI. An object appears whole, as stores of objects do."""

    def __init__(self, uri: str) -> None:
        kind = uri.partition("://")[0]
        package, extra = _NEEDS.get(kind, ("fsspec", "s3"))
        if importlib.util.find_spec(package) is None:
            raise ConfigError(
                f"{masked(uri)} needs the package {package!r}", hint=f"pip install 'holdfast[{extra}]'"
            )
        self.uri, self._where = masked(uri), uri.rstrip("/")

    @cached_property
    def _opened(self) -> tuple[Any, str]:
        """The file system, and the path in it. Libraries of stores take half a second to load."""
        from fsspec.core import url_to_fs

        fs, top = url_to_fs(self._where, **_options(self._where))
        return fs, str(top)

    def sizes(self, folder: str) -> dict[str, int]:
        """See `Store`."""
        fs, top = self._opened
        try:
            found = fs.find(f"{top}/{folder}", detail=True)
        except FileNotFoundError:
            return {}
        cut = len(top) + 1
        return {name[cut:]: int(info["size"]) for name, info in found.items()}

    def read(self, path: str, offset: int = 0, length: int | None = None) -> bytes:
        """See `Store`."""
        if length == 0:
            return b""
        fs, top = self._opened
        end = None if length is None else offset + length
        return bytes(fs.cat_file(f"{top}/{path}", start=offset or None, end=end))

    def put(self, path: str, file: Path) -> None:
        """See `Store`."""
        fs, top = self._opened
        fs.put_file(str(file), f"{top}/{path}")

    def remove(self, path: str) -> None:
        """See `Store`."""
        fs, top = self._opened
        try:
            fs.rm_file(f"{top}/{path}")
        except FileNotFoundError:
            return


def _options(uri: str) -> dict[str, Any]:
    """What keeps a store that does not answer from holding up its thread for minutes."""
    if not uri.startswith("s3://"):
        return {"use_listings_cache": False, "skip_instance_cache": True} if uri.startswith("g") else {}
    patience = {"connect_timeout": _CONNECT_S, "read_timeout": _ANSWER_S, "retries": {"max_attempts": 1}}
    plain = {"request_checksum_calculation": "when_required", "response_checksum_validation": "when_required"}
    return {
        "config_kwargs": {**patience, **plain},
        "use_listings_cache": False,
        "skip_instance_cache": True,
    }
