"""The journal: a record of every prediction and every true label, written beside the requests."""

import errno
import json
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from holdfast.config.serve import JournalConfig
from holdfast.core.addresses import masked
from holdfast.core.errors import ConfigError
from holdfast.core.locks import try_lock
from holdfast.monitor.retention import remove_old
from holdfast.monitor.segments import OPEN, Line, Segment, finish, open_names, segment_name, writer_of
from holdfast.monitor.stores import Folder, Store, is_remote, open_store
from holdfast.serve.batching import Answer
from holdfast.serve.bodies import Item
from holdfast.serve.ids import share_of
from holdfast.serve.live import Live
from holdfast.serve.mover import Mover, spool_of
from holdfast.serve.records import Noted, Sketches, line_of

_MOST_RECORDS, _MOST_BYTES = 8192, 32 << 20
"""What may wait to be written; more is lost, and counted."""
_BATCH_RECORDS, _BATCH_BYTES = 256, 4 << 20
_SEGMENT_BYTES = 64 << 20
_GATHER_S = 0.1
"""Records are written together that come within this time: with a fifth of it each costs twice as much."""
_SYNC_S = 1.0
_RETRY_S = 0.5
_TIDY_S = 3600.0
_EACH = 1000
"""Bytes that a record takes while it waits, more or less, beside its input and its embedding."""


@dataclass(slots=True)
class _Waiting:
    """What waits to be written: a prediction that was noted, or a line that somebody waits for."""

    what: Noted | Line
    size: int
    done: "Future[None] | None" = None


@dataclass(slots=True)
class _Counts:
    """Counters of one of two threads: that which notes, or that which writes."""

    noted: int = 0
    records: int = 0
    inputs: int = 0
    held: int = 0

    def lose(self, waiting: _Waiting) -> None:
        self.records += 1
        if waiting.what.data is not None:
            self.inputs += 1


class Journal:
    """Takes what was answered and writes it down, in a thread of its own.

    Whatever the disk or the bucket does, `note` returns at once. Every record is counted when it is noted,
    and again when it is written or lost: `noted == written + lost + waiting`, always.
    """

    def __init__(
        self,
        config: JournalConfig,
        *,
        clock: Callable[[], float] = time.time,
        gather_s: float = _GATHER_S,
        warn: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Open the place and start to write. What a killed server left open there is finished.

        Args:
            config: its `where` is given.
            clock: seconds since 1970.
            gather_s: how long a record waits for others to be written with it.
            warn: is told, in the journal's thread, when it cannot be written any more, and when it can again.

        Raises:
            ConfigError: if nothing can be written there.
        """
        assert config.where is not None
        self.config, self._clock, self._gather_s = config, clock, gather_s
        self._warn = warn
        self._inputs = 0.0 if config.private else config.inputs
        self.store: Store = open_store(config.where)
        remote = is_remote(config.where)
        self.folder = spool_of(config, self.store.uri) if remote else Path(self.store.uri)
        self.writer = os.urandom(4).hex()
        self._lock = self._open_folder()
        self.written = self.inputs = self._number = 0
        self.fault: str | None = None
        self._ours, self._theirs = _Counts(), _Counts()  # a counter has one thread
        self._waiting: deque[_Waiting] = deque()
        self._batch: list[_Waiting] = []
        self._segment: Segment | None = None
        self._began = self._synced = self._retry = 0.0
        self._tidied = float("-inf")
        self._dirty = False
        self._sketches = Sketches()
        self._wake, self._hurry = threading.Event(), threading.Event()
        self._closing, self._given_up = threading.Event(), threading.Event()
        self.mover = Mover(self.folder, self.store, config) if remote else None
        self._thread = threading.Thread(target=self._work, name="journal", daemon=True)
        self._thread.start()

    @property
    def stores(self) -> list[Store]:
        """Where its records are: what waits here, and the bucket if there is one."""
        return [Folder(self.folder), *([self.store] if self.mover else [])]

    def note(
        self,
        live: Live,
        request: str | None,
        ids: Sequence[str],
        items: Sequence[Item],
        answers: Sequence[Answer],
        chosen: Sequence[list[str]],
        seconds: float,
    ) -> None:
        """Take the answers of one request. Called from the event loop only.

        Args:
            live: the model that gave them.
            request: the id of the request.
            ids: of the predictions; like all that follow, one for each item.
            seconds: from the end of the upload to the answer.
        """
        now, config = self._clock(), self.config
        for number, item, answer, labels in zip(ids, items, answers, chosen, strict=True):
            size = _EACH + answer.embedding.nbytes
            sent, data = item.data, None
            length = len(sent) if isinstance(sent, bytes) else sent.nbytes
            # what the client decoded itself is no file that anybody could look at
            if (
                config.inputs
                and isinstance(sent, bytes)
                and not config.private
                and share_of(number) < config.inputs
            ):
                if self._held + size + length <= _MOST_BYTES:
                    data, size = sent, size + length
                else:
                    self._theirs.inputs += 1
            noted = Noted(live, number, request, now, seconds, item.name, length, answer, labels, data)
            self._take(_Waiting(noted, size))

    def add(self, record: dict[str, Any]) -> "Future[None] | None":
        """Take a record of another kind; the future ends once it is written. None if there is no room."""
        waiting = _Waiting(Line(record), _EACH, Future())
        if not self._take(waiting):
            return None
        self._hurry.set()  # somebody waits for it
        return waiting.done

    def counts(self) -> dict[str, Any]:
        """What became of the records; of inputs, only those that were to be kept count."""
        return {
            "noted": self._theirs.noted,
            "written": self.written,
            "lost": self._ours.records + self._theirs.records,
            "waiting": len(self._waiting) + len(self._batch),
            "inputs": self.inputs,
            "inputs_lost": self._ours.inputs + self._theirs.inputs,
            "fault": self.fault,
            **(self.mover.counts() if self.mover else {}),
        }

    def close(self, wait_s: float = 5.0) -> None:
        """Write what waits and finish the segment, but for no longer than this; what is left is lost."""
        self._closing.set()
        self._hurry.set()
        self._wake.set()
        self._thread.join(wait_s)
        self._given_up.set()
        self._wake.set()
        self._thread.join(1)
        if self.mover:
            self.mover.close(wait_s)
        self._lock.release()
        self._lock_path(self.writer).unlink(missing_ok=True)

    @property
    def _held(self) -> int:
        return self._theirs.held - self._ours.held

    def _take(self, waiting: _Waiting) -> bool:
        self._theirs.noted += 1
        if len(self._waiting) >= _MOST_RECORDS or self._held + waiting.size > _MOST_BYTES:
            self._theirs.lose(waiting)
            return False
        self._theirs.held += waiting.size
        self._waiting.append(waiting)
        if not self._wake.is_set():
            self._wake.set()
        return True

    def _open_folder(self) -> Any:
        where = masked(str(self.config.where))
        try:
            lock = try_lock(self._lock_path(self.writer))
        except OSError as error:
            raise ConfigError(
                f"no journal can be written to {self.folder}: {error.strerror or error}",
                hint="set serve.journal.where (or, for a bucket, serve.journal.spool) to a folder that can",
            ) from error
        assert lock is not None, f"the journal {where} has a writer of this very name"
        return lock

    def _lock_path(self, writer: str | None) -> Path:
        return self.folder / OPEN / f"{writer}.lock"

    def _work(self) -> None:
        while not self._given_up.is_set():
            closing = self._closing.is_set()
            if not closing:
                self._wake.wait(self._pause())
                self._wake.clear()
                self._hurry.wait(self._gather_s)
                self._hurry.clear()
            before = self.fault
            self._turn()
            if self.fault and not before:
                self._warn(
                    f"the journal cannot be written now, and is kept in memory while it fits: {self.fault}"
                )
            elif before and not self.fault:
                self._warn("the journal is written again")
            if closing and not self._waiting and not self._batch:
                break
            if closing and self._batch:
                self._given_up.wait(_RETRY_S / 5)
        for waiting in (*self._batch, *self._waiting):
            self._ours.lose(waiting)
        self._batch = []
        self._waiting.clear()
        with suppress(OSError):
            self._finish()

    def _pause(self) -> float | None:
        """Seconds until there is something to do even if nothing comes."""
        now = time.monotonic()
        if self._batch:
            return max(0.0, self._retry - now)
        if self._waiting:
            return 0.0
        due = [self._tidied + _TIDY_S]
        if self._dirty:
            due.append(self._synced + _SYNC_S)
        if self._segment and self._segment.records:
            due.append(self._began + self.config.segment_s)
        return max(0.0, min(due) - now)

    def _turn(self) -> None:
        now = time.monotonic()
        try:
            if not self._batch:
                self._fill()
            if self._batch and (now >= self._retry or self._closing.is_set()):
                self._write()
            if self._dirty and now - self._synced >= _SYNC_S and self._segment:
                self._segment.sync()
                self._synced, self._dirty = now, False
            if self._segment and self._is_full(self._segment, now):
                self._finish()
            if now - self._tidied >= _TIDY_S:
                self._tidy(now)
        except OSError as error:  # no room, or the disk is gone: what could not be written is tried again
            self._retry = time.monotonic() + _RETRY_S
            self.fault = f"{self.folder}: {error.strerror or error}"
            self._abandon()

    def _fill(self) -> None:
        size = 0
        while self._waiting and len(self._batch) < _BATCH_RECORDS and size < _BATCH_BYTES:
            waiting = self._waiting.popleft()
            size += waiting.size
            try:
                if isinstance(waiting.what, Noted):
                    waiting.what = line_of(waiting.what, self._sketches, private=self.config.private)
                self._batch.append(waiting)
            except Exception as error:  # of any kind: it belongs to this record alone
                self._drop(waiting, error)

    def _drop(self, waiting: _Waiting, error: Exception) -> None:
        self._ours.lose(waiting)
        self._ours.held += waiting.size
        self.fault = f"a record cannot be made: {type(error).__name__}: {error}"

    def _write(self) -> None:
        lines = [it.what for it in self._batch if isinstance(it.what, Line)]
        if self.mover and not self.mover.has_room():
            raise OSError(errno.ENOSPC, "the spool is full")
        if self._segment is None:
            self._number += 1
            name = segment_name(self._clock(), self.writer, self._number)
            self._segment, self._began = Segment(self.folder, name), time.monotonic()
        before = self._segment.bytes
        try:
            self._segment.append(lines)
        except ValueError:  # such as an embedding that is no number: the others are written in the next turn
            self._sift()
            return
        if self.mover:
            self.mover.grew(self._segment.bytes - before)
        batch, self._batch = self._batch, []
        self.written += len(batch)
        self.inputs += sum(line.data is not None for line in lines)
        self._ours.held += sum(it.size for it in batch)
        self._dirty, self.fault = True, None
        for it in batch:
            if it.done and not it.done.cancelled():
                with suppress(Exception):  # given up in this very moment
                    it.done.set_result(None)

    def _sift(self) -> None:
        """Drop from the batch what cannot be written as JSON."""
        batch, self._batch = self._batch, []
        for waiting in batch:
            try:
                assert isinstance(waiting.what, Line)
                json.dumps(waiting.what.record, allow_nan=False)
                self._batch.append(waiting)
            except ValueError as error:
                self._drop(waiting, error)

    def _is_full(self, segment: Segment, now: float) -> bool:
        old = segment.records > 0 and now - self._began >= self.config.segment_s
        return old or segment.bytes >= _SEGMENT_BYTES

    def _finish(self) -> None:
        segment, self._segment = self._segment, None
        if segment is not None:
            self._dirty = False
            segment.finish()
            if self.mover:
                self.mover.wake()

    def _abandon(self) -> None:
        """Leave a segment that could not be written to as it is; the next try begins another one."""
        segment, self._segment, self._dirty = self._segment, None, False
        if segment is not None:
            with suppress(OSError):
                segment.drop()
            if segment.records:
                with suppress(OSError):
                    finish(self.folder, segment.name)
            else:
                for suffix in (".jsonl", ".tar"):
                    with suppress(OSError):
                        (self.folder / OPEN / f"{segment.name}{suffix}").unlink(missing_ok=True)

    def _tidy(self, now: float) -> None:
        """Finish what writers that are gone left open, and remove what is too old."""
        self._tidied = now
        current = self._segment.name if self._segment else None
        for name in open_names(self.folder):
            writer = writer_of(name)
            if writer == self.writer and name != current:
                finish(self.folder, name)
            elif writer != self.writer and (lock := try_lock(self._lock_path(writer))):
                finish(self.folder, name)
                lock.release()
                self._lock_path(writer).unlink(missing_ok=True)
                if self.mover:
                    self.mover.wake()
        if self.config.days and not self.mover:
            remove_old(self.store, self.config.days, self._clock())
