"""Where the bytes of a version's samples lie in its shards, and how they are read."""

import os
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow

from holdfast.data.lazy import LazyShards, lazy_shards


class Places:
    """Where the bytes of a version's samples lie. Safe to read from several threads at once.

    Attributes:
        shards: what reads them.
        sums: of samples whose bytes had the right digest, what `hash` gives for these bytes; otherwise 0.

    Args:
        folder: of the version.
        table: has its columns shard, offset and length.
    """

    def __init__(self, folder: Path, table: pyarrow.Table) -> None:
        self._offsets = table.column("offset").to_numpy()
        self._lengths = table.column("length").to_numpy()
        shards = table.column("shard").combine_chunks().dictionary_encode()
        self._shard_of = shards.indices.to_numpy()
        self.sums = np.zeros(len(table), np.int64)
        home = folder.parents[1] / "shards"
        paths = [home / f"{name}.tar" for name in shards.dictionary.to_pylist()]
        self.shards: Shards | LazyShards = lazy_shards(folder, paths) or Shards(paths)

    @property
    def is_lazy(self) -> bool:
        """Whether shards may be elsewhere."""
        return isinstance(self.shards, LazyShards)

    def path(self, index: int) -> Path:
        """The shard that holds a sample."""
        return self.shards.paths[int(self._shard_of[index])]

    def read(self, index: int) -> bytes:
        """The bytes of a sample, unchecked. Raises OSError if its shard is missing or too short."""
        return self.shards.read(*self.span(index))

    def forget(self, index: int) -> bool:
        """Drop what is kept here of a lazy version's sample, since it is damaged; whether there was any."""
        return isinstance(self.shards, LazyShards) and self.shards.forget(*self.span(index))

    def is_elsewhere(self, path: Path) -> bool:
        """Whether a shard is not here, and need not be."""
        return isinstance(self.shards, LazyShards) and not path.exists()

    def mend_elsewhere(self) -> str | None:
        """What to do where bytes at the remote of a lazy version are damaged; None if it is no lazy one."""
        return self.shards.mend if isinstance(self.shards, LazyShards) else None

    def told(self, path: Path) -> str:
        """Where a shard is, for a person: here, or at the remote."""
        return self.shards.told(path) if isinstance(self.shards, LazyShards) else str(path)

    def span(self, index: int) -> tuple[int, int, int]:
        """Number of a sample's shard, offset and length, in bytes."""
        return int(self._shard_of[index]), int(self._offsets[index]), int(self._lengths[index])

    def spans(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """As `span`, of several samples: three arrays of int64."""
        return self._shard_of[indices].astype(np.int64), self._offsets[indices], self._lengths[indices]


class Shards:
    """Reads spans of shards; opens each once."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = paths
        self._files: dict[int, Any] = {}
        self._lock = threading.Lock()

    def read(self, shard: int, offset: int, length: int) -> bytes:
        """Bytes of a shard, by its place among the paths. Raises OSError if it ends too early."""
        file = self._files.get(shard) or self._open(shard)
        if hasattr(os, "pread"):
            data = os.pread(file.fileno(), length, offset)
        else:
            with self._lock:
                file.seek(offset)
                data = file.read(length)
        if len(data) != length:
            raise OSError("it ends too early")
        return bytes(data)

    def expect(self, shard: int, offset: int, length: int) -> None:
        """Ask the system to read a span ahead, where it can be asked; does not wait for it."""
        if hasattr(os, "posix_fadvise"):
            with suppress(OSError):  # reading will tell
                file = self._files.get(shard) or self._open(shard)
                os.posix_fadvise(file.fileno(), offset, length, os.POSIX_FADV_WILLNEED)

    def close(self) -> None:
        """Close all that are open."""
        with self._lock:
            for file in self._files.values():
                file.close()
            self._files.clear()

    def _open(self, shard: int) -> Any:
        with self._lock:
            if shard not in self._files:
                self._files[shard] = self.paths[shard].open("rb", buffering=0)
            return self._files[shard]
