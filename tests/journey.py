"""What the tests of whole journeys share: the toys and their settings, and the command line."""

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from holdfast.cli import main
from holdfast.core.workspace import Workspace

QUICK = ("train.batch=16", "evaluate.bootstrap=50", "device.threads=1")
SETTINGS: dict[str, tuple[str, ...]] = {
    "shapes": ("prepare.size=32", "model.width=16", "model.depth=1", "train.epochs=6"),
    "sounds": ("prepare.window_s=0.5", "prepare.hop_s=0.25", "model.width=16", "train.epochs=12"),
    "words": ("prepare.vocab=300", "prepare.max_tokens=64", "model.width=16", "train.epochs=6"),
    "colours": ("prepare.size=16", "model.width=16", "model.depth=1", "train.epochs=8"),
}


@dataclass(frozen=True)
class Road:
    """Where the toys' files and their workspace are, and what `up` said of each."""

    folder: Path
    workspace: Workspace
    results: dict[str, dict[str, Any]]

    def source(self, name: str) -> Path:
        """The files of a toy."""
        return self.folder / ("words.csv" if name == "words" else name)


def overrides(name: str) -> list[str]:
    """The settings with which a toy is learnt in seconds."""
    return [*SETTINGS[name], *QUICK]


def holdfast(
    *args: str, home: Path, expect: int = 0, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command line as a user does, but in this process: a new one would load it all anew."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", ["holdfast", *args])
        patch.setenv("HOLDFAST_HOME", str(home))
        if cwd is not None:
            patch.chdir(cwd)
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
    assert code == expect, f"{' '.join(args)} ended with {code}\n{out.getvalue()}\n{err.getvalue()}"
    return subprocess.CompletedProcess(args, code, out.getvalue(), err.getvalue())


def answer(*args: str, home: Path) -> Any:
    """What a command says with --json."""
    return json.loads(holdfast(*args, "--json", home=home).stdout)


@contextmanager
def no_room(size: int = 1500) -> Iterator[None]:
    """No file may become larger: as on a full disk, writes fail with an error that names nothing."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    kept, sys.dont_write_bytecode = sys.dont_write_bytecode, True  # Python would leave half of what it caches
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        sys.dont_write_bytecode = kept
