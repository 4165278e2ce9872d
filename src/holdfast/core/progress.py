"""Progress for a person at a terminal; silence in a pipe."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol


class Progress(Protocol):
    """Counts what is done."""

    def advance(self, count: int = 1, note: str = "") -> None:
        """Say that `count` more are done; `note` is shown beside the bar."""
        ...


class _Silent:
    def advance(self, count: int = 1, note: str = "") -> None:
        pass


class _Bar:
    def __init__(self, bar: Any, task: Any) -> None:
        self.bar, self.task = bar, task

    def advance(self, count: int = 1, note: str = "") -> None:
        self.bar.update(self.task, advance=count, note=note)


@contextmanager
def progress(title: str, total: int | None = None, *, done: int = 0, unit: str = "") -> Iterator[Progress]:
    """A bar on stderr with speed and time left, if that is a terminal; otherwise nothing at all.

    Args:
        title: what is being done.
        total: how many there are; None where nobody knows.
        done: how many were done before, by a run that is being resumed.
        unit: what is counted, such as "samples".
    """
    if not sys.stderr.isatty():
        yield _Silent()
        return
    from rich import progress as rich_progress
    from rich.console import Console

    columns = (
        rich_progress.TextColumn("{task.description}"),
        rich_progress.BarColumn(),
        rich_progress.MofNCompleteColumn(),
        rich_progress.TextColumn(unit),
        _speed_column(),
        rich_progress.TimeRemainingColumn(),
        rich_progress.TextColumn("{task.fields[note]}"),
    )
    with rich_progress.Progress(*columns, console=Console(stderr=True), refresh_per_second=5) as bar:
        task = bar.add_task(title, total=total, completed=done, note="")
        yield _Bar(bar, task)


def _speed_column() -> Any:
    from rich.progress import ProgressColumn, Task
    from rich.text import Text

    class Speed(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(f"{task.speed:,.0f}/s" if task.speed else "")

    return Speed()


def say(message: str) -> None:
    """Tell a person at a terminal something; silent in a pipe."""
    if sys.stderr.isatty():
        print(message, file=sys.stderr)
