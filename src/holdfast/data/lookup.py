"""Finds the file that a table means, however it was written down."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import PurePosixPath

from holdfast.data.plan import normal, some


class Lookup:
    """Names of files, found by path, by the end of a path, or by name without suffix.

    Only names that the source lists are ever found, so no value leads outside of it.

    Args:
        names: called when a file is first looked for, since to list a folder may take long.

    >>> Lookup(lambda: ("images/a b.jpg", "readme.txt")).find("a b.jpg", "labels.csv")
    ('images/a b.jpg', '')
    """

    def __init__(self, names: Callable[[], Sequence[str]]) -> None:
        self._names = names

    def find(self, value: str, table: str) -> tuple[str | None, str]:
        """The file that a value in a table means, or None and why it was not found.

        Args:
            value: as it stands in the table.
            table: name of the table; what stands beside it is looked at first.
        """
        path = normal(value.strip().replace("\\", "/")).removeprefix("./")
        if not path:
            return None, "no file name"
        beside = PurePosixPath(table).parent
        for candidate in ((beside / path).as_posix(), path):
            if candidate in self._paths:
                return self._paths[candidate], ""
        return self._by_end(path)

    def names_any(self, values: Sequence[str], table: str) -> bool:
        """Whether any of the values names a file."""
        return any(self.find(value, table)[0] is not None for value in values)

    def names_most(self, values: Sequence[str], table: str) -> bool:
        """Whether most of the values (of the first thousand) name files, and not the same few."""
        some_values = [value for value in values[:1000] if value.strip()]
        found = {name for value in some_values if (name := self.find(value, table)[0])}
        return len(found) > len(some_values) / 2

    @cached_property
    def _paths(self) -> dict[str, str]:
        return {normal(name): name for name in reversed(self._names())}

    @cached_property
    def _ends(self) -> dict[str, list[str]]:
        """Files by their own name, with and without suffix."""
        ends: dict[str, list[str]] = defaultdict(list)
        for name in self._names():
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


def _shared_end(name: str, path: str) -> int:
    """How many folders before the file's own name agree, counted from the end."""
    count = 0
    for mine, theirs in zip(name.split("/")[-2::-1], path.split("/")[-2::-1], strict=False):
        if mine != theirs:
            break
        count += 1
    return count
