"""One writer at a time, across processes. A lock of a killed process is free at once."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # it loads asyncio, for which a command that only reads would wait
    from filelock import BaseFileLock


@contextmanager
def locked(path: Path, *, what: str) -> Iterator[None]:
    """Hold the lock file at path; wait for it as long as it takes, and say so after two seconds.

    Args:
        path: the lock file, made if it is not there and left in place afterwards.
        what: names what is locked in the message, such as "dataset birds".
    """
    from filelock import FileLock, Timeout

    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=2)
    except Timeout:
        print(f"waiting for another process to finish with {what} ({path})", file=sys.stderr)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def try_lock(path: Path) -> "BaseFileLock | None":
    """The lock at path, held, or None if another process holds it. Release it with `.release()`."""
    from filelock import FileLock, Timeout

    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return None
    return lock
