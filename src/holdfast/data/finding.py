"""What a check says: one thing that is wrong or doubtful with a dataset."""

from dataclasses import dataclass
from typing import Any, Literal

Level = Literal["error", "warning", "info"]
LEVELS: tuple[Level, ...] = ("error", "warning", "info")
"""The worst first."""


@dataclass(frozen=True)
class Finding:
    """One thing that was found."""

    level: Level
    title: str
    detail: str
    count: int
    examples: tuple[tuple[int, ...], ...] = ()
    """Samples to look at, by index in the version: each a few that belong together, such as two copies."""

    def told(self) -> dict[str, Any]:
        """What JSON holds of it, without the examples."""
        return {"level": self.level, "title": self.title, "detail": self.detail, "count": self.count}
