"""Reads the inputs of a batch, in whichever process predicts them."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from holdfast.core.errors import InputError
from holdfast.core.refs import parse_ref
from holdfast.data import Version, open_version
from holdfast.data.fetch import Place, place_of
from holdfast.data.source import MAX_SAMPLE_BYTES, Source, open_source, too_large
from holdfast.workflows.batch_inputs import Origin

Row = dict[str, Any]
"""An input, with the columns of `SCHEMA`."""


class Reader:
    """The inputs of some origins. Safe to use from several threads."""

    def __init__(self, origins: Sequence[Origin]) -> None:
        """Open them. Nothing is listed again.

        Raises:
            DataError: if one is not there any more.
        """
        self._stack = ExitStack()
        self._readers = [self._open(origin) for origin in origins]
        self.waits = any(origin.kind in ("paths", "place") for origin in origins)
        """Whether reading may mean to wait for a network, so that many threads are of use."""

    def read(self, row: Row) -> bytes:
        """The bytes of an input.

        Raises:
            InputError: if it cannot be read, or is not what it was when it was listed.
            DataError: if nothing can be read there, for want of a login, say.
        """
        try:
            return self._readers[row["origin"]].read(row)
        except FileNotFoundError as error:
            raise InputError("cannot be read: it is not there") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _open(self, origin: Origin) -> "_Reads":
        if origin.kind == "version":
            return _InVersion(
                self._stack.enter_context(open_version(Path(origin.root), parse_ref(origin.ref)))
            )
        if origin.kind == "place":
            return _Elsewhere(place_of(origin.root)[0])
        if origin.kind == "paths":
            return _ByPath(origin.root)
        path = Path(origin.root)
        return _InSource(self._stack.enter_context(open_source(path)), path if path.is_dir() else None)


class _Reads(Protocol):
    def read(self, row: Row) -> bytes: ...


class _InVersion:
    def __init__(self, version: Version) -> None:
        self._version = version

    def read(self, row: Row) -> bytes:
        return self._version.read(row["row"])


class _InSource:
    """A folder or an archive; of a folder it is seen whether a file has changed."""

    def __init__(self, source: Source, folder: Path | None) -> None:
        self._source, self._folder = source, folder

    def read(self, row: Row) -> bytes:
        data = self._source.read(row["name"])
        if self._folder and "\\" not in row["name"]:  # such a name stands for one that is no Unicode
            _compare(row, len(data), (self._folder / row["name"]).stat().st_mtime_ns)
        return data


class _Elsewhere:
    def __init__(self, place: Place) -> None:
        self._place = place

    def read(self, row: Row) -> bytes:
        if row["size"] > MAX_SAMPLE_BYTES:
            raise too_large(MAX_SAMPLE_BYTES)
        data = self._place.read(row["name"])
        _compare(row, len(data), row["changed"])
        return data


class _ByPath:
    """Paths and addresses, each by itself."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._places: dict[str, Place] = {}

    def read(self, row: Row) -> bytes:
        name = row["name"]
        if "://" in name:
            parent, _, own = name.rpartition("/")
            place = self._places.get(parent) or self._places.setdefault(parent, place_of(parent)[0])
            return place.read(own)
        path = Path(self._folder, name)
        if not path.parent.is_dir():
            raise FileNotFoundError(str(path))
        with open_source(path.parent) as source:
            data = source.read(path.name)
        _compare(row, len(data), path.stat().st_mtime_ns)
        return data


def _compare(row: Row, size: int, changed: int) -> None:
    if row["changed"] and (size, changed) != (row["size"], row["changed"]):
        raise InputError(f"changed since it was listed: {row['size']:,} bytes then, {size:,} now")
