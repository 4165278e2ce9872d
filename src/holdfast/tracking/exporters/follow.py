"""One tool follows one run: from the lines of its log to how it ended."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from holdfast.core.files import whole_lines
from holdfast.tracking.exporters.sent import Sent, read_sent, write_sent
from holdfast.tracking.exporters.shown import Results, results_of
from holdfast.tracking.record import METRICS, RunRecord, read_info

POLL_S = 1.0
"""Seconds from one look at the log to the next."""


class Exporter(Protocol):
    """Shows a run in a tool. Every method may raise what it likes."""

    def start(self, run: RunRecord, sent: Sent) -> Sent:
        """Begin there, or go on with `sent.id`; the answer says under which id, and where to see it."""
        ...

    def metrics(self, rows: list[dict[str, Any]]) -> None:
        """Send lines of the log, each once, in their order."""
        ...

    def finish(self, results: Results) -> None:
        """Send how the run ended."""
        ...

    def close(self) -> None:
        """Let go; all that was sent has arrived afterwards."""
        ...


def follow(
    folder: Path, tool: str, target: str, exporter: Exporter, over: Callable[[float], str | None]
) -> None:
    """Send what a run's folder holds and what is added to it, until it is over.

    Args:
        folder: the run's.
        tool: its name.
        target: which server and project, with nothing secret.
        exporter: the tool.
        over: waits so many seconds at most; "" while the run goes on, then its status, or None if
            nobody knows, since its process was killed.
    """
    run = RunRecord(folder, read_info(folder))
    sent = read_sent(folder, tool)
    if sent.target != target:
        sent = Sent(target)
    sent = exporter.start(run, sent.but(failed=None, ended=False))
    write_sent(folder, tool, sent)
    log = Log(folder / METRICS)
    status: str | None = ""
    while status == "":
        status = over(POLL_S)
        rows = log.since(sent.rows)  # after the look at the status, so that the last lines are not missed
        if rows:
            exporter.metrics(rows)
            sent = sent.but(rows=sent.rows + len(rows))
            write_sent(folder, tool, sent)
    if status:
        exporter.finish(results_of(folder, status))
    exporter.close()
    write_sent(folder, tool, sent.but(ended=status is not None))


class Log:
    """The lines of a log that grows, and that a run which is taken up cuts back before it goes on."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int] | None = None

    def since(self, count: int) -> list[dict[str, Any]]:
        """The lines after the first `count`; none while it has no more than that."""
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return []
        seen = (found.st_ino, found.st_size)
        if seen == self._seen:
            return []
        self._seen = seen
        return [json.loads(line) for line in whole_lines(self._path)[count:]]
