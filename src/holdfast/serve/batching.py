"""Micro-batching: items of requests that are there at the same time go through the graph together."""

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

import numpy as np

from holdfast.core.errors import HoldfastError
from holdfast.serve.engine import Engine
from holdfast.serve.metrics import Phases, timed

_SLAB_BYTES = 64 << 20
"""Decoded samples that one worker holds, more or less: a batch of long recordings runs in pieces."""
_MOST_RETRY_S = 60


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
    """

    probabilities: np.ndarray
    parts: np.ndarray
    embedding: np.ndarray
    features: dict[str, float] = field(default_factory=dict)


@dataclass
class _Job:
    data: bytes | np.ndarray
    since: float
    future: "Future[Answer]" = field(default_factory=Future)


class Batcher:
    """A bounded queue of items, and threads that decode them and run the graph.

    A worker takes what waits, at most `batch` items, but leaves to each idle worker its share: two
    cores are better used by two runs of four than by one run of eight (the table in `Engine` says how
    much). What goes wrong with one item goes into its own future and harms no other.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        workers: int,
        batch: int = 8,
        wait_s: float = 0.0,
        capacity: int = 256,
        phases: Phases | None = None,
        measure: Callable[[np.ndarray], dict[str, float]] | None = None,
    ) -> None:
        """Start the workers.

        Args:
            engine: does the decoding and runs the graph; both happen in the workers.
            workers: how many threads.
            batch: most items in one run.
            wait_s: how long an item waits for others to join it; 0 joins only what waits already.
            capacity: most items that wait. A request of more items is taken if nothing waits.
            phases: hears how long items waited, were decoded, and ran.
            measure: gives the features of a decoded item.
        """
        self.phases = phases
        self._measure = measure
        self._engine, self._batch, self._wait_s, self._capacity = engine, batch, wait_s, capacity
        self._waiting: deque[_Job] = deque()
        self._changed = threading.Condition()
        self._idle = 0
        self._closed = False
        self._seconds_each = 0.01
        self._workers = [
            threading.Thread(target=self._work, name=f"predict-{number}", daemon=True)
            for number in range(workers)
        ]
        for worker in self._workers:
            worker.start()

    def submit(self, items: Sequence[bytes | np.ndarray]) -> list["Future[Answer]"]:
        """Queue the items of one request, all or none. Cancel a future to take its item out again.

        Args:
            items: bytes, or what is decoded already, of shape (parts, …).

        Raises:
            BusyError: if they would make the queue too long, or the batcher is closed.
        """
        now = time.monotonic()
        jobs = [_Job(data, now) for data in items]
        with self._changed:
            if self._closed:
                raise BusyError("the server is stopping")
            if self._waiting and len(self._waiting) + len(jobs) > self._capacity:
                self._drop_cancelled()
            waiting = len(self._waiting)
            if waiting and waiting + len(jobs) > self._capacity:
                wait_s = math.ceil(waiting * self._seconds_each)
                raise BusyError(
                    f"{waiting} items are waiting already", retry_s=max(1, min(wait_s, _MOST_RETRY_S))
                )
            self._waiting += jobs
            self._changed.notify_all()
        return [job.future for job in jobs]

    def __len__(self) -> int:
        """How many items wait."""
        return len(self._waiting)

    def close(self) -> None:
        """Take no more items, finish those that wait, and end the workers."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for worker in self._workers:
            worker.join()

    def _drop_cancelled(self) -> None:
        self._waiting = deque(job for job in self._waiting if not job.future.cancelled())

    def _work(self) -> None:
        while jobs := self._take():
            began = time.monotonic()
            self._answer([job for job in jobs if job.future.set_running_or_notify_cancel()])
            each = (time.monotonic() - began) / len(jobs) / len(self._workers)
            self._seconds_each += 0.1 * (each - self._seconds_each)  # a running mean; races do not matter

    def _take(self) -> list[_Job]:
        """The next batch; empty once the batcher is closed and nothing waits."""
        with self._changed:
            self._idle += 1
            try:
                while (pause := self._pause()) != 0.0:
                    self._changed.wait(pause)
                share = -(-len(self._waiting) // self._idle)
                return [self._waiting.popleft() for _ in range(min(share, self._batch))]
            finally:
                self._idle -= 1

    def _pause(self) -> float | None:
        """Seconds until there is something to do for a worker; None for as long as it takes."""
        if self._closed:
            return 0.0
        if not self._waiting:
            return None
        if len(self._waiting) >= self._batch:
            return 0.0
        return max(0.0, self._waiting[0].since + self._wait_s - time.monotonic())

    def _answer(self, jobs: list[_Job]) -> None:
        decoded: list[tuple[_Job, np.ndarray]] = []
        for job in jobs:
            if self.phases:
                self.phases.phase("queue", time.monotonic() - job.since)
            try:
                with timed(self.phases, "decode"):
                    data = job.data
                    decoded.append((job, self._engine.decode(data) if isinstance(data, bytes) else data))
            except Exception as error:  # of any kind: it belongs to this item alone
                job.future.set_exception(error)
            if sum(sample.nbytes for _, sample in decoded) > _SLAB_BYTES:
                self._run(decoded)
                decoded = []
        if decoded:
            self._run(decoded)

    def _run(self, decoded: list[tuple[_Job, np.ndarray]]) -> None:
        if self.phases:
            self.phases.batch(len(decoded))
        try:
            with timed(self.phases, "inference"):
                answer = self._engine.predict_parts([sample for _, sample in decoded])
        except Exception as error:  # find out whose it is: the others must not suffer
            if len(decoded) > 1:
                for one in decoded:
                    self._run([one])
            else:
                decoded[0][0].future.set_exception(error)
            return
        for row, (job, sample) in enumerate(decoded):
            features = self._measure(sample) if self._measure else {}
            job.future.set_result(
                Answer(answer.probabilities[row], answer.parts[row], answer.embeddings[row], features)
            )
