"""Keeps what was read once until it is stored, so that most samples are read from their source only once."""

import errno
import os
import tempfile
import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

ROOM_BYTES = 2 * 2**30
"""More is read from its source a second time."""
MEMORY_BYTES = 256 * 2**20
"""So much is kept in memory."""


class Spill(AbstractContextManager["Spill"]):
    """Bytes in memory, or in a nameless file that vanishes with this process. Safe to use in several threads.

    Args:
        folder: on whose disk the file lies.
        expected: bytes that will be kept, as far as is known. Few of them stay in memory.
        room: bytes that may be kept; also a full disk only ends it.
    """

    def __init__(self, folder: Path, *, expected: int, room: int = ROOM_BYTES) -> None:
        self._blocks: list[bytes] | None = [] if expected <= MEMORY_BYTES else None
        self._file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115
        self._lock = threading.Lock()
        self._end, self._room = 0, min(room, MEMORY_BYTES) if self._blocks is not None else room

    def keep(self, blocks: Sequence[bytes]) -> np.ndarray:
        """What `read` gives each block back for, int64; -1 for all where there is no room left."""
        lengths = np.array([len(block) for block in blocks], np.int64)
        if self._blocks is not None:
            return self._held(self._blocks, blocks, int(lengths.sum()))
        data = b"".join(blocks)
        with self._lock:
            start = self._end
            if start + len(data) > self._room or not self._written(data):
                self._room = 0
                return np.full(len(blocks), -1, np.int64)
            self._end += len(data)
        return start + np.cumsum(lengths) - lengths

    def read(self, start: int, length: int) -> bytes:
        """Bytes that were kept."""
        if self._blocks is not None:
            return self._blocks[start]
        if hasattr(os, "pread"):
            return os.pread(self._file.fileno(), length, start)
        with self._lock:
            self._file.seek(start)
            return self._file.read(length)

    def _held(self, held: list[bytes], blocks: Sequence[bytes], length: int) -> np.ndarray:
        with self._lock:
            if self._end + length > self._room:
                self._room = 0
                return np.full(len(blocks), -1, np.int64)
            self._end += length
            start = len(held)
            held += blocks
            return np.arange(start, len(held))

    def _written(self, data: bytes) -> bool:
        left = memoryview(data)
        try:
            self._file.seek(self._end)
            while left:
                left = left[self._file.write(left) :]
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                return False
            raise
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
