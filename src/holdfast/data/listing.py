"""The files of a source in columns: their folders, own names, sizes and times."""

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.compute as pc

from holdfast.core.media import SUFFIXES, Modality

UNREADABLE, IRREGULAR = -1, -2
"""Sizes of files that cannot be looked at, and of what is no file, such as a pipe or a device."""
_CHUNK = 1 << 16
_Columns = tuple[list[str], list[int], list[int], list[int]]
"""Own names, sizes, times in nanoseconds and inodes, of at most a chunk of files."""


@dataclass(frozen=True)
class Listing:
    """Files, sorted by folder and then by name.

    Attributes:
        folders: all folders, with forward slashes; the top one is empty.
        folder: which of them each file lies in, int32.
        own: the name of each file without its folder.
        size: bytes, or UNREADABLE or IRREGULAR.
        changed: when it was last written, in nanoseconds; 0 where nobody knows.
        inode: the number that the file system gives; 0 where there is none.
        odd: names on disk of files whose names are no Unicode, by the names that they have here.
    """

    folders: tuple[str, ...]
    folder: np.ndarray
    own: pyarrow.Array
    size: np.ndarray
    changed: np.ndarray
    inode: np.ndarray
    odd: dict[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.own)

    @cached_property
    def names(self) -> pyarrow.Array:
        """The whole name of each file, with forward slashes."""
        heads = pyarrow.array([f"{folder}/" if folder else "" for folder in self.folders], pyarrow.string())
        return pc.binary_join_element_wise(heads.take(pyarrow.array(self.folder)), self.own, "")

    def where(self, chosen: np.ndarray) -> "Listing":
        """Only the files for which `chosen`, shape (n,), is true."""
        if chosen.all():
            return self
        own = self.own.filter(pyarrow.array(chosen))
        size, changed, inode = (column[chosen] for column in (self.size, self.changed, self.inode))
        return Listing(self.folders, self.folder[chosen], own, size, changed, inode, self.odd)

    def of(self, modality: Modality) -> np.ndarray:
        """Which files are of a modality, as their suffixes tell; bool, shape (n,)."""
        chosen = np.zeros(len(self), bool)
        for suffix in SUFFIXES[modality]:
            chosen |= self.ends_with(suffix)
        return chosen

    def ends_with(self, suffix: str) -> np.ndarray:
        """Which names end so, in upper or lower case; bool, shape (n,)."""
        return np.asarray(pc.ends_with(self._lower, suffix).to_numpy(zero_copy_only=False))

    def called(self, names: Iterable[str]) -> np.ndarray:
        """Which own names are, but for their case, among these; bool, shape (n,)."""
        wanted = pyarrow.array(sorted(names), pyarrow.string())
        return np.asarray(pc.is_in(self._lower, wanted).to_numpy(zero_copy_only=False))

    def begins_with(self, head: str) -> np.ndarray:
        """Which own names begin so; bool, shape (n,)."""
        return np.asarray(pc.starts_with(self.own, head).to_numpy(zero_copy_only=False))

    @cached_property
    def _lower(self) -> pyarrow.Array:
        return pc.utf8_lower(self.own)


def list_names(members: Iterable[tuple[str, int]], *, changed: int = 0, inode: int = 0) -> Listing:
    """The listing of names with sizes, as an archive has them.

    Args:
        members: whole names, with forward slashes, and bytes.
        changed: when the archive was last written, in nanoseconds.
        inode: of the archive.
    """
    return list_stamped((name, size, changed, inode) for name, size in members)


def list_stamped(members: Iterable[tuple[str, int, int, int]]) -> Listing:
    """The listing of names with sizes, times and inodes, as `Listing` has them, in any order."""
    by_folder: dict[str, _Columns] = {}
    for name, *stamps in members:
        folder, _, own = name.rpartition("/")
        columns = by_folder.setdefault(folder, ([], [], [], []))
        columns[0].append(own)
        for column, stamp in zip(columns[1:], stamps, strict=True):
            column.append(stamp)
    gathered = _Gathered()
    for folder in sorted(by_folder):
        gathered.folder(folder, [by_folder[folder]])
    return gathered.listing()


def list_folder(top: Path, *, skip: Callable[[str], bool]) -> Listing:
    """All files below a folder. Links are followed, but not in circles.

    Args:
        top: the folder.
        skip: says of a folder's own name that nothing in it counts.
    """
    gathered, seen = _Gathered(), set()
    waiting = [""]
    while waiting:
        inner = waiting.pop()
        place = top / inner
        status = place.stat()
        if (status.st_dev, status.st_ino) in seen and status.st_ino:  # a link that leads back up
            continue
        seen.add((status.st_dev, status.st_ino))
        folders: list[str] = []
        gathered.folder(inner, _files_in(place, folders))
        head = f"{inner}/" if inner else ""
        waiting += [head + name for name in sorted(folders, reverse=True) if not skip(name)]
    return gathered.listing()


def _files_in(place: Path, folders: list[str]) -> Iterator[_Columns]:
    """Names, sizes, times and inodes of the files in one folder; the folders in it are added to `folders`."""
    columns: _Columns = ([], [], [], [])
    own, sizes, times, inodes = columns
    with os.scandir(place) as entries:
        for entry in entries:
            try:
                if entry.is_dir():
                    folders.append(entry.name)
                    continue
                status = entry.stat()
                size = status.st_size if stat.S_ISREG(status.st_mode) else IRREGULAR
                changed, inode = status.st_mtime_ns, status.st_ino
            except OSError:  # a link to nowhere
                size, changed, inode = UNREADABLE, 0, 0
            own.append(entry.name)
            sizes.append(size)
            times.append(changed)
            inodes.append(inode)
            if len(own) == _CHUNK:
                yield columns
                columns = own, sizes, times, inodes = ([], [], [], [])
    yield columns


class _Gathered:
    """Columns that grow; of a folder no more than a chunk of its files is ever held as Python objects."""

    def __init__(self) -> None:
        self._folders: list[str] = []
        self._counts: list[int] = []
        self._parts: list[list[Any]] = [[], [], [], []]
        self._odd: dict[str, str] = {}

    def folder(self, name: str, files: Iterable[_Columns]) -> None:
        chunks = [self._chunk(name, *columns) for columns in files if columns[0]]
        if not chunks:
            return
        own = pyarrow.concat_arrays([chunk[0] for chunk in chunks])
        order = pc.sort_indices(own)
        places = order.to_numpy()
        self._parts[0].append(own.take(order))
        for part in (1, 2, 3):
            self._parts[part].append(np.concatenate([chunk[part] for chunk in chunks])[places])
        self._folders.append(self._known(name))
        self._counts.append(len(own))

    def listing(self) -> Listing:
        own, *columns = self._parts
        size, changed, inode = (
            np.concatenate(column) if column else np.zeros(0, np.int64) for column in columns
        )
        return Listing(
            tuple(self._folders),
            np.repeat(np.arange(len(self._folders), dtype=np.int32), self._counts),
            pyarrow.concat_arrays(own) if own else pyarrow.array([], pyarrow.string()),
            size,
            changed,
            inode,
            self._odd,
        )

    def _chunk(self, folder: str, own: list[str], *numbers: list[int]) -> tuple[Any, ...]:
        try:
            names = pyarrow.array(own, pyarrow.string())
        except UnicodeEncodeError:
            names = pyarrow.array([self._known(name) for name in own], pyarrow.string())
            head = f"{folder}/" if folder else ""
            self._odd |= {self._known(head + n): head + n for n in own if self._known(n) != n}
        else:
            if self._known(folder) != folder:
                self._odd |= {self._known(f"{folder}/{n}"): f"{folder}/{n}" for n in own}
        return names, *(np.array(column, np.int64) for column in numbers)

    @staticmethod
    def _known(name: str) -> str:
        """A name as UTF-8 can hold it: on Linux a name may be any bytes."""
        return name.encode("utf-8", "backslashreplace").decode()
