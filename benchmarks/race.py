"""Commands that run in turn, and how many times as long the others take as ours."""

import os
import statistics
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping

from benchmarks.commands import Used

OURS = "holdfast"
Runners = Mapping[str, Callable[[], Used]]


class Race:
    """What each runner took for each piece of work, over all repeats."""

    def __init__(self) -> None:
        self.used: dict[str, dict[str, list[Used]]] = defaultdict(lambda: defaultdict(list))

    def run(self, work: str, runners: Runners, *, turn: int) -> None:
        """Let all do the work, one after the other, another one first in each turn.

        What was written before is flushed first, so that nobody pays for another.
        """
        names = list(runners)
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            if hasattr(os, "sync"):
                os.sync()
            used = runners[name]()
            self.used[work][name].append(used)
            print(f"{work}, {name}: {used.wall_s:.2f} s, CPU {used.cpu_s:.2f} s", file=sys.stderr, flush=True)

    def ratio(self, work: str, other: str, part: str = "wall_s") -> float:
        """The median over repeats of the other's use over ours in the same repeat."""
        ours, theirs = self.used[work][OURS], self.used[work][other]
        return statistics.median(
            getattr(their, part) / getattr(our, part) for our, their in zip(ours, theirs, strict=True)
        )

    def medians(self) -> Iterator[dict[str, object]]:
        """A row for each work and runner."""
        for work, runners in self.used.items():
            for name, used in runners.items():
                parts = {
                    part: round(statistics.median(getattr(one, part) for one in used), 2)
                    for part in ("wall_s", "cpu_s", "memory_mb")
                }
                yield {"work": work, "by": name, **parts}
