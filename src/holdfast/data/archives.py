"""What a tar or a zip holds: where the bytes of each name lie, also of names that are links within it."""

import posixpath
import stat
import tarfile
import zipfile
from dataclasses import dataclass, field
from typing import IO, Generic, TypeVar

from holdfast.core.errors import DataError, InputError
from holdfast.data.listing import NO_FILE, Listing, list_names
from holdfast.data.walk import IRREGULAR, UNREADABLE

Place = TypeVar("Place")

_BLOCK = 512
_NO_MEMBERS = (b"D", b"V")
"""What GNU tar adds: what was in a folder, and the label of the whole."""
_MADE_ON_UNIX = 3
_MOST_LINKS = 40
"""So many links one after the other are followed, as systems do."""


@dataclass
class Members(Generic[Place]):
    """The files of an archive.

    Attributes:
        places: where the bytes of each name lie.
        refused: names that cannot be read: UNREADABLE or IRREGULAR, and why.
        folders: links to folders, and the folders that they lead to; these are not followed.
        notes: what the user should hear.
    """

    places: dict[str, Place] = field(default_factory=dict)
    refused: dict[str, tuple[int, str]] = field(default_factory=dict)
    folders: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def of(self, name: str) -> Place:
        """Where the bytes of a name lie.

        Raises:
            InputError: if it cannot be read.
        """
        if name in self.refused:
            raise InputError(self.refused[name][1])
        return self.places[name]

    def listing(self, sizes: list[tuple[str, int]], *, changed: int, inode: int) -> Listing:
        """All names, given the sizes of those that can be read; time and inode are those of the archive."""
        refused = [(name, size) for name, (size, _) in self.refused.items()]
        found = list_names([*sizes, *refused], changed=changed, inode=inode)
        found.links.update(self.folders)
        return found

    def put(self, name: str, place: Place) -> None:
        """Add a file; of two with one name the later one counts."""
        self.refused.pop(name, None)
        self.places[name] = place

    def refuse(self, name: str, size: int, reason: str) -> None:
        """Add what cannot be read."""
        self.places.pop(name, None)
        self.refused[name] = (size, reason)

    def follow(self, links: dict[str, str]) -> None:
        """Let links stand for what they lead to.

        Args:
            links: by their names, paths as they stand in the archive; relative to the folder of each.
        """
        targets = {name: _joined(name, target) for name, target in links.items()}
        folders: set[str] = set()
        for name in [*self.places, *self.refused] if links else ():
            while (name := posixpath.dirname(name)) and name not in folders:
                folders.add(name)
        for name, target in links.items():
            end = self._end(targets[name], targets)
            if end in self.places:
                self.put(name, self.places[end])
            elif end in folders or end == "":
                self.folders[name] = end
            else:
                self.refuse(name, UNREADABLE, f"is a link to {target!r}, which the archive does not have")

    def _end(self, path: str, targets: dict[str, str]) -> str:
        """Where a path leads to in the end."""
        for _ in range(_MOST_LINKS):
            if path in self.places:
                return path
            head, rest = path, ""
            while head and head not in targets:
                head, _, own = head.rpartition("/")
                rest = f"/{own}{rest}"
            if not head:
                return path
            path = (targets[head] + rest).removeprefix("/")
        return "/"  # in circles


def _joined(name: str, target: str) -> str:
    """A link's target as a name; what leads out of the archive is no name in it."""
    path = posixpath.normpath(posixpath.join(posixpath.dirname(name), target))
    return "" if path == "." else path


def tar_members(file: IO[bytes], title: str) -> Members[tuple[int, int]]:
    """The offset and size of each file in a plain tar.

    Raises:
        DataError: if it is damaged or cut short.
    """
    found, links = Members[tuple[int, int]](), dict[str, str]()
    try:
        with tarfile.open(fileobj=file, mode="r:") as archive:
            while (member := archive.next()) is not None:
                archive.members.clear()  # type: ignore[attr-defined]  # it would keep them all
                links.pop(clean(member.name), None)
                _take(member, found, links)
            end = archive.offset
    except (tarfile.TarError, EOFError, OSError) as error:
        raise damaged(title, error) from error
    found.follow(links)
    found.notes += _notes_on_end(file, end, title)
    return found


def _take(member: tarfile.TarInfo, found: Members[tuple[int, int]], links: dict[str, str]) -> None:
    name = clean(member.name)
    if member.issparse():
        found.refuse(name, UNREADABLE, "cannot be unpacked: it is kept as a sparse file")
    elif member.isfile():
        found.put(name, (member.offset_data, member.size))
    elif member.islnk():
        target = clean(member.linkname)
        if target in found.places:
            found.put(name, found.places[target])
        else:  # perhaps a hard link to a soft one
            links[name] = posixpath.relpath(target, posixpath.dirname(name) or ".")
    elif member.issym():
        found.places.pop(name, None)
        links[name] = member.linkname
    elif not member.isdir() and member.type not in _NO_MEMBERS:
        found.refuse(name, IRREGULAR, NO_FILE)


def _notes_on_end(file: IO[bytes], end: int, title: str) -> list[str]:
    """What to say of what stands where the last member of a tar ends: two blocks of zeros should.

    `tarfile` takes anything there for the end, as other programs do, even half of the next header.
    """
    file.seek(end)
    block = file.read(_BLOCK)
    if block.strip(b"\0"):
        what = "is cut off" if len(block) < _BLOCK else "cannot be read"
        raise damaged(title, f"what follows its last whole member, at byte {end:,}, {what}")
    if len(block) < _BLOCK:
        return [f"{title!r} has no mark at its end: if it was cut short there, members are missing"]
    while block := file.read(2**20):
        if block.strip(b"\0"):
            return [
                f"{title!r} goes on after the mark at its end, which was not read: "
                "if it is several archives one after the other, add each"
            ]
    return []


def zip_members(archive: zipfile.ZipFile) -> Members[zipfile.ZipInfo]:
    """The entry of each file in a zip."""
    found, links = Members[zipfile.ZipInfo](), dict[str, str]()
    for info in archive.infolist():
        on_unix = info.create_system == _MADE_ON_UNIX
        name = clean(info.filename if on_unix else info.filename.replace("\\", "/"))
        kind = stat.S_IFMT(info.external_attr >> 16) if on_unix else 0
        links.pop(name, None)
        if info.is_dir():
            continue
        if kind in (0, stat.S_IFREG):
            found.put(name, info)
        elif kind == stat.S_IFLNK and (target := _written(archive, info)):
            found.places.pop(name, None)
            links[name] = target
        else:
            found.refuse(name, IRREGULAR, NO_FILE)
    found.follow(links)
    return found


def _written(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> str:
    """Where a link in a zip leads to; empty if that cannot be read."""
    try:
        with archive.open(info) as file:
            return file.read(2**12).decode("utf-8", "surrogateescape")
    except (OSError, EOFError, ValueError, RuntimeError, NotImplementedError, zipfile.BadZipFile):
        return ""


def damaged(title: str, why: object) -> DataError:
    """What to say of an archive that cannot be read whole."""
    return DataError(f"{title!r} is a damaged archive: {why}", hint="fetch or make it again")


def clean(name: str) -> str:
    """The name of a member without what stands before it in some archives.

    >>> clean("./cat/1.jpg"), clean("/cat/1.jpg")
    ('cat/1.jpg', 'cat/1.jpg')
    """
    return name.removeprefix("./").lstrip("/")
