"""The audit log: every registration, promotion, refusal and rollback, each line chained to the one before."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from holdfast.core.chain import Chain, Line

Event = Literal["register", "promote", "rollback", "refused"]


class AuditLog:
    """A file that only grows. Read it at any time; append to it under the lock of its model."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._chain = Chain(
            path,
            needed=("alias", "version", "digest"),
            mend="put the file back from a copy; `holdfast models verify` names what is wrong",
        )

    def lines(self) -> list[Line]:
        """Every event, oldest first. A last line that a crash cut short never happened.

        Raises:
            HoldfastError: if a line cannot be read, since nobody knows then where the aliases point.
        """
        return self._chain.lines()

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
        self._chain.append(
            event,
            time=time,
            alias=alias,
            version=version,
            previous=previous,
            forced=forced,
            reasons=list(reasons),
            digest=digest,
        )

    def problems(self) -> list[str]:
        """Where the chain is broken. Lines that were cut off at the end leave no trace in it."""
        return self._chain.problems()


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
