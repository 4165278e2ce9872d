"""The queue before the graph: items of requests wait here, are decoded, and go through it together."""

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from holdfast.core.errors import HoldfastError
from holdfast.serve.curve import Curve
from holdfast.serve.engine import Engine
from holdfast.serve.metrics import Phases, timed

_SLAB_BYTES = 64 << 20
"""Decoded samples that wait for the graph, more or less; no more are decoded meanwhile."""
_MOST_RETRY_S = 60
_SHARE = 0.8
"""Of the promise that may be used up by waiting: what is predicted is not exact, and answers take a while."""


class BusyError(HoldfastError):
    """There is no room for more items now.

    Attributes:
        retry_s: whole seconds after which there should be room.
    """

    def __init__(self, message: str, *, retry_s: int = 1) -> None:
        super().__init__(message, hint=f"send it again in {retry_s} s")
        self.retry_s = retry_s


@dataclass(frozen=True)
class Answer:
    """What the graph says of one item.

    Attributes:
        probabilities: shape (labels,).
        parts: shape (parts, labels); one row, or one per window of a sound.
        embedding: shape (width,); where the graph's last layer looks from.
        features: what `serve.features` measured of the decoded item, where that was asked for.
        labels: those that are given.
        times: when it came, began to be decoded, was decoded, began to run and was done; monotonic seconds.
    """

    probabilities: np.ndarray
    parts: np.ndarray
    embedding: np.ndarray
    features: dict[str, float] = field(default_factory=dict)
    labels: list[str] = field(default_factory=list)
    times: tuple[float, float, float, float, float] | None = None


@dataclass
class _Group:
    """The items of one request: what was begun is not given up for being late."""

    until: float
    missing: int
    """Items without an answer so far."""
    done: Callable[[], None] | None
    begun: bool = False


@dataclass(eq=False)
class _Job:
    data: bytes | np.ndarray
    since: float
    group: _Group
    rows: int
    """Parts that it has, or is thought to have before it is decoded."""
    parts: np.ndarray | None = None
    """What it was decoded to, shape (parts, …)."""
    began: float = 0.0
    decoded: float = 0.0
    taken: bool = False
    """Whether it waits no more."""
    left: bool = False
    """Whether nobody waits for it any more."""
    future: "Future[Answer]" = field(default_factory=Future)


class Batcher:
    """A bounded queue of items, and threads that decode them and run the graph.

    A worker that is free runs what is decoded, if that is as much as goes well together (`curve`) or nothing
    else waits; otherwise it decodes the next item. So nothing waits for a batch to fill, and batches form
    only where work has piled up. What goes wrong with one item goes into its own future and harms no other.

    The queue is counted in rows of the graph and in time: what would have to wait longer than promised is
    refused at once, since an answer that comes too late costs as much as one that is in time.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        workers: int,
        curve: Curve | None = None,
        promise_s: float = 10.0,
        capacity: int = 1024,
        phases: Phases | None = None,
        measure: Callable[[np.ndarray], dict[str, float]] | None = None,
    ) -> None:
        """Start the workers.

        Args:
            engine: does the decoding and runs the graph; both happen in the workers.
            workers: how many threads.
            curve: how much goes together; may be set later. None runs each item by itself.
            promise_s: what would wait for most of this is refused; what has waited for it is given up.
            capacity: most rows that wait. A request of more is taken if nothing waits.
            phases: hears how long items waited, were decoded, and ran.
            measure: gives the features of a decoded item.
        """
        self.phases, self.curve = phases, curve or Curve()
        self._measure = measure
        self._engine, self._promise_s, self._capacity = engine, promise_s, capacity
        self._queues: tuple[deque[_Job], deque[_Job]] = (deque(), deque())  # of people, and in the background
        self._ready: list[_Job] = []
        self._rows = 0  # that wait or are in work
        self._behind = 0  # of these, those that let all others go first and have not begun
        self._changed = threading.Condition()
        self._busy = self._running = 0  # workers at work, and those of them at the graph
        self._closed = False
        self._seconds_to_decode = self._seconds_to_run = 0.0  # a row, of one worker
        self._bytes_each = 0.0  # of a part; 0 as long as items have one part
        self._workers = [
            threading.Thread(target=self._work, name=f"predict-{number}", daemon=True)
            for number in range(workers)
        ]
        for worker in self._workers:
            worker.start()

    def submit(
        self,
        items: Sequence[bytes | np.ndarray],
        *,
        background: bool = False,
        done: Callable[[], None] | None = None,
    ) -> list["Future[Answer]"]:
        """Queue the items of one request, all or none. Cancel a future to take its item out again.

        Args:
            items: files or texts, or what `Engine.decode` makes of them.
            background: let all others go first, and wait as long as it takes.
            done: called once, from any thread, when all futures are done.

        Raises:
            BusyError: if they would make the queue too long, or the batcher is closed.
        """
        now = time.monotonic()
        group = _Group(math.inf if background else now + self._promise_s, len(items), done)
        jobs = [_Job(item, now, group, self._guess(item)) for item in items]
        with self._changed:
            self._admit(sum(job.rows for job in jobs), background)
            self._queues[background].extend(jobs)
            if background:
                self._behind += sum(job.rows for job in jobs)
            self._changed.notify(len(jobs))
        for job in jobs:
            job.future.add_done_callback(partial(self._forget, job))
        return [job.future for job in jobs]

    def check(self) -> None:
        """Whether one more item would be taken now; for before its bytes are read.

        Raises:
            BusyError: as `submit` does.
        """
        with self._changed:
            self._admit(1, background=False)
            self._rows -= 1

    @property
    def rows(self) -> int:
        """How many rows wait or are in work."""
        return self._rows

    @property
    def idle(self) -> bool:
        """Whether there is nothing to do."""
        return not self._rows

    @property
    def closed(self) -> bool:
        """Whether no more items are taken."""
        return self._closed

    def close(self) -> None:
        """Take no more items, finish those that wait, and end the workers."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for worker in self._workers:
            worker.join()

    def _admit(self, rows: int, background: bool) -> None:
        if self._closed:
            raise BusyError("the server is stopping")
        ahead = self._rows if background else self._rows - self._behind
        wait_s = ahead * (self._seconds_to_decode + self._seconds_to_run) / len(self._workers)
        late = wait_s > _SHARE * self._promise_s and not background
        if ahead and (late or ahead + rows > self._capacity):
            told = f"{ahead} items are waiting already" + (f", for {wait_s:.1f} s" if late else "")
            raise BusyError(told, retry_s=max(1, min(math.ceil(wait_s), _MOST_RETRY_S)))
        self._rows += rows

    def _guess(self, item: bytes | np.ndarray) -> int:
        if not isinstance(item, bytes):
            return len(item)
        return max(1, round(len(item) / self._bytes_each)) if self._bytes_each else 1

    def _forget(self, job: _Job, _: "Future[Answer]") -> None:
        """Count it no more, once it is answered or its client has left; its future may be kept for longer."""
        job.data, job.parts = b"", None
        with self._changed:
            self._begin(job)
            self._rows -= job.rows
            job.rows, job.left = 0, True
            job.group.missing -= 1
            last = not job.group.missing
        if last and job.group.done:
            job.group.done()

    def _begin(self, job: _Job) -> None:
        """From now on it holds others up, if it let them go first so far."""
        if math.isinf(job.group.until) and not job.taken:
            self._behind -= job.rows
        job.taken = True

    def _work(self) -> None:
        while (todo := self._take()) is not None:
            jobs, alone = todo
            began, raw = time.monotonic(), jobs[0].parts is None
            if raw:
                self._decode(jobs[0])
                self._seconds_to_decode = _blend(self._seconds_to_decode, time.monotonic() - began)
            else:
                rows = sum(map(_rows, jobs))
                self._run(jobs, alone)
                self._seconds_to_run = _blend(self._seconds_to_run, (time.monotonic() - began) / rows)
            with self._changed:
                self._busy -= 1
                self._running -= not raw

    def _take(self) -> tuple[list[_Job], bool] | None:
        """What to do next, and whether that is all there is to do; None once closed and nothing is left.

        It is either one item to decode, or items to run.
        """
        with self._changed:
            while not (jobs := self._ripe() or self._raw()):
                if self._closed:
                    return None
                self._changed.wait()
            self._busy += 1
            self._running += jobs[0].parts is not None
            left = bool(self._ready or any(self._queues))
            if left:
                self._changed.notify()
            return jobs, self._busy == 1 and not left and self.curve.wide

    def _ripe(self) -> list[_Job]:
        """Decoded items that run together now; none if it is better to decode another first."""
        ready = self._ready = [job for job in self._ready if not job.left]
        if not ready:
            return []
        longest = max(map(_length, ready))
        full = not self.curve.fits(sum(map(_rows, ready)) + 1, longest) or _bytes(ready) > _SLAB_BYTES
        more = self._queues[0] or (self._queues[1] and all(math.isinf(job.group.until) for job in ready))
        if more and not full:
            return []
        first, share = ready[0], -(-len(ready) // (len(self._workers) - self._running))
        together, rows, longest = [first], _rows(first), _length(first)
        for job in sorted(ready[1:], key=lambda job: abs(_length(job) - _length(first))):
            rows, longest = rows + _rows(job), max(longest, _length(job))
            if len(together) == share or not self.curve.fits(rows, longest):
                break
            together.append(job)
        self._ready = [job for job in ready if job not in together]
        return together

    def _raw(self) -> list[_Job]:
        """The next item to decode, if one waits; those that have waited too long are given up."""
        while queue := self._queues[0] or self._queues[1]:
            job = queue.popleft()
            self._begin(job)
            if not job.group.begun and time.monotonic() > job.group.until:
                if job.future.set_running_or_notify_cancel():
                    told = f"it has waited for {self._promise_s:g} s, and nobody may wait for it any more"
                    job.future.set_exception(BusyError(told))
            elif job.future.set_running_or_notify_cancel():
                job.group.begun = True
                return [job]
        return []

    def _decode(self, job: _Job) -> None:
        job.began = time.monotonic()
        if self.phases:
            self.phases.phase("queue", job.began - job.since)
        try:
            if isinstance(job.data, bytes):
                with timed(self.phases, "decode"):
                    job.parts = self._engine.decode(job.data)
                if len(job.parts) > 1 or self._bytes_each:
                    self._bytes_each = _blend(self._bytes_each, len(job.data) / len(job.parts))
            else:
                job.parts = job.data
        except Exception as error:  # of any kind: it belongs to this item alone
            job.future.set_exception(error)
            return
        job.data, job.decoded = b"", time.monotonic()
        with self._changed:
            self._rows += len(job.parts) - job.rows
            job.rows = len(job.parts)
            self._ready.append(job)

    def _run(self, jobs: list[_Job], alone: bool) -> None:
        parts = [job.parts for job in jobs if job.parts is not None]
        if self.phases:
            self.phases.batch(len(jobs))
        began = time.monotonic()
        try:
            with timed(self.phases, "inference"):
                answer = self._engine.predict_parts(parts, alone=alone)
            done = time.monotonic()
            chosen = self._engine.labels_of(answer.probabilities)
            features = [self._measure(sample) if self._measure else {} for sample in parts]
        except Exception as error:  # find out whose it is: the others must not suffer
            if len(jobs) > 1:
                for job in jobs:
                    self._run([job], alone)
            else:
                jobs[0].future.set_exception(error)
            return
        for row, job in enumerate(jobs):
            rows = answer.probabilities[row], answer.parts[row], answer.embeddings[row]
            times = job.since, job.began, job.decoded, began, done
            job.future.set_result(Answer(*rows, features[row], chosen[row], times))


def _blend(mean: float, value: float) -> float:
    """A running mean, which begins with its first value; races do not matter."""
    return mean + 0.1 * (value - mean) if mean else value


def _rows(job: _Job) -> int:
    return 0 if job.parts is None else len(job.parts)


def _length(job: _Job) -> int:
    """Of each of its parts: tokens of a text; of no matter for what has one size."""
    return 0 if job.parts is None or job.parts.ndim < 2 else job.parts.shape[1]


def _bytes(jobs: Sequence[_Job]) -> int:
    return sum(job.parts.nbytes for job in jobs if job.parts is not None)
