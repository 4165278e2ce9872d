"""The process of one tool. What it is to do comes through stdin, since a command line can be seen by all."""

import io
import json
import os
import re
import signal
import sys
import threading
import time
from contextlib import redirect_stderr, suppress
from pathlib import Path
from typing import Any

from holdfast.core.addresses import masked
from holdfast.core.progress import say
from holdfast.tracking.exporters.follow import Exporter, follow
from holdfast.tracking.exporters.sent import read_sent, write_sent

_SECRET = re.compile(r"KEY|TOKEN|PASSW|SECRET")
_LONGEST = 300


class Parent:
    """What the training process says: first what to do, at last how the run ended; its death, too."""

    def __init__(self) -> None:
        self._over = threading.Event()
        self._status: str | None = None

    def listen(self) -> None:
        """Wait for the end in a thread: a pipe cannot be waited for with a time limit on every system."""
        threading.Thread(target=self._listen, daemon=True).start()

    def over(self, wait_s: float) -> str | None:
        """The run's status, None if the parent was killed, "" if it goes on."""
        return self._status if self._over.wait(wait_s) else ""

    def wait(self) -> None:
        """Until it is over."""
        self._over.wait()

    def _listen(self) -> None:
        line = sys.stdin.readline().strip()
        self._status = line or None
        self._over.set()


def main() -> None:
    """Follow a run until its process says that it is over, and a while longer for what is left to send."""
    terminal = _quiet()
    if hasattr(os, "nice"):
        os.nice(10)  # the training comes first
    task = json.loads(sys.stdin.readline())
    folder, tool = Path(task["folder"]), task["tool"]
    parent = Parent()
    parent.listen()
    watch = threading.Thread(
        target=_give_up, args=(parent, folder, tool, task["wait_s"], terminal), daemon=True
    )
    watch.start()
    try:
        follow(folder, tool, task["target"], _exporter(task), parent.over)
    except (Exception, SystemExit) as error:
        _failed(folder, tool, _words(error), terminal)
        _end(1)
    _end(0)


def _exporter(task: dict[str, Any]) -> Exporter:
    if task["tool"] == "tensorboard":
        from holdfast.tracking.exporters.tensorboard import TensorBoard

        return TensorBoard()
    if task["tool"] == "mlflow":
        from holdfast.tracking.exporters.mlflow import Mlflow

        return Mlflow(task["uri"], task["project"])
    from holdfast.tracking.exporters.wandb import WeightsAndBiases

    return WeightsAndBiases(task["project"], task["mode"], task["wait_s"])


def _give_up(parent: Parent, folder: Path, tool: str, wait_s: float, terminal: io.TextIOBase) -> None:
    """A server that does not answer must not keep this process for ever."""
    parent.wait()
    time.sleep(wait_s)
    _failed(folder, tool, f"not done {wait_s:g} s after the end of the run", terminal)
    _end(1)


def _failed(folder: Path, tool: str, why: str, terminal: io.TextIOBase) -> None:
    with suppress(OSError):
        write_sent(folder, tool, read_sent(folder, tool).but(failed=why))
    with redirect_stderr(terminal):  # type: ignore[type-var]
        say(f"{tool}: {why}\nthe run itself is whole; later: holdfast runs export {folder.name} --to {tool}")


def _words(error: BaseException) -> str:
    """An error in one line, without secrets."""
    text = masked(" ".join(f"{type(error).__name__}: {error}".split()))
    for name, value in os.environ.items():
        if _SECRET.search(name) and len(value) >= 6:
            text = text.replace(value, "***")
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _quiet() -> io.TextIOBase:
    """What the libraries print goes nowhere: stdout may be JSON. What is left is our own way to stderr."""
    terminal = os.fdopen(os.dup(2), "w")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    return terminal


def _end(code: int) -> None:
    """Leave at once: a library's threads that hang are not waited for, nor are its processes left over."""
    if code and hasattr(os, "killpg") and os.getpid() == os.getpgrp():
        os.killpg(os.getpgrp(), signal.SIGKILL)
    os._exit(code)


if __name__ == "__main__":
    main()
