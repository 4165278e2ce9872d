"""Samples, decoded in threads ahead of their use and kept in memory while there is room."""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Generic, TypeVar, cast

import numpy as np

from holdfast.core.errors import DataError, InputError
from holdfast.data import Version
from holdfast.data.reader import Take, read_ahead
from holdfast.modality import Preparation
from holdfast.train.windows import Windows

Made = TypeVar("Made")

_AHEAD = 3
"""Batches under way or made before they are asked for, and one more for each thread but the first."""
_PIECES = 2
"""Of a batch for each thread: few enough to cost nothing, enough that no thread waits long for another."""
_PLAIN = 8
"""Samples that are decoded together where no batch says how many: all windows of theirs are in memory."""


class Samples:
    """Decoded samples by their index in a dataset version.

    Each is decoded when it is first asked for, so training need not wait for those that come later, and kept
    while there is room. What is kept stays: an epoch comes to all samples before it comes to one again, so
    what is dropped for another would be missed sooner.

    Args:
        version: where they come from.
        preparation: how they are decoded.
        cache_mb: how much memory they may take; what does not fit is decoded each time.
        threads: how many decode and make batches. Any number of them gives the same batches.
    """

    def __init__(self, version: Version, preparation: Preparation, *, cache_mb: float, threads: int) -> None:
        self.version = version
        self.preparation = preparation
        self.threads = threads
        self.windows = Windows()
        """Of recordings, those that training may draw."""
        self._kept: dict[int, np.ndarray] = {}
        self._is_kept = np.zeros(len(version), bool)
        self._room = cache_mb * 2**20
        self._lock = threading.Lock()

    def each(self, indices: np.ndarray) -> Iterator[np.ndarray]:
        """The parts of each sample, shape (parts, …), in order.

        Raises:
            DataError: if one cannot be decoded; its name is in the message.
        """
        groups = np.split(indices, range(_PLAIN, len(indices), _PLAIN))
        for parts in self.batches(groups, lambda _, parts: parts):
            yield from parts

    def batches(
        self, plan: Sequence[np.ndarray], make: Callable[[int, list[np.ndarray]], Made]
    ) -> Iterator[Made]:
        """What `make` makes of each batch, in order, from its place in the plan and the parts of its samples.

        It is called in threads, ahead of the use of what it makes.

        Raises:
            DataError: as `each` does.
        """
        waiting: deque[Future[Made]] = deque()
        with (
            ThreadPoolExecutor(self.threads, thread_name_prefix="batches") as pool,
            read_ahead(self.version, plan, needed=self._missing) as takes,
        ):
            try:
                for place, take in enumerate(takes):
                    waiting.append(_Work(self, place, plan[place], take, make).begin(pool))
                    if len(waiting) > _AHEAD + self.threads - 1:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                pool.shutdown(wait=False, cancel_futures=True)

    def kept(self, index: int) -> np.ndarray | None:
        """The parts of a sample if they are in memory."""
        return self._kept.get(index)

    def decode(self, index: int, data: bytes) -> np.ndarray:
        """The parts of a sample, which are kept if there is room."""
        try:
            parts = self.preparation.decode(data)
        except InputError as error:
            raise DataError(
                f"{self.version.names[index]}: {error.message}",
                hint="the limits of `prepare` may be tighter than when the data was added",
            ) from error
        with self._lock:
            if parts.nbytes <= self._room and index not in self._kept:
                self._room -= parts.nbytes
                self._kept[index] = parts
                self._is_kept[index] = True
        return parts

    def _missing(self, indices: np.ndarray) -> np.ndarray:
        missing: np.ndarray = indices[~self._is_kept[indices]]
        return missing


class _Work(Generic[Made]):
    """A batch under way, decoded in pieces; the thread that ends the last one makes it, so none waits."""

    def __init__(
        self,
        samples: Samples,
        place: int,
        indices: np.ndarray,
        take: Take,
        make: Callable[[int, list[np.ndarray]], Made],
    ) -> None:
        self._samples, self._place, self._take, self._make = samples, place, take, make
        self._indices: list[int] = indices.tolist()
        self._parts = [samples.kept(index) for index in self._indices]
        self._missing = [row for row, parts in enumerate(self._parts) if parts is None]
        self._left = max(1, min(len(self._missing), _PIECES * samples.threads))
        self._lock = threading.Lock()
        self._done: Future[Made] = Future()

    def begin(self, pool: Executor) -> "Future[Made]":
        count = self._left
        for number in range(count):
            pool.submit(self._piece, self._missing[number::count])
        return self._done

    def _piece(self, rows: Sequence[int]) -> None:
        try:
            for row in rows:
                self._parts[row] = self._decoded(self._indices[row])
            with self._lock:
                self._left -= 1
                is_last = self._left == 0
            if is_last:
                parts = cast(list[np.ndarray], self._parts)
                self._done.set_result(self._make(self._place, parts))
        except BaseException as error:  # of which the one who waits for the batch shall know
            with self._lock:
                if not self._done.done():
                    self._done.set_exception(error)

    def _decoded(self, index: int) -> np.ndarray:
        kept = self._samples.kept(index)  # by now, where a sample comes twice
        return self._samples.decode(index, self._take(index)) if kept is None else kept
