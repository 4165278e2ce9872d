"""Runs a command as a whole process, and says what it used."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

HOLDFAST = (sys.executable, "-m", "holdfast")


@dataclass(frozen=True)
class Used:
    """What a process took, with the children that it waited for, and what it printed."""

    wall_s: float
    cpu_s: float
    """User and system seconds, as the operating system counted them."""
    memory_mb: float
    """The most that was resident at a time."""
    output: str


def run(
    command: Sequence[str | Path], *, folder: Path | None = None, env: Mapping[str, str] | None = None
) -> Used:
    """Run a command to its end. Python may keep what it compiled, as it does where a package was installed.

    Raises:
        RuntimeError: if it fails; with its output.
    """
    started = time.perf_counter()
    process = subprocess.Popen(
        [str(part) for part in command],
        cwd=folder,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "", **(env or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    with process.stdout:
        output = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    wall_s = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))} ended with {process.returncode}:\n{output}")
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return Used(wall_s, used.ru_utime + used.ru_stime, used.ru_maxrss / unit, output)


def run_inside(
    python: str | Path,
    imports: str,
    work: str,
    *,
    folder: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> Used:
    """Run statements in a fresh interpreter; times are those of `work` alone, without start and imports."""
    lines = (
        "import time",
        imports,
        "wall, cpu = time.perf_counter(), time.process_time()",
        work,
        "print('took', time.perf_counter() - wall, time.process_time() - cpu)",
    )
    used = run([python, "-c", "\n".join(lines)], folder=folder, env=env)
    wall_s, cpu_s = next(
        line.split()[1:] for line in used.output.splitlines()[::-1] if line.startswith("took ")
    )
    return replace(used, wall_s=float(wall_s), cpu_s=float(cpu_s))


def has(command: str) -> bool:
    """Whether there is `holdfast data COMMAND`."""
    if f" {command} " in run([*HOLDFAST, "data", "--help"]).output:
        return True
    print(f"skipped: there is no `holdfast data {command}`", file=sys.stderr)
    return False
