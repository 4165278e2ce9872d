"""Files that are whole or not there: written aside, flushed to disk, renamed into place."""

import errno
import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from holdfast.core.errors import DataError

ASIDE = ".aside-"
"""Names that begin so are unfinished; no reader looks at them."""
_NO_ROOM = {
    errno.ENOSPC: "make room there, and run it again",
    errno.EDQUOT: "your quota there is used up: make room, and run it again",
    errno.EFBIG: "a file may not be so large there: see `ulimit -f` and the file system, and run it again",
    errno.EROFS: "nothing can be written there: give another place",
}


def write_bytes(path: Path, data: bytes) -> None:
    """Put data at path, atomically: a reader sees the old bytes or all of the new ones."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f"{ASIDE}{uuid.uuid4().hex}")
    try:
        with _naming(path):
            with aside.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def write_text(path: Path, text: str) -> None:
    """Put UTF-8 text at path, atomically."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: object) -> None:
    """Put a value at path as indented JSON, atomically. NaN is refused: it is not JSON."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """The value in a JSON file.

    Raises:
        FileNotFoundError: if there is no such file.
        json.JSONDecodeError: if it is not JSON.
    """
    return json.loads(path.read_text(encoding="utf-8"))


def append_line(path: Path, line: str) -> None:
    """Add one line to a log and flush it to disk. A line that a crash cut short is dropped first.

    Call it under a lock where several processes append.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _naming(path), path.open("ab+") as file:
        end = file.seek(0, os.SEEK_END)
        if end and not _ends_line(file, end):
            file.truncate(_last_newline(path))
        file.write(line.encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def room_told(place: str | Path, *, hint: str | None = None) -> Iterator[None]:
    """Let an error of a full disk, which names no file or one that nobody knows, say where there is no room.

    Args:
        place: what was being written.
        hint: what to do where there is no room; by default to run it again then.

    Raises:
        DataError: if a disk or a quota is full, a file too large, or the disk cannot be written to.
    """
    try:
        yield
    except OSError as error:
        mend = no_room_hint(error)
        if mend is None:
            raise
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise DataError(
            f"{place}: {os.strerror(error.errno or 0)}", hint=hint if hint and full else mend
        ) from error


def no_room_hint(error: OSError) -> str | None:
    """What to do where there is no room to write; None if the error is another one."""
    return _NO_ROOM.get(error.errno or 0)


def place_of(error: OSError) -> Path:
    """The file that an error is about; of one that is unfinished, the folder that it was to be in.

    >>> place_of(OSError(28, "No space left on device", "w/runs/.aside-7/config.yaml")).as_posix()
    'w/runs'
    """
    name = error.filename2 or error.filename
    path = Path(os.fsdecode(name) if isinstance(name, bytes) else str(name))
    asides = [part.startswith(ASIDE) for part in path.parts]
    return Path(*path.parts[: asides.index(True)]) if any(asides) else path


def whole_lines(path: Path) -> list[str]:
    """The lines of a log that were written to their end; none if there is no such file."""
    if not path.exists():
        return []
    data = path.read_bytes()
    return data[: data.rfind(b"\n") + 1].decode().splitlines()


def digest_bytes(data: bytes) -> str:
    """SHA-256 in hexadecimal.

    >>> digest_bytes(b"")[:12]
    'e3b0c44298fc'
    """
    return hashlib.sha256(data).hexdigest()


def digest_file(path: Path) -> str:
    """SHA-256 of a file's bytes in hexadecimal, read in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def folder_aside(parent: Path) -> Iterator[Path]:
    """An empty folder under parent that no reader looks at; removed at the end if still there.

    Fill it, then hand it to `publish`.
    """
    parent.mkdir(parents=True, exist_ok=True)
    aside = parent / f"{ASIDE}{uuid.uuid4().hex}"
    aside.mkdir()
    try:
        yield aside
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def publish(aside: Path, final: Path) -> None:
    """Flush a finished folder to disk and give it its name, in one step.

    Raises:
        FileExistsError: if final is there already; what is published never changes.
    """
    for path in sorted(aside.rglob("*")):
        if path.is_file():
            with path.open("rb+") as file:
                os.fsync(file.fileno())
        else:
            sync_folder(path)
    if final.exists():
        raise FileExistsError(f"{final} is there already")
    final.parent.mkdir(parents=True, exist_ok=True)
    aside.rename(final)
    sync_folder(final.parent)


def put_in_place(aside: Path, final: Path) -> None:
    """Flush a finished file to disk and give it its name, in one step; what has that name is replaced."""
    with aside.open("rb+") as file:
        os.fsync(file.fileno())
    aside.replace(final)
    sync_folder(final.parent)


def clear_aside(parent: Path) -> None:
    """Remove what killed writers left under parent. Call it only where no other writer can be."""
    for leftover in parent.glob(f"{ASIDE}*"):
        if leftover.is_dir():
            shutil.rmtree(leftover, ignore_errors=True)
        else:
            leftover.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Flush a folder's list of names to disk, where the system can do that (Windows cannot)."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Let errors name the file that is written, and not the one aside."""
    try:
        yield
    except OSError as error:
        error.filename, error.filename2 = str(path), None
        raise


def _ends_line(file: Any, end: int) -> bool:
    file.seek(end - 1)
    return bool(file.read(1) == b"\n")


def _last_newline(path: Path) -> int:
    return path.read_bytes().rfind(b"\n") + 1
