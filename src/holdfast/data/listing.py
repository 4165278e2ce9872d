"""The files of a source in columns: their folders, own names, sizes and times."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.compute as pc

from holdfast.core.media import SUFFIXES, Modality
from holdfast.data.plan import some
from holdfast.data.walk import FileColumns, Walk

NO_FILE = "cannot be read: it is no file but a folder, a pipe or a device"
"""What to say of what is IRREGULAR."""


@dataclass(frozen=True)
class Listing:
    """Files, sorted by folder and then by name; those that are behind links to folders come last.

    Attributes:
        folders: all folders, with forward slashes; the top one is empty.
        folder: which of them each file lies in, int32.
        own: the name of each file without its folder.
        size: bytes, or UNREADABLE or IRREGULAR.
        changed: when it was last written, in nanoseconds; 0 where nobody knows.
        inode: the number that the file system gives; 0 where there is none.
        odd: names on disk of files whose names are no Unicode, by the names that they have here.
        links: links to folders that are there under another name, and that name; they were not followed.
        apart: folders that were left out, because what is in them is no part of this.
        marks: of a folder that was walked through, as `Walk.folders` gives them.
    """

    folders: tuple[str, ...]
    folder: np.ndarray
    own: pyarrow.Array
    size: np.ndarray
    changed: np.ndarray
    inode: np.ndarray
    odd: dict[str, str] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    apart: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()

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
        return replace(self, folder=self.folder[chosen], own=own, size=size, changed=changed, inode=inode)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was not read, and why."""
        told = []
        if self.links:
            led = [f"{link} -> {first or '.'}" for link, first in sorted(self.links.items())]
            told.append(
                f"{len(led):,} links lead to folders that are there under their own names, under which "
                f"their files count once: {some(led)}"
            )
        if self.apart:
            told.append(f"the workspace lies in the source and was left out: {some(self.apart)}")
        return tuple(told)

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
    by_folder: dict[str, FileColumns] = {}
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


def list_folder(
    top: Path,
    *,
    skip: Callable[[str], bool],
    ignored: Callable[[str], bool] | None = None,
    apart: Iterable[Path] = (),
) -> Listing:
    """All files below a folder. Links to folders are followed, last and but once, so that no real folder
    is ever read under the name of a link.

    Args:
        top: the folder.
        skip: says of a folder's own name that nothing in it counts.
        ignored: says the same of a folder's whole name, but what is in it is listed all the same; a link to
            such a folder is followed.
        apart: folders that are no part of it, wherever they are.

    Raises:
        DataError: if a folder may not be listed.
    """
    gathered = _Gathered()
    walk = Walk(top, skip=skip, ignored=ignored, apart=apart)
    marks = tuple(walk.folders(gathered.folder))
    known = gathered.known
    links = {known(link): known(first) for link, first in walk.links.items()}
    left_out = tuple(map(known, walk.apart))
    return replace(gathered.listing(), links=links, apart=left_out, marks=marks)


class _Gathered:
    """Columns that grow; of a folder no more than a chunk of its files is ever held as Python objects."""

    def __init__(self) -> None:
        self._folders: list[str] = []
        self._counts: list[int] = []
        self._parts: list[list[Any]] = [[], [], [], []]
        self._odd: dict[str, str] = {}

    def folder(self, name: str, files: Iterable[FileColumns]) -> None:
        chunks = [self._chunk(name, *columns) for columns in files if columns[0]]
        if not chunks:
            return
        own = pyarrow.concat_arrays([chunk[0] for chunk in chunks])
        order = pc.sort_indices(own)
        places = order.to_numpy()
        self._parts[0].append(own.take(order))
        for part in (1, 2, 3):
            self._parts[part].append(np.concatenate([chunk[part] for chunk in chunks])[places])
        self._folders.append(self.known(name))
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
            names = pyarrow.array([self.known(name) for name in own], pyarrow.string())
            head = f"{folder}/" if folder else ""
            self._odd |= {self.known(head + n): head + n for n in own if self.known(n) != n}
        else:
            if self.known(folder) != folder:
                self._odd |= {self.known(f"{folder}/{n}"): f"{folder}/{n}" for n in own}
        return names, *(np.array(column, np.int64) for column in numbers)

    @staticmethod
    def known(name: str) -> str:
        """A name as UTF-8 can hold it: on Linux a name may be any bytes."""
        return name.encode("utf-8", "backslashreplace").decode()
