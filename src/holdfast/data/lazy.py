"""Reads samples of a lazy version: their bytes come from its remote, in blocks that are kept for a while."""

import os
import threading
import time
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from holdfast.core.errors import DataError
from holdfast.core.files import ASIDE, read_json
from holdfast.core.locks import try_lock
from holdfast.data.remote import Remote, open_remote

LAZY = "remote.json"
"""In the folder of a version whose shards are elsewhere: where, and how much of them may be kept here."""
_BLOCKS = "blocks"
BLOCK_BYTES = 4 * 2**20
_AT_ONCE = 4
"""Blocks in a row that one request asks for at most."""
_TOUCH_S = 60.0
_KEEP = 0.9
"""Share of the room that is left in use when old blocks are dropped."""


class LazyShards:
    """Spans of shards that may not be here. Safe to use from several threads, processes and forks.

    Blocks are files, named `<shard>-<number>`; the least recently used are dropped when there is no room.
    What is in them is not trusted: whoever reads a sample compares its digest, and calls `forget` if it is
    another.

    Args:
        paths: where the shards would be, were they here; those that are, are read from there.
        where: the remote that has them.
        cache: the folder of the blocks.
        cache_bytes: what all blocks in it may take together; 0 keeps none.
    """

    request_bytes = 2**20
    """As many as take about as long to send as it takes to ask for them."""
    at_once = 2
    """Requests that are well made at once."""

    def __init__(self, paths: Sequence[Path], where: str, cache: Path, cache_bytes: int) -> None:
        self.paths = paths
        self.where = where
        self.blocks = Blocks(cache, cache_bytes)
        self._link: _Link | None = None

    def read(self, shard: int, offset: int, length: int) -> bytes:
        """Bytes of a shard, by its place among the paths.

        Raises:
            OSError: if it ends too early.
            DataError: if the remote does not give them.
        """
        for _ in range(2):
            data = self._read(self.paths[shard], offset, length)
            if len(data) == length:
                return data
            if not self.forget(shard, offset, length):
                break
        raise OSError("it ends too early")

    @property
    def mend(self) -> str:
        """What to do where the remote has other bytes than were pushed there."""
        return (
            f"delete the damaged shard at {self.where}, and push the version there again from a store that "
            "has it whole"
        )

    def told(self, path: Path) -> str:
        """Where a shard is: here if it is, else at the remote."""
        return str(path) if path.exists() else f"{self.where}/{path.parents[1].name}/shards/{path.name}"

    def forget(self, shard: int, offset: int, length: int) -> bool:
        """Drop the blocks of a span, since they are damaged; whether there were any."""
        first, last = offset // BLOCK_BYTES, (offset + max(length, 1) - 1) // BLOCK_BYTES
        return sum(self.blocks.drop(self.paths[shard].stem, number) for number in range(first, last + 1)) > 0

    def close(self) -> None:
        """Nothing is held open between reads."""

    def _read(self, path: Path, offset: int, length: int) -> bytes:
        if length == 0:
            return b""
        first, last = offset // BLOCK_BYTES, (offset + length - 1) // BLOCK_BYTES
        start = offset - first * BLOCK_BYTES
        kept = self.blocks.read(path.stem, first, start, length) if first == last else None
        if kept is None:  # the shard may have been pulled since, or stored here by another version
            kept = read_span(str(path), offset, length)
        return self._span(path, offset, offset + length) if kept is None else kept

    def _span(self, path: Path, begin: int, end: int) -> bytes:
        """Of blocks that are here only what is asked for; others come whole."""
        parts: list[bytes] = []
        missing: list[int] = []
        last = (end - 1) // BLOCK_BYTES
        for number in range(begin // BLOCK_BYTES, last + 1):
            first = number * BLOCK_BYTES
            start, stop = max(begin - first, 0), min(end - first, BLOCK_BYTES)
            kept = self.blocks.read(path.stem, number, start, stop - start)
            if kept is None:
                missing.append(number)
            if missing and (kept is not None or len(missing) == _AT_ONCE or number == last):
                first = missing[0] * BLOCK_BYTES
                parts.append(self._fetch(path, missing)[max(begin - first, 0) : end - first])
                missing = []
            if kept is not None:
                parts.append(kept)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _fetch(self, path: Path, numbers: Sequence[int]) -> bytes:
        """Blocks in a row, from the remote; two threads that want the same wait for one request."""
        link = self._open()
        key = (path.stem, numbers[0])
        with link.lock:
            turn = link.turns.setdefault(key, threading.Lock())
        with turn:
            if len(numbers) == 1 and (kept := self.blocks.read(path.stem, numbers[0])) is not None:
                return kept
            name = f"{path.parents[1].name}/shards/{path.name}"
            try:
                data = link.remote.read(name, numbers[0] * BLOCK_BYTES, len(numbers) * BLOCK_BYTES)
            except FileNotFoundError as error:
                raise DataError(
                    f"{self.where}/{name} is not there, but a lazy version needs it",
                    hint="push the version there again, from a store that has it whole",
                ) from error
            for place, number in enumerate(numbers):
                if block := data[place * BLOCK_BYTES : (place + 1) * BLOCK_BYTES]:
                    self.blocks.keep(path.stem, number, block)
        with link.lock:
            link.turns.pop(key, None)
        return data

    def _open(self) -> "_Link":
        """The connection of this process: a fork shares neither connections nor locks with its parent."""
        if self._link is None or self._link.process != os.getpid():
            self._link = _Link(os.getpid(), open_remote(self.where))
        return self._link


@dataclass
class _Link:
    process: int
    remote: Remote
    lock: threading.Lock = field(default_factory=threading.Lock)
    turns: dict[tuple[str, int], threading.Lock] = field(default_factory=dict)


class Blocks:
    """Files of bytes in a folder that never take more than a limit for long."""

    def __init__(self, folder: Path, limit: int) -> None:
        self.folder, self.limit = folder, limit
        self._folder = str(folder)
        self._touched: dict[str, float] = {}
        self._used: int | None = None

    def read(self, shard: str, number: int, start: int = 0, length: int | None = None) -> bytes | None:
        """Bytes of a block; None if it is not here."""
        path = f"{self._folder}/{shard}-{number}"
        data = read_span(path, start, BLOCK_BYTES if length is None else length)
        if data is not None:
            self._touch(path)
        return data

    def keep(self, shard: str, number: int, data: bytes) -> None:
        """Keep a block if there is room on the disk; drop old ones if there are too many."""
        if len(data) > self.limit:
            return
        aside = self.folder / f"{ASIDE}{uuid.uuid4().hex}"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            aside.write_bytes(
                data
            )  # not flushed: a block that a crash damaged is found by the sample's digest
            aside.replace(self.folder / f"{shard}-{number}")
        except OSError:  # a full or read-only disk: the remote still has it
            with suppress(OSError):
                aside.unlink(missing_ok=True)
            return
        self._used = None if self._used is None else self._used + len(data)
        if self._used is None or self._used > self.limit:
            self._make_room()

    def drop(self, shard: str, number: int) -> bool:
        """Remove a block; whether it was here."""
        try:
            (self.folder / f"{shard}-{number}").unlink()
        except OSError:
            return False
        return True

    def _touch(self, path: str) -> None:
        now = time.monotonic()
        if now - self._touched.get(path, -_TOUCH_S) >= _TOUCH_S:
            self._touched[path] = now
            with suppress(OSError):  # dropped meanwhile, or not ours to touch: it only looks older than it is
                os.utime(path)

    def _make_room(self) -> None:
        """Count what all processes keep; drop what was used least recently. One process at a time does it."""
        lock = try_lock(self.folder / ".lock")
        if lock is None:
            return
        try:
            found = sorted(self._kept(), key=lambda entry: entry[0])
            used = sum(size for _, size, _ in found)
            if used > self.limit:
                for _, size, path in found:
                    if used <= self.limit * _KEEP:
                        break
                    path.unlink(missing_ok=True)
                    used -= size
            self._used = used
        finally:
            lock.release()

    def _kept(self) -> list[tuple[float, int, Path]]:
        found = []
        for entry in os.scandir(self.folder):
            try:
                status = entry.stat()
            except OSError:
                continue
            old = time.time() - status.st_mtime > 3600
            if not entry.name.startswith(".") or (
                entry.name.startswith(ASIDE) and old
            ):  # of a killed process
                found.append((status.st_mtime, status.st_size, Path(entry.path)))
        return found


def read_span(path: str, start: int, length: int) -> bytes | None:
    """Bytes of a file, with as few calls as can be; None if it is not there or has none at `start`."""
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    except OSError:
        return None
    try:
        if hasattr(os, "pread"):
            return os.pread(handle, length, start) or None
        os.lseek(handle, start, os.SEEK_SET)
        return os.read(handle, length) or None
    except OSError:
        return None
    finally:
        os.close(handle)


def lazy_shards(folder: Path, paths: Sequence[Path]) -> LazyShards | None:
    """How the shards of the version in a folder are read, if it is a lazy one."""
    try:
        told = read_json(folder / LAZY)
    except FileNotFoundError:
        return None
    return LazyShards(paths, str(told["remote"]), folder.parents[1] / _BLOCKS, int(told["cache_bytes"]))


def drop_blocks(home: Path, shards: Sequence[str]) -> None:
    """Remove the blocks of shards of a dataset that are here whole now."""
    for path in (home / _BLOCKS).glob("*-*"):
        if path.name.rpartition("-")[0] in shards:
            path.unlink(missing_ok=True)
