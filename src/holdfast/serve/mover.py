"""Moves finished segments of a journal from the spool on this machine to a bucket."""

import hashlib
import os
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from holdfast.config.serve import JournalConfig
from holdfast.core.addresses import masked
from holdfast.monitor.retention import remove_old
from holdfast.monitor.segments import FINISHED
from holdfast.monitor.stores import Folder, Store

_FIRST_WAIT_S, _LONGEST_WAIT_S = 1.0, 60.0
_LOOK_S = 1.0
_TIDY_S = 3600.0


class Mover:
    """A thread of its own, so that a bucket that is slow or gone holds up nothing but itself.

    A file is removed here only after all of it is there; moved twice, as after a kill, it is the same file.
    """

    def __init__(self, spool: Path, store: Store, config: JournalConfig) -> None:
        """Start to move what is finished in the spool.

        Args:
            spool: laid out as a journal.
            store: the bucket.
            config: how much may lie in the spool, and how old files in the bucket may grow.
        """
        self._spool, self._store, self._config = Folder(spool), store, config
        self.moved = 0
        self.fault: str | None = None
        self._size, self._looked = 0, float("-inf")
        self._tidied = float("-inf")
        self._wake, self._closing = threading.Event(), threading.Event()
        self._wake.set()  # there may be some of an earlier server
        self._thread = threading.Thread(target=self._work, name="journal-mover", daemon=True)
        self._thread.start()

    def has_room(self) -> bool:
        """Whether more may be written to the spool. Called from the journal's thread only, as `grew` is."""
        now = time.monotonic()
        full = self._size >= self._config.spool_mb * 1e6
        if now - self._looked >= (_LOOK_S if full else 30 * _LOOK_S):  # what was moved makes room
            self._looked, self._size = now, sum(self._spool.sizes("").values())
        return self._size < self._config.spool_mb * 1e6

    def grew(self, count: int) -> None:
        """So many bytes more lie in the spool."""
        self._size += count

    def wake(self) -> None:
        """Something is there to be moved."""
        self._wake.set()

    def counts(self) -> dict[str, Any]:
        """Files moved so far, megabytes in the spool, and what is in the way."""
        return {"moved": self.moved, "spool_mb": round(self._size / 1e6, 3), "remote_fault": self.fault}

    def close(self, wait_s: float) -> None:
        """Move what is finished, but for no longer than this; the rest is moved by the next server."""
        self._closing.set()
        self._wake.set()
        self._thread.join(wait_s)

    def _work(self) -> None:
        wait_s = _FIRST_WAIT_S
        while True:
            if not self.fault:
                self._wake.wait(_LONGEST_WAIT_S)
            self._wake.clear()
            closing = self._closing.is_set()
            try:
                self._move()
                self._tidy()
                self.fault, wait_s = None, _FIRST_WAIT_S
            except Exception as error:  # libraries of stores raise what they like
                self.fault = f"{self._store.uri}: {masked(f'{type(error).__name__}: {error}')[:300]}"
                if not closing:
                    self._closing.wait(wait_s)
                wait_s = min(_LONGEST_WAIT_S, 2 * wait_s)
            if closing:
                return

    def _move(self) -> None:
        for path in sorted(
            self._spool.sizes(FINISHED), key=lambda it: (Path(it).stem, not it.endswith(".tar"))
        ):
            file = self._spool.folder / path
            try:
                self._store.put(path, file)
            except FileNotFoundError:
                if file.exists():
                    raise
                continue  # another server moved it
            self._spool.remove(path)
            self.moved += 1
            with suppress(OSError):
                file.parent.rmdir()  # once it is empty

    def _tidy(self) -> None:
        now = time.monotonic()
        if self._config.days and now - self._tidied >= _TIDY_S:
            self._tidied = now
            remove_old(self._store, self._config.days, time.time())


def spool_of(config: JournalConfig, uri: str) -> Path:
    """The folder where files wait for a bucket: as configured, or one for each bucket in the user's cache."""
    if config.spool:
        return Path(config.spool).expanduser().resolve()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "holdfast" / "journal" / hashlib.sha256(uri.encode()).hexdigest()[:16]
