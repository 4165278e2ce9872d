"""What a run ran on: interpreter, platform, packages, processors, code. Never environment variables."""

import json
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

from holdfast.core.cores import cores
from holdfast.core.files import digest_bytes

PACKAGES = (
    "holdfast",
    "numpy",
    "onnx",
    "onnxruntime",
    "pillow",
    "pyarrow",
    "safetensors",
    "scikit-learn",
    "scipy",
    "soundfile",
    "soxr",
    "tokenizers",
    "torch",
    "transformers",
)
"""Those that can change a number; the rest of what is installed cannot, and would only blur the digest."""

_TIMEOUT_S = 5.0


def environment(folder: Path | None = None) -> dict[str, Any]:
    """What must be the same for the same weights, and what helps to find out why they are not.

    Args:
        folder: where the code is that git is asked about; the current folder by default.

    Returns:
        `digest` over `python`, `platform` and `packages`; `processors`, how many this process may use, and
        `processor`, their name, since another kind may add up in another order; `git`, None outside of a
        checkout or without git: `commit`, `dirty` (whether tracked files differ from it; None where git
        took too long) and `diff_digest`, SHA-256 of that difference. Files that git does not track count
        for nothing.
    """
    parts: dict[str, Any] = {
        "python": platform.python_version(),
        "platform": {"system": platform.system(), "machine": platform.machine()},
        "packages": _packages(),
    }
    return {
        **parts,
        "processors": cores(),
        "processor": _processor(),
        "git": _git(folder or Path.cwd()),
        "digest": digest_bytes(json.dumps(parts, sort_keys=True).encode()),
    }


def _packages() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _processor() -> str:
    """The name of the processor; empty where the system does not tell."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "") or platform.processor()


def _git(folder: Path) -> dict[str, Any] | None:
    commit = _ask_git(folder, "rev-parse", "HEAD")
    if commit is None:
        return None
    diff = _ask_git(folder, "diff", "--no-ext-diff", "--no-textconv", "--no-color", "--full-index", "HEAD")
    return {
        "commit": commit.decode().strip(),
        "dirty": None if diff is None else bool(diff),
        "diff_digest": digest_bytes(diff) if diff else None,
    }


def _ask_git(folder: Path, *args: str) -> bytes | None:
    # A checkout's own settings may name programs for git to start: those are turned off.
    command = ["git", "--no-optional-locks", "-c", "core.fsmonitor=false", *args]
    try:
        done = subprocess.run(  # noqa: S603
            command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, timeout=_TIMEOUT_S, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout
