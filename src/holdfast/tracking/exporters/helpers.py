"""The processes that show a run elsewhere, as the training sees them: begun, and at last let go of."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import IO

from holdfast.core.addresses import masked
from holdfast.core.errors import ConfigError
from holdfast.tracking.exporters.sent import read_sent, write_sent

_GRACE_S = 5.0
"""A process gives up by itself; this much later it is killed."""


@dataclass(frozen=True)
class Settings:
    """What the tools are told.

    Attributes:
        project: of W&B, experiment of MLflow.
        uri: of the MLflow server; may hold a password.
        mode: of W&B: online or offline.
        wait_s: longest time for what is left to send when the run is over.
    """

    project: str
    uri: str | None = None
    mode: str = "online"
    wait_s: float = 30.0

    def target(self, tool: str) -> str:
        """Which server and project a tool sends to, with nothing secret."""
        if tool == "mlflow":
            return masked(f"{self.uri or os.environ.get('MLFLOW_TRACKING_URI', '')} {self.project}")
        return f"{self.mode} {self.project}" if tool == "wandb" else "files"


def check_tools(tools: Sequence[str], settings: Settings) -> None:
    """See that tools can be used, before a long training begins.

    Raises:
        ConfigError: if one is not installed, or has no address.
    """
    missing = [tool for tool in tools if find_spec(tool) is None]
    if missing:
        raise ConfigError(
            f"track.to: {' and '.join(missing)} cannot be used: not installed",
            hint="pip install 'holdfast[track]', or leave it out",
        )
    if "mlflow" in tools and "***" in (settings.uri or ""):
        raise ConfigError(
            f"track.mlflow_uri: {settings.uri} comes from a run's files, where passwords are not kept",
            hint="write it out again: track.mlflow_uri=…",
        )
    if "mlflow" in tools and not settings.uri and not os.environ.get("MLFLOW_TRACKING_URI"):
        raise ConfigError(
            "track.to: mlflow has no address",
            hint="set track.mlflow_uri=http://HOST:5000, or MLFLOW_TRACKING_URI in the environment",
        )


class Helpers:
    """A process for each tool. They end by themselves when this one ends, however that happens."""

    def __init__(self, folder: Path, tools: Sequence[str], settings: Settings) -> None:
        """Begin to follow a run.

        Args:
            folder: the run's.
            tools: some of tensorboard, mlflow and wandb.
            settings: for all of them.
        """
        self._folder, self._wait_s = folder, settings.wait_s
        self._running = {tool: _begin(folder.resolve(), tool, settings) for tool in tools}

    def finish(self, status: str) -> dict[str, str]:
        """Say how the run ended, wait for what is left to send, and tell what became of it for each tool."""
        return self._end(f"{status}\n")

    def pause(self) -> dict[str, str]:
        """The same for a run that may be taken up again: it is not said to have ended."""
        return self._end("")

    def abandon(self) -> None:
        """Let go without waiting: each sends what there is, and ends."""
        for process in self._running.values():
            _write(process.stdin, "")

    def _end(self, word: str) -> dict[str, str]:
        for process in self._running.values():
            _write(process.stdin, word)
        deadline = time.monotonic() + self._wait_s + _GRACE_S
        for tool, process in self._running.items():
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                _kill(process)
                why = f"not done {self._wait_s:g} s after the end of the run"
                write_sent(self._folder, tool, read_sent(self._folder, tool).but(failed=why))
        return {tool: self._said(tool) for tool in self._running}

    def _said(self, tool: str) -> str:
        sent, code = read_sent(self._folder, tool), self._running[tool].returncode
        if code and not sent.failed:
            sent = sent.but(failed=f"its process ended with {code}")
            write_sent(self._folder, tool, sent)
        return sent.said


def _begin(folder: Path, tool: str, settings: Settings) -> "subprocess.Popen[str]":
    task = {
        "folder": str(folder),
        "tool": tool,
        "target": settings.target(tool),
        "project": settings.project,
        "uri": settings.uri,
        "mode": settings.mode,
        "wait_s": settings.wait_s,
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "holdfast.tracking.exporters"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        start_new_session=True,  # Ctrl-C is for the training
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps(task) + "\n")
    process.stdin.flush()
    return process


def _write(stdin: IO[str] | None, text: str) -> None:
    """Say the last word; a process that has ended does not hear it."""
    assert stdin is not None
    with suppress(OSError):
        stdin.write(text)
        stdin.close()


def _kill(process: "subprocess.Popen[str]") -> None:
    """End a process and those that it began."""
    if hasattr(os, "killpg"):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()
