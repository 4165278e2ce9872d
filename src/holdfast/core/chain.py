"""A log that only grows: a JSON object a line, each with the digest of the line before."""

import getpass
import json
from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from holdfast.core.errors import HoldfastError
from holdfast.core.files import append_line, digest_bytes

Line = dict[str, Any]

FIRST = "0" * 64
"""What stands for the line before the first."""


class Chain:
    """A file that only grows. Read it at any time; append to it under the lock of what it tells about.

    Args:
        path: of the file, which need not be there.
        needed: what each line must say beside `n`, `event` and `before`.
        mend: what to do where a line cannot be read.
    """

    def __init__(self, path: Path, *, needed: Collection[str] = (), mend: str) -> None:
        self.path, self.mend = path, mend
        self._needed = {"n", "event", "before", *needed}

    def lines(self) -> list[Line]:
        """Every event, oldest first. A last line that a crash cut short never happened.

        Raises:
            HoldfastError: if a line cannot be read, since nobody knows then what holds.
        """
        found = []
        for number, raw in enumerate(self._raw(), 1):
            line = self._parsed(raw)
            if line is None:
                raise HoldfastError(f"{self.path} is damaged in line {number}", hint=self.mend)
            found.append(line)
        return found

    def append(self, event: str, *, time: str | None = None, **facts: object) -> None:
        """Add an event and flush it to disk.

        Args:
            event: what happened.
            time: when it happened, if not now.
            facts: what else there is to say of it.
        """
        raw = self._raw()
        line = {
            "n": len(raw) + 1,
            "time": time or datetime.now(UTC).isoformat(timespec="seconds"),
            "actor": _actor(),
            "event": event,
            **facts,
            "before": digest_bytes(raw[-1]) if raw else FIRST,
        }
        append_line(self.path, json.dumps(line))

    def problems(self) -> list[str]:
        """Where the chain is broken. Lines that were cut off at the end leave no trace in it."""
        found, before = [], FIRST
        for number, raw in enumerate(self._raw(), 1):
            line = self._parsed(raw)
            place = f"{self.path.name} line {number}"
            if line is None:
                found.append(f"{place}: cannot be read")
            elif line["before"] != before:
                found.append(
                    f"{place}: the line before it was changed, removed or added after it was written"
                )
            elif line["n"] != number:
                found.append(f"{place}: says that it is line {line['n']}")
            before = digest_bytes(raw)
        return found

    def _raw(self) -> list[bytes]:
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            return []
        return data.split(b"\n")[:-1]  # what follows the last line break was cut short

    def _parsed(self, raw: bytes) -> Line | None:
        try:
            line = json.loads(raw)
        except ValueError:
            return None
        return line if isinstance(line, dict) and self._needed <= set(line) else None


def _actor() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # no such user in a container; no such module on Windows
        return "unknown"
