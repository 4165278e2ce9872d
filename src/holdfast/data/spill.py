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


class Spill(AbstractContextManager["Spill"]):
    """Bytes in a nameless file that vanishes with this process. Safe to use from several threads.

    Args:
        folder: on whose disk the file lies.
        room: bytes that it may take; also a full disk only ends it.
    """

    def __init__(self, folder: Path, *, room: int = ROOM_BYTES) -> None:
        self._file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115
        self._lock = threading.Lock()
        self._end, self._room = 0, room

    def keep(self, blocks: Sequence[bytes]) -> np.ndarray:
        """Where each block can be read again, int64; -1 for all where there is no room left."""
        lengths = np.array([len(block) for block in blocks], np.int64)
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
        if hasattr(os, "pread"):
            return os.pread(self._file.fileno(), length, start)
        with self._lock:
            self._file.seek(start)
            return self._file.read(length)

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
