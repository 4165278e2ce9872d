"""Reads samples ahead of their use, in large spans of the shards, in the order in which they lie there."""

import hashlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import pyarrow

from holdfast.core.ahead import ahead
from holdfast.data.lazy import LazyShards
from holdfast.data.places import Places, Shards
from holdfast.data.version import Version

WINDOW_BYTES = 16 * 2**20
"""Of samples that are read at a time. Three windows at most are in memory: used up, in use, and the next."""
_TASK_BYTES = 2**20
_BATCHES = 1024
"""In a window at most: texts are so short that a window of them would be a whole dataset."""
_GAP_BYTES = 128 * 2**10
"""On a disk of our own, what lies between two samples is read too if it is no longer than this."""

Take = Callable[[int], bytes]
"""Gives a sample's bytes by its index; waits until they are read."""


@contextmanager
def read_ahead(
    version: Version,
    batches: Sequence[np.ndarray],
    *,
    needed: Callable[[np.ndarray], np.ndarray] = lambda indices: indices,
    window_bytes: int = WINDOW_BYTES,
) -> Iterator[Iterator[Take]]:
    """For each batch of indices what gives their bytes, checked as `Version.read` does.

    Batches are read in windows. The first window is one batch, so that it is there soon; each is twice as
    long as the one before, up to `window_bytes`. Within a window, samples are read in the order in which
    they lie in the shards, and neighbours at once: those of a remote in threads into memory, those of a disk
    of our own by the system into its cache of pages, from where `take` reads them.

    Args:
        version: where the samples are.
        batches: indices, in the order of their use; one may come several times.
        needed: which of a batch's indices will be asked for, as is known one window before.
        window_bytes: more make longer spans where a window is a good part of all samples, and take memory.

    Raises:
        DataError: when a sample is asked for that cannot be read, or is not what was stored.
    """
    shards = version.places.shards
    threads = 1 if isinstance(shards, Shards) else shards.at_once
    with ThreadPoolExecutor(threads, thread_name_prefix="reader") as pool:
        try:
            yield _takes(version, batches, needed, window_bytes, pool)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _takes(
    version: Version,
    batches: Sequence[np.ndarray],
    needed: Callable[[np.ndarray], np.ndarray],
    window_bytes: int,
    pool: Executor,
) -> Iterator[Take]:
    window_of = _Hints if isinstance(version.places.shards, Shards) else _Window
    waiting: deque[tuple[_Hints | _Window, int]] = deque()
    start, room = 0, 1
    while start < len(batches) or waiting:
        while start < len(batches) and len(waiting) < 2:
            chosen, stop, held = [], start, 0
            while stop < len(batches) and stop - start < _BATCHES and (held < room or stop == start):
                chosen.append(needed(batches[stop]))
                held += int(version.places.spans(chosen[-1])[2].sum())
                stop += 1
            waiting.append((window_of(version, np.unique(np.concatenate(chosen)), pool), stop - start))
            start, room = stop, min(2 * max(held, room), window_bytes)
        window, count = waiting.popleft()
        yield from [window.take] * count


def read_through(version: Version, indices: np.ndarray) -> Iterator[list[tuple[int, memoryview]]]:
    """All of some samples once, checked as `Version.read` does, in the order in which they lie in the shards.

    They come a span of the shards at a time, each with its place in `indices`; the next spans are read and
    checked meanwhile, in threads.

    Raises:
        DataError: if one cannot be read, or is not what was stored.
    """
    shards = version.places.shards
    threads, gap = (1, _GAP_BYTES) if isinstance(shards, Shards) else (shards.at_once, shards.request_bytes)
    lie, spans, (span, starts, lengths) = _spans(version.places, indices, gap)
    digests = version.table.column("digest").take(pyarrow.array(indices[lie]))
    firsts = np.searchsorted(span, np.arange(len(spans) + 1)).tolist()

    def read(number: int) -> list[tuple[int, memoryview]]:
        """A span that cannot be read is no error yet: `Version.read` tries again, and knows what to say."""
        data = memoryview(_read(shards, spans[number : number + 1].tolist())[0])
        part = slice(firsts[number], firsts[number + 1])
        columns = (column[part].tolist() for column in (lie, starts, lengths))
        found = []
        for place, start, length, digest in zip(*columns, digests[part].to_pylist(), strict=True):
            sample = data[start : start + length]
            if hashlib.sha256(sample).hexdigest() != digest:
                sample = memoryview(version.read(int(indices[place])))
            found.append((place, sample))
        return found

    with ThreadPoolExecutor(threads, thread_name_prefix="reader") as pool:
        yield from ahead(pool, read, range(len(spans)), most=threads)


class _Hints:
    """Samples on a disk of our own that the system was asked to read; copies of ours would cost, not save."""

    def __init__(self, version: Version, indices: np.ndarray, pool: Executor) -> None:
        self._version, self._places = version, version.places
        shards = self._places.shards
        assert isinstance(shards, Shards)
        _, spans, _ = _spans(self._places, indices, _GAP_BYTES)
        pool.submit(_expect, shards, spans.tolist())

    def take(self, index: int) -> bytes:
        try:
            data = self._places.read(index)
        except OSError:
            data = b""
        return data if self._version.is_right(index, data) else self._version.read(index)


class _Window:
    """Samples of a remote that are being read, by their indices."""

    def __init__(self, version: Version, indices: np.ndarray, pool: Executor) -> None:
        self._version, shards = version, version.places.shards
        assert not isinstance(shards, Shards)
        cost = shards.request_bytes
        lie, spans, inside = _spans(version.places, indices, cost)
        # A task reads several spans where they are short, so that there are not too many of them
        first = np.flatnonzero(np.diff(np.cumsum(spans[:, 2] + cost) // _TASK_BYTES, prepend=-1))
        task = np.searchsorted(first, np.arange(len(spans)), side="right") - 1
        parts = np.split(spans, first[1:]) if len(spans) else []
        self._tasks = [pool.submit(_read, shards, part.tolist()) for part in parts]
        span, start, length = inside
        columns = (task[span], span - first[task[span]], start, length)
        rows = zip(*(column.tolist() for column in columns), strict=True)
        self._places = dict(zip(indices[lie].tolist(), rows, strict=True))

    def take(self, index: int) -> bytes:
        task, span, start, length = self._places[index]
        data: bytes = self._tasks[task].result()[span][start : start + length]
        # Python's hash is keyed and of 64 bits (SipHash). The digest lets go of Python's lock, and threads
        # that take turns for it cost a tenth of all CPU. Of no bytes it is 0, as of what is not known
        sums, found = self._version.places.sums, hash(data)
        if found and sums[index] == found:
            return data
        # A span that could not be read is no error yet: `read` tries again, and knows what to say
        if not self._version.is_right(index, data):
            return self._version.read(index)
        sums[index] = found
        return data


def _spans(
    places: Places, indices: np.ndarray, gap: int
) -> tuple[np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """The order in which indices lie, the spans that hold them; for each its span, where in it, how long."""
    shards, offsets, lengths = places.spans(indices)
    lie = np.lexsort((offsets, shards))
    spans, span = spans_of(shards[lie], offsets[lie], lengths[lie], gap=gap)
    return lie, spans, (span, offsets[lie] - spans[span, 1], lengths[lie])


def spans_of(
    shards: np.ndarray, offsets: np.ndarray, lengths: np.ndarray, *, gap: int, most: int = 4 * 2**20
) -> tuple[np.ndarray, np.ndarray]:
    """The spans that hold samples, shape (spans, 3) of shard, offset, length; and that of each sample.

    Args:
        shards: of each sample; sorted by them and the offsets.
        offsets: bytes.
        lengths: bytes.
        gap: what lies between two samples is read too if it is no longer than this.
        most: bytes; spans end where a multiple of this lies between two samples' beginnings.

    >>> spans, span = spans_of(np.array([0, 0, 0]), np.array([0, 7, 30]), np.array([5, 5, 5]), gap=4)
    >>> spans.tolist(), span.tolist()
    ([[0, 0, 12], [0, 30, 5]], [0, 0, 1])
    """
    ends = offsets + lengths
    is_first = np.ones(len(offsets), bool)
    is_first[1:] = (np.diff(shards) != 0) | (offsets[1:] - ends[:-1] > gap) | (np.diff(offsets // most) != 0)
    first = np.flatnonzero(is_first)
    last = np.flatnonzero(np.append(is_first[1:], True)[: len(offsets)])
    spans = np.stack([shards[first], offsets[first], ends[last] - offsets[first]], axis=1)
    return spans, np.cumsum(is_first) - 1


def _expect(shards: Shards, spans: Sequence[tuple[int, int, int]]) -> None:
    for span in spans:
        shards.expect(*span)


def _read(shards: Shards | LazyShards, spans: Sequence[tuple[int, int, int]]) -> list[bytes]:
    found = []
    for span in spans:
        try:
            found.append(shards.read(*span))
        except OSError:
            found.append(b"")
    return found
