"""Which model gave a prediction, as its journal knows it: found by the id, without reading the journal."""

import json
import re
import threading
import time
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import PurePosixPath

from holdfast.monitor.journal import read_segment
from holdfast.monitor.segments import FINISHED, OPEN, writer_of
from holdfast.monitor.stores import Store

_STAMP = len("20261121T205233")
_LONGEST_S = 3600.0
"""So long may a segment be open."""
_AHEAD_S = 60.0
"""So much later than its prediction may a record be written, or a clock of another machine be ahead."""
_SMALL, _LINE = 64 << 10, 16 << 10
"""Bytes that are looked through at once, and those within which a line surely begins."""
_LISTED_S, _MOST_LISTS = 5.0, 50
_SHARE, _MOST_S = 0.05, 2.0
"""So much of the time may be spent on looking: whoever makes ids up costs no more than that."""
_ID = re.compile(rb'^\{"kind":"[a-z]+","id":"([0-9a-f-]{36})"', re.MULTILINE)


class Lookup:
    """Looks ids up in the segments of a journal. Safe to use from threads, one of which looks at a time.

    A segment's name says when it was begun, an id when it was made, and a writer's records are in the order
    of their ids: a search by halves in the two or three segments that come into question reads some ten
    blocks.

    Args:
        stores: of the journal.
    """

    def __init__(self, stores: Sequence[Store]) -> None:
        self._stores = stores
        self._lock = threading.Lock()
        self._lists: dict[str, tuple[float, dict[str, int]]] = {}
        self._left_s, self._since = _MOST_S, time.monotonic()

    def models(self, made: Mapping[str, float]) -> dict[str, str]:
        """Which model gave each prediction; those that are not found in the time that there is are left out.

        Args:
            made: id → when it was made, in seconds since 1970.

        Raises:
            OSError: if the journal cannot be read; libraries of stores raise other errors too.
        """
        found: dict[str, str] = {}
        with self._lock:
            began = time.monotonic()
            self._left_s = min(_MOST_S, self._left_s + _SHARE * (began - self._since))
            self._since = began
            try:
                for number, made_s in sorted(made.items()):
                    if time.monotonic() - began >= self._left_s:
                        break
                    if (model := self._model(number, made_s)) is not None:
                        found[number] = model
            finally:
                self._left_s -= time.monotonic() - began
        return found

    def _model(self, number: str, made_s: float) -> str | None:
        if not 0 <= made_s <= time.time() + _AHEAD_S:
            return None
        for name, size in self._places(made_s):
            try:
                model = self._model_in(name, size, number)
            except FileNotFoundError:  # it was removed as too old, or made Parquet of
                continue
            if model is not None:
                return model
        return None

    def _places(self, made_s: float) -> list[tuple[str, int]]:
        """The segments in which the record of a prediction of that moment may be, with their lengths."""
        first, last = _stamp(made_s - _LONGEST_S), _stamp(made_s + _AHEAD_S)
        folders = {OPEN, *(f"{FINISHED}/{it[:4]}-{it[4:6]}-{it[6:8]}" for it in (first, last))}
        by_writer: dict[str, dict[str, int]] = {}
        for folder in folders:
            for name, size in self._listed(folder).items():
                if first <= name[:_STAMP] <= last:
                    by_writer.setdefault(str(writer_of(name)), {})[name] = size
        places = []
        for sizes in by_writer.values():
            names = sorted(sizes)
            then = bisect_right([name[:_STAMP] for name in names], _stamp(made_s)) - 1
            # the one that was open then, or its neighbours: two may begin in a second, and records come late
            places += [(name, sizes[name]) for name in names[max(0, then - 1) : then + 2]]
        return places

    def _listed(self, folder: str) -> dict[str, int]:
        """Names of segments and their lengths, as they were some seconds ago at most."""
        known = self._lists.get(folder)
        if known is None or time.monotonic() - known[0] > _LISTED_S:
            sizes = {
                PurePosixPath(path).stem: size
                for store in self._stores
                for path, size in store.sizes(folder).items()
                if path.endswith(".jsonl") and writer_of(PurePosixPath(path).stem)
            }
            if len(self._lists) >= _MOST_LISTS:
                self._lists.clear()
            known = self._lists[folder] = (time.monotonic(), sizes)
        return known[1]

    def _model_in(self, name: str, size: int, number: str) -> str | None:
        """The model in the line of an id, in a segment whose lines are in the order of their ids."""
        low, high, wanted = 0, size, number.encode()  # where its line begins
        while high - low > _SMALL:
            middle = (low + high) // 2
            block = read_segment(self._stores, name, offset=middle, length=_LINE)
            found = _ID.search(block, block.find(b"\n") + 1)
            if found and found[1] <= wanted:
                low = middle + found.start()
            else:
                high = middle + 1
        data = read_segment(self._stores, name, offset=low, length=min(size, high + _LINE) - low)
        begins = data.find(b'{"kind":"prediction","id":"' + wanted)
        if begins < 0:
            return None
        try:
            return str(json.loads(data[begins:].partition(b"\n")[0])["model"])
        except (ValueError, KeyError):  # cut short
            return None


def _stamp(moment_s: float) -> str:
    """How the name of a segment begins that is begun at that moment."""
    return f"{datetime.fromtimestamp(max(0.0, moment_s), UTC):%Y%m%dT%H%M%S}"
