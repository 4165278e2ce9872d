"""The files of a journal: JSON lines of what was predicted and what was true, and tars of the inputs.

    open/NAME.jsonl, open/NAME.tar             being written; `open/WRITER.lock` is held as long
    segments/2026-11-21/NAME.jsonl, NAME.tar   finished, and never changed again

A writer only ever appends. What a kill or a full disk cuts short is a last line without its end, and
bytes at the end of a tar that no line speaks of: readers skip both.
"""

import json
import os
import re
import tarfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from holdfast.core.files import sync_folder

OPEN, FINISHED = "open", "segments"
_NAME = re.compile(r"(\d{4})(\d\d)(\d\d)T\d{6}-([0-9a-f]{8})-\d{6}")
_BLOCK = 512
_END = bytes(2 * _BLOCK)
"""What closes a tar."""


@dataclass(frozen=True)
class Line:
    """One record, and the input that is kept with it, if any.

    Attributes:
        record: JSON-ready, with its `kind`.
        file: what to call the input in the tar.
        data: the input's bytes.
    """

    record: dict[str, Any]
    file: str = ""
    data: bytes | None = None


def segment_name(time_s: float, writer: str, number: int) -> str:
    """The name of a writer's segment, which begins with the time in UTC.

    >>> segment_name(1_700_000_000, "0badcafe", 7)
    '20231114T221320-0badcafe-000007'
    """
    return f"{datetime.fromtimestamp(time_s, UTC):%Y%m%dT%H%M%S}-{writer}-{number % 1_000_000:06d}"


def writer_of(name: str) -> str | None:
    """Who writes a segment; None if that is no segment's name."""
    found = _NAME.fullmatch(name)
    return found[4] if found else None


def finished_path(name: str, suffix: str = ".jsonl") -> str:
    """Where a finished segment lies.

    >>> finished_path("20231114T221320-0badcafe-000007")
    'segments/2023-11-14/20231114T221320-0badcafe-000007.jsonl'
    """
    return f"{FINISHED}/{name[:4]}-{name[4:6]}-{name[6:8]}/{name}{suffix}"


def records_in(data: bytes) -> tuple[list[dict[str, Any]], int]:
    """The records of a segment's bytes, and how many lines were cut short or are no records.

    >>> records_in(b'{"kind":"prediction","id":"1"}\\n{"kind":"pred')
    ([{'kind': 'prediction', 'id': '1'}], 1)
    """
    records, torn = [], 0
    for line in data.split(b"\n"):
        if not line:
            continue
        try:
            record = json.loads(line)
        except ValueError:
            torn += 1
            continue
        if isinstance(record, dict) and isinstance(record.get("kind"), str):
            records.append(record)
        else:
            torn += 1
    return records, torn


class Segment:
    """One segment that is being written, by one thread."""

    def __init__(self, folder: Path, name: str) -> None:
        """Begin a segment under `folder/open`.

        Raises:
            OSError: if there is no room for it.
        """
        self.folder, self.name = folder, name
        self.records = self.bytes = 0
        self._tar: int | None = None
        self._tar_size = 0
        self._file = _new(self._path(".jsonl"))
        self._size = 0

    def append(self, lines: Sequence[Line]) -> None:
        """Add records, all or none; inputs first, so that no line speaks of what is not there.

        Raises:
            OSError: if they cannot be written. The segment is what it was before, as far as that can be done.
        """
        blocks, texts, size = [], [], self._tar_size
        for line in lines:
            record = line.record
            if line.data is not None:
                head = _head(line.file, len(line.data))
                place = {"tar": f"{self.name}.tar", "file": line.file, "offset": size + len(head)}
                record = {**record, "input": {**place, "bytes": len(line.data)}}
                padded = [head, line.data, bytes(-len(line.data) % _BLOCK)]
                blocks += padded
                size += sum(map(len, padded))
            texts.append(json.dumps(record, separators=(",", ":"), allow_nan=False))
        if blocks and self._tar is None:
            self._tar = _new(self._path(".tar"))
        try:
            if blocks and self._tar is not None:
                _write(self._tar, b"".join(blocks))
            data = ("\n".join(texts) + "\n").encode()
            _write(self._file, data)
        except OSError:
            os.ftruncate(self._file, self._size)
            if self._tar is not None:
                os.ftruncate(self._tar, self._tar_size)
            raise
        self._tar_size, self._size = size, self._size + len(data)
        self.records += len(lines)
        self.bytes = self._size + self._tar_size

    def sync(self) -> None:
        """Have all that was added on disk, inputs first."""
        if self._tar is not None:
            os.fsync(self._tar)
        os.fsync(self._file)

    def finish(self) -> None:
        """Close the segment and put it among the finished ones.

        Raises:
            OSError: if that cannot be done; it is then found as left behind by a later writer.
        """
        try:
            if self._tar is not None:
                with suppress(OSError):  # without it, a tar is read all the same
                    _write(self._tar, _END)
            self.sync()
        finally:
            self.drop()
        finish(self.folder, self.name)

    def drop(self) -> None:
        """Close the files and leave them where they are."""
        for handle in (self._file, self._tar):
            if handle is not None:
                os.close(handle)
        self._tar = None

    def _path(self, suffix: str) -> Path:
        return self.folder / OPEN / f"{self.name}{suffix}"


def finish(folder: Path, name: str) -> None:
    """Put a segment that nobody writes to any more among the finished ones, inputs first."""
    for suffix in (".tar", ".jsonl"):
        source, final = folder / OPEN / f"{name}{suffix}", folder / finished_path(name, suffix)
        if source.exists():
            final.parent.mkdir(parents=True, exist_ok=True)
            source.rename(final)
            sync_folder(final.parent)


def open_names(folder: Path) -> list[str]:
    """The names of the segments that are open, or were when their writer ended."""
    names = sorted(path.stem for path in (folder / OPEN).glob("*.jsonl"))
    return [name for name in names if writer_of(name)]


def _new(path: Path) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o640)


def _write(handle: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]


def _head(name: str, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o640
    return info.tobuf(tarfile.USTAR_FORMAT)
