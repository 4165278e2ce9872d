"""The audit log: every registration, promotion, refusal and rollback, each line chained to the one before."""

import getpass
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from holdfast.core.errors import HoldfastError
from holdfast.core.files import append_line, digest_bytes

Event = Literal["register", "promote", "rollback", "refused"]
Line = dict[str, Any]

FIRST = "0" * 64
"""What stands for the line before the first."""


class AuditLog:
    """A file that only grows. Read it at any time; append to it under the lock of its model."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def lines(self) -> list[Line]:
        """Every event, oldest first. A last line that a crash cut short never happened.

        Raises:
            HoldfastError: if a line cannot be read, since nobody knows then where the aliases point.
        """
        found = []
        for number, raw in enumerate(self._raw(), 1):
            line = _parsed(raw)
            if line is None:
                raise HoldfastError(
                    f"{self.path} is damaged in line {number}",
                    hint="put the file back from a copy; `holdfast models verify` names what is wrong",
                )
            found.append(line)
        return found

    def append(
        self,
        event: Event,
        *,
        version: int,
        digest: str,
        alias: str | None = None,
        previous: int | None = None,
        forced: bool = False,
        reasons: Sequence[str] = (),
        time: str | None = None,
    ) -> None:
        """Add an event and flush it to disk.

        Args:
            event: what happened.
            version: the one that it happened to; where the alias points now, unless refused.
            digest: of that version's bundle.
            alias: the one that moved, or was to move.
            previous: where it pointed before.
            forced: whether it moved although the gate said no.
            reasons: what the gate had against it.
            time: when it happened, if not now.
        """
        raw = self._raw()
        line = {
            "n": len(raw) + 1,
            "time": time or datetime.now(UTC).isoformat(timespec="seconds"),
            "actor": _actor(),
            "event": event,
            "alias": alias,
            "version": version,
            "previous": previous,
            "forced": forced,
            "reasons": list(reasons),
            "digest": digest,
            "before": digest_bytes(raw[-1]) if raw else FIRST,
        }
        append_line(self.path, json.dumps(line))

    def problems(self) -> list[str]:
        """Where the chain is broken. Lines that were cut off at the end leave no trace in it."""
        found, before = [], FIRST
        for number, raw in enumerate(self._raw(), 1):
            line = _parsed(raw)
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


def holders(lines: Sequence[Line]) -> dict[str, list[int]]:
    """For each alias the versions that it pointed to, the present one last; a rollback takes that away.

    >>> moves = [("promote", 1), ("promote", 2), ("refused", 3), ("rollback", 1), ("promote", 4)]
    >>> holders([{"event": event, "alias": "champion", "version": version} for event, version in moves])
    {'champion': [1, 4]}
    """
    found: dict[str, list[int]] = {}
    for line in lines:
        stack = found.setdefault(line["alias"], []) if line["event"] in ("promote", "rollback") else []
        if line["event"] == "promote":
            stack.append(line["version"])
        elif line["event"] == "rollback":
            del stack[-1:]
            if stack[-1:] != [line["version"]]:  # lines are missing; the last one still says where it points
                stack.append(line["version"])
    return found


def _parsed(raw: bytes) -> Line | None:
    try:
        line = json.loads(raw)
    except ValueError:
        return None
    needed = {"n", "event", "alias", "version", "digest", "before"}
    return line if isinstance(line, dict) and needed <= set(line) else None


def _actor() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # no such user in a container; no such module on Windows
        return "unknown"
