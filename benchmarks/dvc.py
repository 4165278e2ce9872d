"""Real DVC, in an environment of its own, in a fresh repository."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from benchmarks.commands import Used, run, run_inside

_VERSION = "3.67.1"
_ENVIRONMENT = Path(os.environ.get("DVC_ENVIRONMENT", "artifacts/dvc-venv")).absolute()
_GIT = {
    **{
        f"GIT_{who}_{what}": "bench@localhost"
        for who in ("AUTHOR", "COMMITTER")
        for what in ("NAME", "EMAIL")
    },
    "GIT_CONFIG_GLOBAL": os.devnull,
}

DEFAULT: dict[str, str] = {}
BEST = {"cache.type": "reflink,hardlink,symlink", "core.checksum_jobs": str(os.cpu_count() or 1)}
"""Links instead of copies, and digests on every core."""


def install() -> None:
    """Make the environment under `artifacts/` if it is not there, or take the one of DVC_ENVIRONMENT."""
    if (_ENVIRONMENT / "bin" / "dvc").exists():
        return
    subprocess.run([sys.executable, "-m", "venv", _ENVIRONMENT], check=True)
    pip = [_ENVIRONMENT / "bin" / "python", "-m", "pip", "install", "--quiet"]
    subprocess.run([*pip, f"dvc[s3]=={_VERSION}"], check=True)


class Repository:
    """A git repository with DVC, whose data lie in `data`.

    Args:
        folder: made here; what is tracked is put into its `data` before the first `dvc`.
        settings: of DVC, by name. Without its reports to its makers, which is no part of the work.
    """

    def __init__(self, folder: Path, settings: Mapping[str, str]) -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        self.data = folder / "data"
        self.git("init", "-q")
        self.dvc("init", "-q")
        for name, value in {"core.analytics": "false", "core.check_update": "false", **settings}.items():
            self.dvc("config", name, value)

    def dvc(self, *arguments: str | Path) -> Used:
        """Run `dvc` with these arguments."""
        return run([_ENVIRONMENT / "bin" / "dvc", *arguments], folder=self.folder, env=_GIT)

    def git(self, *arguments: str) -> Used:
        """Run `git` with these arguments."""
        return run(["git", *arguments], folder=self.folder, env=_GIT)

    def commit(self, tag: str) -> None:
        """Commit what DVC says of the data, under a tag."""
        self.git("add", "-A")
        self.git("commit", "-q", "-m", tag)
        self.git("tag", tag)

    def inside(self, work: str) -> Used:
        """What a statement on `repo` takes in DVC's own process, without its start."""
        imports = "import dvc.repo, dvc.repo.add, dvc.repo.checkout"
        work = f"repo = dvc.repo.Repo('.')\n{work}"
        return run_inside(_ENVIRONMENT / "bin" / "python", imports, work, folder=self.folder, env=_GIT)
