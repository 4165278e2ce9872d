"""Finds the file that a table means, however it was written down."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import PurePosixPath

import pyarrow
import pyarrow.compute as pc

from holdfast.data.listing import Listing
from holdfast.data.plan import normal, some
from holdfast.data.tables import Column

_MANY = 1 << 16


class Lookup:
    """Names of files, found by path, by the end of a path, or by name without suffix.

    Only names that the source lists are ever found, so no value leads outside of it.

    Args:
        listing: called when a file is first looked for, since to list a folder may take long.

    >>> from holdfast.data.listing import list_names
    >>> Lookup(lambda: list_names([("images/a b.jpg", 0), ("readme.txt", 0)])).find("a b.jpg", "labels.csv")
    ('images/a b.jpg', '')
    """

    def __init__(self, listing: Callable[[], Listing]) -> None:
        self._listing = listing

    def find(self, value: str, table: str) -> tuple[str | None, str]:
        """The file that a value in a table means, or None and why it was not found.

        Args:
            value: as it stands in the table.
            table: name of the table; what stands beside it is looked at first.
        """
        ((name, problem),) = self.find_all([value], table)
        return name, problem

    def find_all(self, values: Sequence[str], table: str) -> list[tuple[str | None, str]]:
        """As `find`, for many values at once."""
        told = [normal(value) for value in values]
        paths = [value.strip().replace("\\", "/").removeprefix("./") for value in told]
        names = self._from(paths, table)
        other = [place for place, path in enumerate(paths) if told[place] != path]
        exact = self._from([told[place] for place in other], table) if other else []
        for place, name in zip(other, exact, strict=True):  # elsewhere than on Windows any letter is one
            names[place] = name or names[place]
        return [self._answer(*row) for row in zip(told, paths, names, strict=True)]

    def names_any(self, column: Column, table: str) -> bool:
        """Whether any of the values names a file."""
        values = column.unique
        parts = (values[start : start + _MANY].to_pylist() for start in range(0, len(values), _MANY))
        return any(name for part in parts for name, _ in self.find_all(part, table))

    def names_most(self, column: Column, table: str) -> bool:
        """Whether most of the values (of the first thousand) name files, and not the same few."""
        some_values = [value for value in column.first(1000) if value.strip()]
        found = {name for name, _ in self.find_all(some_values, table) if name}
        return len(found) > len(some_values) / 2

    def _answer(self, told: str, path: str, name: str | None) -> tuple[str | None, str]:
        if not path:
            return None, "no file name"
        if name:
            return name, ""
        found = self._by_end(path)
        return self._by_end(told) if "\\" in told and found[0] is None else found

    def _from(self, paths: Sequence[str], table: str) -> list[str | None]:
        """The file that each path names, seen from a table's folder or else from the top."""
        beside = PurePosixPath(table).parent
        if not beside.name:
            return self._named(paths)
        near = self._named([(beside / path).as_posix() for path in paths])
        return [name or far for name, far in zip(near, self._named(paths), strict=True)]

    def _named(self, paths: Sequence[str]) -> list[str | None]:
        """The file that has each path as its name, or behind a link that leads to another folder."""
        if links := self._links:
            paths = [_followed(path, links) for path in paths]
        places = pc.index_in(pyarrow.array(paths, pyarrow.string()), self._known)
        names: list[str | None] = self._all.take(places).to_pylist()
        return names

    @cached_property
    def _links(self) -> dict[str, str]:
        return {normal(link): normal(folder) for link, folder in self._listing().links.items()}

    @cached_property
    def _all(self) -> pyarrow.Array:
        return self._listing().names

    @cached_property
    def _known(self) -> pyarrow.Array:
        """The names in the one form in which they are compared."""
        return pc.utf8_normalize(self._all, "NFC")

    @cached_property
    def _ends(self) -> dict[str, list[str]]:
        """Files by their own name, with and without suffix."""
        ends: dict[str, list[str]] = defaultdict(list)
        for name in self._all.to_pylist():
            own = PurePosixPath(normal(name))
            for end in {own.name, own.stem}:
                ends[end].append(name)
        return ends

    def _by_end(self, path: str) -> tuple[str | None, str]:
        found = self._ends.get(path.rpartition("/")[2], [])
        best: list[str] = []
        longest = 0
        for name in found:
            agreed = _shared_end(normal(name), path)
            if not agreed and "/" in name and "/" in path:
                continue  # dog/1.jpg is not cat/1.jpg
            if agreed > longest:
                best, longest = [], agreed
            if agreed == longest:
                best.append(name)
        if len(best) == 1:
            return best[0], ""
        if best:
            return None, f"several files have this name: {some(best, most=2)}"
        return None, "file is missing"


def _followed(path: str, links: dict[str, str]) -> str:
    """A path that begins with a link, from the folder that the link leads to."""
    head, slash, rest = path.rpartition("/")
    while slash and head not in links:
        head, slash, own = head.rpartition("/")
        rest = f"{own}/{rest}"
    return f"{links[head]}/{rest}".removeprefix("/") if slash else path


def _shared_end(name: str, path: str) -> int:
    """How many folders before the file's own name agree, counted from the end."""
    count = 0
    for mine, theirs in zip(name.split("/")[-2::-1], path.split("/")[-2::-1], strict=False):
        if mine != theirs:
            break
        count += 1
    return count
