"""Walks through a folder: each of its folders once, with what the file system says of the files in it."""

import hashlib
import os
import stat
from array import array
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from holdfast.core.errors import DataError

UNREADABLE, IRREGULAR = -1, -2
"""Sizes of files that cannot be looked at, and of what is no file, such as a pipe or a device."""
FileColumns = tuple[list[str], list[int], list[int], list[int]]
"""Own names, sizes, times in nanoseconds and inodes, of at most a chunk of files."""
Take = Callable[[str, Iterable[FileColumns]], None]
"""Is given the name of a folder, and reads its files to the end."""
_CHUNK = 1 << 16


class Walk:
    """The folders below a folder. Links to folders are followed, last and but once, so that no real folder
    is ever seen under the name of a link.

    Args:
        top: the folder.
        skip: says of a folder's own name that nothing in it counts.
        ignored: says the same of a folder's whole name, but what is in it is seen all the same; a link to
            such a folder is followed.
        apart: folders that are no part of it, wherever they are.
    """

    def __init__(
        self,
        top: Path,
        *,
        skip: Callable[[str], bool],
        ignored: Callable[[str], bool] | None = None,
        apart: Iterable[Path] = (),
    ) -> None:
        self.links: dict[str, str] = {}
        """Links to folders that were seen under another name, and that name."""
        self.apart: list[str] = []
        """Folders that were left out, because they are no part of it."""
        self._top, self._skip, self._ignored = top, skip, ignored or (lambda _: False)
        self._not_here = {key for place in apart if (key := _identity(place))}
        self._seen: dict[tuple[int, int], str] = {}
        self._waiting: list[str] = []

    def folders(self, take: Take) -> Iterator[str]:
        """See all folders. A mark follows each that was taken, and one stands at the end: whenever all are as
        they were, the names of all files are, with their sizes, times and inodes, and the links.

        Raises:
            DataError: if a folder may not be listed.
        """
        yield from self._below("", take, linked=False)
        while self._waiting:
            links, self._waiting = sorted(self._waiting), []
            for link in links:
                yield from self._below(link, take, linked=True)
        yield hashlib.sha256(repr((sorted(self.links.items()), self.apart)).encode()).hexdigest()

    def _below(self, name: str, take: Take, *, linked: bool) -> Iterator[str]:
        """See a folder and all real folders in it; behind a link, only those that were not seen yet."""
        waiting = [name]
        while waiting:
            inner = waiting.pop()
            key = _identity(self._top / inner)
            if inner and key in self._not_here:
                self.apart.append(inner)
                continue
            if key and (first := self._seen.setdefault(key, inner)) != inner:
                if linked and (not self._ignored(first) or self._ignored(inner)):
                    self.links[inner] = first
                    continue
                self._seen[key] = inner
            folders, links, mark = list[str](), list[str](), hashlib.sha256(os.fsencode(inner))
            try:
                take(inner, _marking(mark, _files_in(self._top / inner, folders, links)))
            except OSError as error:
                raise DataError(
                    f"the folder {str(self._top / inner)!r} cannot be listed: {error.strerror or error}",
                    hint="check who may read it, or move it elsewhere",
                ) from error
            yield mark.hexdigest()
            head = f"{inner}/" if inner else ""
            waiting += [head + own for own in sorted(folders, reverse=True) if not self._skip(own)]
            self._waiting += [head + own for own in links if not self._skip(own)]


def _identity(place: Path) -> tuple[int, int] | None:
    """What is one for all names of a folder, if it is there."""
    try:
        status = place.stat()
    except OSError:
        return None
    return (status.st_dev, status.st_ino) if status.st_ino else None


def _files_in(place: Path, folders: list[str], links: list[str]) -> Iterator[FileColumns]:
    """Names, sizes, times and inodes of the files in one folder; the folders in it are added to `folders`,
    those that are links to `links`."""
    columns: FileColumns = ([], [], [], [])
    own, sizes, times, inodes = columns
    with os.scandir(place) as entries:
        for entry in entries:
            try:
                if entry.is_dir():
                    (links if entry.is_symlink() else folders).append(entry.name)
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


def _marking(mark: "hashlib._Hash", chunks: Iterable[FileColumns]) -> Iterator[FileColumns]:
    """The chunks, as they pass into a digest; no name holds a slash or a zero byte."""
    for columns in chunks:
        own, *stamps = columns
        mark.update(b"\0%d\0" % len(own))
        for numbers in stamps:
            mark.update(array("q", numbers).tobytes())
        mark.update(os.fsencode("/".join(own)))
        yield columns
