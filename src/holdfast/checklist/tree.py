"""The files of a repository: walked once, each read at most once, never beyond the folder."""

import os
import re
import stat
from contextlib import suppress
from fnmatch import fnmatch, translate
from functools import cached_property
from pathlib import Path, PurePosixPath

from holdfast.core.errors import DataError

MAX_FILES = 200_000
MAX_DEPTH = 40
MAX_BYTES = 1 << 20
_SKIPPED = {
    *(".git", ".hg", ".svn", "node_modules", "venv", ".venv", "site-packages", "__pycache__", ".tox", ".nox"),
    *(
        ".mypy_cache",
        ".ruff_cache",
        ".pytest_cache",
        ".hypothesis",
        ".ipynb_checkpoints",
        ".eggs",
        ".hydra",
        "mlruns",
        "lightning_logs",
    ),
}
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


class Tree:
    """What lies in a folder. Links are not followed, and what is no ordinary file is left out.

    Args:
        root: the folder.

    Raises:
        DataError: if it is no folder, or cannot be read.
    """

    def __init__(self, root: Path) -> None:
        if not root.is_dir():
            what = f"{str(root)!r} is a file" if root.exists() else f"the folder {str(root)!r} does not exist"
            raise DataError(what, hint="name the folder of a repository")
        self.root = root
        self.folders: set[str] = set()
        self.notes: list[str] = []
        self._texts: dict[str, str | None] = {}
        self._named: dict[tuple[str, ...], list[str]] = {}
        try:
            self.files = sorted(self._walk())
        except OSError as error:
            raise DataError(
                f"the folder {str(root)!r} cannot be read: {error.strerror}", hint="check who may read it"
            ) from None

    def _walk(self) -> list[str]:
        found: list[str] = []
        links, deep, closed = 0, 0, 0
        waiting = [""]
        while waiting:
            folder = waiting.pop()
            try:
                entries = list(os.scandir(self.root / folder if folder else self.root))
            except OSError:
                if not folder:
                    raise
                closed += 1
                continue
            for entry in entries:
                name = f"{folder}/{entry.name}" if folder else entry.name
                if entry.is_symlink():
                    links += 1
                elif entry.is_dir(follow_symlinks=False):
                    if entry.name in _SKIPPED or _is_made(entry):
                        continue
                    self.folders.add(name)
                    if name.count("/") < MAX_DEPTH:
                        waiting.append(name)
                    else:
                        deep += 1
                elif entry.is_file(follow_symlinks=False):
                    found.append(name)
            if len(found) > MAX_FILES:
                self.notes.append(f"only the first {len(found):,} files were looked at")
                break
        for count, what in ((links, "links were not followed"), (closed, "folders could not be read")):
            if count:
                self.notes.append(f"{count:,} {what}")
        if deep:
            self.notes.append(f"{deep:,} folders lie deeper than {MAX_DEPTH} and were not looked into")
        return found

    @cached_property
    def _known(self) -> set[str]:
        return {*self.files, *self.folders}

    def has(self, path: str) -> bool:
        """Whether a file or folder is there, by its path from the root."""
        return normal(path) in self._known or normal(path) == ""

    @cached_property
    def by_name(self) -> dict[str, list[str]]:
        """Paths by the last part of their name, in lower case."""
        found: dict[str, list[str]] = {}
        for file in self.files:
            found.setdefault(file.rpartition("/")[2].lower(), []).append(file)
        return found

    @cached_property
    def by_suffix(self) -> dict[str, list[str]]:
        """Paths by suffix, in lower case, with its dot."""
        found: dict[str, list[str]] = {}
        for file in self.files:
            found.setdefault(PurePosixPath(file).suffix.lower(), []).append(file)
        return found

    def named(self, *patterns: str) -> list[str]:
        """Files whose last part fits one of the patterns in lower case; nearest to the root first."""
        if patterns not in self._named:
            fits = re.compile("|".join(translate(pattern) for pattern in patterns)).match
            found = [file for name, files in self.by_name.items() if fits(name) for file in files]
            self._named[patterns] = sorted(found, key=lambda file: (file.count("/"), file))
        return self._named[patterns]

    def matching(self, pattern: str) -> list[str]:
        """Files and folders that a pattern of a path fits."""
        pattern = normal(pattern)
        return [name for name in self._known if fnmatch(name, pattern)]

    def text(self, path: str) -> str | None:
        """A file as text; None where there is none, it is too large, or it is no text."""
        path = normal(path)
        if path not in self._texts:
            self._texts[path] = self._read(path) if path in self._known else None
        return self._texts[path]

    def _read(self, path: str) -> str | None:
        try:
            data = read_bytes(self.root / path)
        except OSError:
            return None
        if data is None:
            self.notes.append(f"{shown(path)} is larger than {MAX_BYTES >> 20} MB and was not read")
            return None
        if b"\0" in data[:8192]:
            return None
        return data.decode("utf-8-sig", errors="replace").replace("\r\n", "\n")

    def lines(self, path: str) -> list[str]:
        """The lines of a file; none where it cannot be read."""
        return (self.text(path) or "").split("\n")


def _is_made(entry: os.DirEntry[str]) -> bool:
    """Whether a folder was written by a tool: an environment, or what W&B keeps of its runs."""
    if entry.name == "wandb":
        with suppress(OSError), os.scandir(entry.path) as inside:
            return any(one.name.startswith(("run-", "offline-run-", "latest-run")) for one in inside)
    return (Path(entry.path) / "pyvenv.cfg").is_file()


def read_bytes(path: Path) -> bytes | None:
    """An ordinary file, which is no link; None if it is too large."""
    handle = os.open(path, os.O_RDONLY | _NO_FOLLOW)
    with open(handle, "rb") as file:  # noqa: PTH123 - of a handle that follows no link
        about = os.fstat(handle)
        if not stat.S_ISREG(about.st_mode):
            return b""
        return file.read(MAX_BYTES) if about.st_size <= MAX_BYTES else None


def normal(path: str) -> str:
    """A path from the root without `.`, `..` and slashes at its ends; what leads out of it is nowhere.

    >>> normal("./src/../data/"), normal("../x")
    ('data', '../x')
    """
    path = os.path.normpath(path.strip().lstrip("/")).replace(os.sep, "/")
    return "" if path == "." else path


def shown(path: str) -> str:
    """A path as anybody can print it: names of files may be any bytes."""
    return path.encode("utf-8", "backslashreplace").decode()


def line_of(text: str, part: str) -> int | None:
    """The number of the first line that holds a part of the text, from 1."""
    place = text.find(part) if part else -1
    return None if place < 0 else text.count("\n", 0, place) + 1
