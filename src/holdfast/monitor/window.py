"""The newest predictions of a journal whose inputs were kept, followed as it grows."""

import json
import threading
import time
from collections.abc import Sequence
from typing import Any

from holdfast.monitor.journal import Record, input_of, read_segment, segments_of
from holdfast.monitor.stores import Folder, Store

_MOST_RECORDS, _MOST_TRUTHS = 1000, 20_000
_MOST_READ = 64 << 20
"""Bytes that are read in one go; of more, the newest."""
_LOOK_FAR_S = 15.0
"""A bucket is listed no more often than this."""
_SLIM = ("id", "time", "model", "task", "modality", "name", "labels", "probabilities", "uncertainty", "input")


class Window:
    """What a person may look at now. Safe to use from threads.

    Args:
        stores: of the journal.
        most: predictions that are remembered.
    """

    def __init__(self, stores: Sequence[Store], *, most: int = _MOST_RECORDS) -> None:
        self._stores, self._most = stores, most
        self._records: dict[str, Record] = {}
        self._truths: dict[str, Record] = {}
        self._read: dict[str, int] = {}
        self._lock = threading.Lock()
        self._near = [store for store in stores if isinstance(store, Folder)]
        self._far = [store for store in stores if not isinstance(store, Folder)]
        self._looked, self._listed = float("-inf"), dict[str, tuple[Store, str, int]]()

    def look(self) -> None:
        """Take in what was written since the last time, the newest first, and of very much not all.

        Raises:
            OSError: if the journal cannot be read; libraries of stores raise other errors too.
        """
        with self._lock:
            budget, segments = _MOST_READ, self._segments()
            for name, (_, _, size) in sorted(segments.items(), reverse=True):
                done = self._read.get(name, 0)
                if size > done:
                    start = max(done, size - budget)  # the line that is cut there is left out
                    budget -= size - start
                    self._read[name] = self._take(name, start) if start < size else size
            self._read = {name: done for name, done in self._read.items() if name in segments}
            self._shorten()

    def _segments(self) -> dict[str, tuple[Store, str, int]]:
        if self._far and time.monotonic() - self._looked >= _LOOK_FAR_S:
            self._looked, self._listed = time.monotonic(), segments_of(self._far)
        return {**self._listed, **segments_of(self._near)}

    def records(self) -> list[Record]:
        """The predictions, the newest first, each with its `truth`: what was last said of it, or None."""
        with self._lock:
            return [
                {**self._records[number], "truth": self._truth(number)}
                for number in sorted(self._records, reverse=True)
            ]

    def input(self, number: str) -> tuple[Record, bytes]:
        """A prediction and its input.

        Raises:
            FileNotFoundError: if it is not among them, or its input is not there any more.
        """
        with self._lock:
            record = self._records.get(number)
        if record is None:
            raise FileNotFoundError(number)
        return record, input_of(self._stores, record)

    def _take(self, name: str, start: int) -> int:
        """Read a segment from there on; how far it is read then."""
        try:
            data = read_segment(self._stores, name, offset=start)
        except FileNotFoundError:  # it was removed as too old
            return start
        whole = data.rfind(b"\n") + 1
        for line in data[:whole].split(b"\n"):
            # most lines of a busy server have no input: they are not worth parsing
            if b'"input":{' in line or line.startswith(b'{"kind":"feedback"'):
                self._keep(line)
        return start + whole

    def _keep(self, line: bytes) -> None:
        try:
            record: dict[str, Any] = json.loads(line)
        except ValueError:  # what a full disk cut short
            return
        if record.get("kind") == "prediction" and "input" in record:
            self._records[record["id"]] = {key: record.get(key) for key in _SLIM}
        elif record.get("kind") == "feedback":
            known = self._truths.get(record["prediction"])
            if known is None or known["id"] < record["id"]:
                self._truths[record["prediction"]] = record

    def _truth(self, number: str) -> Record | None:
        said = self._truths.get(number)
        if said is None or said["labels"] is None:
            return None
        return {key: said.get(key) for key in ("labels", "time", "by")}

    def _shorten(self) -> None:
        for number in sorted(self._records)[: -self._most]:
            del self._records[number]
        while len(self._truths) > _MOST_TRUTHS:
            del self._truths[next(iter(self._truths))]
