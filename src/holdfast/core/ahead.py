"""Work done in threads a few steps ahead of its use, with answers in order."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from typing import TypeVar

In = TypeVar("In")
Out = TypeVar("Out")


def ahead(pool: Executor, work: Callable[[In], Out], items: Iterable[In], *, most: int) -> Iterator[Out]:
    """What `work` makes of each item, in order, while at most `most` further ones are under way or wait.

    `Executor.map` begins all of them at once and keeps every answer: too much memory for a million files.

    >>> from concurrent.futures import ThreadPoolExecutor
    >>> with ThreadPoolExecutor(2) as pool:
    ...     list(ahead(pool, abs, [-1, 2, -3], most=2))
    [1, 2, 3]
    """
    waiting: deque[Future[Out]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > most:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()
