"""What a tool was sent of a run, so that a run that is taken up goes on there and says nothing twice."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from holdfast.core.files import read_json, write_json

FOLDER = "exporters"
"""In the run's folder; holds a file for each tool."""


@dataclass(frozen=True)
class Sent:
    """How far a tool is with a run.

    Attributes:
        target: which server and project, with nothing secret; for another one all is sent anew.
        id: the run's name there.
        where: what a person opens to see it.
        rows: lines of `metrics.jsonl` that it has. A run that is taken up logs the very same lines
            again, so their number says what is new.
        ended: whether it was told how the run ended.
        failed: what went wrong the last time.
    """

    target: str = ""
    id: str | None = None
    where: str | None = None
    rows: int = 0
    ended: bool = False
    failed: str | None = None

    @property
    def said(self) -> str:
        """In words."""
        if self.failed:
            return f"failed: {self.failed}"
        return f"{'sent to' if self.ended else 'partly sent to'} {self.where}"

    def but(self, **changes: Any) -> Self:
        """The same with changes."""
        return dataclasses.replace(self, **changes)


def read_sent(run: Path, tool: str) -> Sent:
    """What a tool has of the run in a folder; nothing, if that is not known."""
    try:
        value = read_json(_path(run, tool))
        return Sent(**{part.name: value[part.name] for part in dataclasses.fields(Sent)})
    except (OSError, ValueError, TypeError, KeyError):
        return Sent()


def write_sent(run: Path, tool: str, sent: Sent) -> None:
    """Remember it, atomically."""
    write_json(_path(run, tool), dataclasses.asdict(sent))


def _path(run: Path, tool: str) -> Path:
    return run / FOLDER / f"{tool}.json"
