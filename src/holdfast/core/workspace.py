"""The workspace: the one folder that holds datasets, runs and models."""

import os
from dataclasses import dataclass
from pathlib import Path

from holdfast.core.errors import ConfigError

SETTINGS = "holdfast.yaml"


@dataclass(frozen=True)
class Workspace:
    """Where things are. Nothing is made on disk until something is written.

    >>> Workspace(Path("w")).runs.as_posix()
    'w/runs'
    """

    home: Path

    @property
    def datasets(self) -> Path:
        """One folder per dataset."""
        return self.home / "datasets"

    @property
    def runs(self) -> Path:
        """One folder per run."""
        return self.home / "runs"

    @property
    def models(self) -> Path:
        """The registry: one folder per model name."""
        return self.home / "models"

    @property
    def sweeps(self) -> Path:
        """One folder per sweep."""
        return self.home / "sweeps"

    @property
    def keys(self) -> Path:
        """The API keys of its servers."""
        return self.home / "keys.json"

    @property
    def settings(self) -> Path | None:
        """The workspace's own settings file, if it has one."""
        path = self.home / SETTINGS
        return path if path.is_file() else None


def find_workspace(home: str | Path | None = None, *, start: Path | None = None) -> Workspace:
    """The workspace in use: `home`, else HOLDFAST_HOME, else the nearest folder upwards that has
    a `holdfast.yaml`, else `./.holdfast`.

    Args:
        home: what `--home` says.
        start: where to look from; the current folder by default.

    Raises:
        ConfigError: if what is named is a file, or nothing, or has a name that is no Unicode.
    """
    if home == "":
        raise ConfigError("'' is no workspace", hint="name a folder, or leave --home out")
    start = start or Path.cwd()
    chosen = home or os.environ.get("HOLDFAST_HOME")
    if chosen:
        path = Path(chosen).expanduser().resolve()
        if not _is_unicode(str(path)):
            raise ConfigError(
                f"the workspace {str(path)!r} has a name that is no Unicode", hint="name another folder"
            )
        if path.exists() and not path.is_dir():
            raise ConfigError(
                f"the workspace {path} is a file", hint="name a folder, which need not exist yet"
            )
        return Workspace(path)
    for folder in (start, *start.parents):
        if (folder / SETTINGS).is_file():
            return Workspace(folder.resolve())
    return Workspace((start / ".holdfast").resolve())


def _is_unicode(text: str) -> bool:
    """File names on Linux may be any bytes; what writes tables takes only text."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
