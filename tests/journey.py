"""What the tests of whole journeys share: the toys and their settings, and the command line as a process."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from holdfast.core.workspace import Workspace

QUICK = ("train.batch=16", "train.checkpoint_s=0", "evaluate.bootstrap=50", "device.threads=1")
SETTINGS: dict[str, tuple[str, ...]] = {
    "shapes": ("prepare.size=32", "model.width=16", "train.epochs=6"),
    "sounds": ("prepare.window_s=0.5", "prepare.hop_s=0.25", "model.width=16", "train.epochs=12"),
    "words": ("prepare.vocab=300", "prepare.max_tokens=64", "model.width=16", "train.epochs=6"),
    "colours": ("prepare.size=32", "model.width=16", "train.epochs=8"),
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
    """Run the command line in a process of its own, as a user does."""
    command = [sys.executable, "-m", "holdfast", *args]
    environment = {**os.environ, "HOLDFAST_HOME": str(home)}
    done = subprocess.run(command, env=environment, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == expect, (
        f"{' '.join(args)} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
    )
    return done


def answer(*args: str, home: Path) -> Any:
    """What a command says with --json."""
    return json.loads(holdfast(*args, "--json", home=home).stdout)
