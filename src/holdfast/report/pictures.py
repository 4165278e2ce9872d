"""The pictures of an answer: those that it shows, and those that it only links to."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import unquote

KINDS = (".png", ".jpg", ".jpeg")
"""What a picture's name must end with."""
_MAGIC = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")
_OTHER = re.compile(r"<img\b|!\[[^\]]{0,200}\](?!\()", re.IGNORECASE)
_REMOTE = re.compile(r"^(?:[a-z][a-z0-9+.-]*:)?//", re.IGNORECASE)

State = Literal[
    "here", "missing", "elsewhere", "outside", "remote", "embedded", "format", "damaged", "unseen"
]


@dataclass(frozen=True)
class Picture:
    """A picture that an answer shows, or links to.

    Attributes:
        alt: its text.
        target: where it is, as written.
        line: counted from 1.
        shown: False for a link without the `!` that would show it.
        in_code: whether it stands in a block of code, where readers see its text.
        spaced: whether its target has a space and no angle brackets, so that readers see its text too.
    """

    alt: str
    target: str
    line: int
    shown: bool
    in_code: bool
    spaced: bool = False


@dataclass(frozen=True)
class Found:
    """A picture's file.

    Attributes:
        state: `here`; `missing` from a folder that is there, or `elsewhere` with its folder; `outside` of the
            report's folder; `remote`; `embedded` in the text; of another `format`; `damaged`, so not what
            its name says.
            `unseen` where a report has too many to look at.
        path: where it is; None unless it is here.
        near: a file whose name differs in case only.
    """

    state: State
    path: Path | None = None
    near: str | None = None


def pictures_of(lines: Sequence[str], code: Sequence[bool], *, first: int) -> tuple[Picture, ...]:
    """The pictures in an answer, and its links to picture files.

    What counts as shown is what the template counts: `![text](target)` on one line, in code too.

    Args:
        lines: of the answer.
        code: whether each is code.
        first: the number of the first line.

    >>> [(it.target, it.shown) for it in pictures_of(["![a](x.png) and [b](y.png)"], [False], first=1)]
    [('x.png', True), ('y.png', False)]
    """
    found = []
    for index, line in enumerate(lines):
        place, is_code = first + index, code[index]
        for alt, target in _shown(line):
            found.append(Picture(alt, _bare(target), place, True, is_code, _is_spaced(target)))
        if not is_code:
            linked = (it for it in _linked(line) if _bare(it[1]).lower().endswith(KINDS))
            found += [Picture(alt, _bare(target), place, False, False) for alt, target in linked]
    return tuple(found)


def of_other_forms(lines: Sequence[str], code: Sequence[bool], *, first: int) -> list[int]:
    """The lines that show a picture in a way that the template does not count: by HTML, or by reference.

    >>> of_other_forms(['<img src="a.png">', "![b][one]", "![c](c.png)"], [False] * 3, first=1)
    [1, 2]
    """
    return [
        first + index
        for index, line in enumerate(lines)
        if not code[index] and ("![" in line or "<" in line) and _OTHER.search(line)
    ]


def find(target: str, folder: Path) -> Found:
    """Where a picture is.

    Args:
        target: as the report writes it.
        folder: of the report.
    """
    if target.lower().startswith("data:"):
        return Found("embedded")
    if _REMOTE.match(target):
        return Found("remote")
    name = unquote(target.split("#")[0].split("?")[0])
    try:
        root = folder.resolve()
        path = (root / name).resolve()
        if not path.is_relative_to(root):
            return Found("outside")
        if not name or not path.is_file():
            return _absent(path, root)
        if path.suffix.lower() not in KINDS:
            return Found("format", path)
        with path.open("rb") as file:
            return Found("here" if file.read(8).startswith(_MAGIC) else "damaged", path)
    except (OSError, ValueError):  # a name that no file can have
        return Found("missing")


def _absent(path: Path, root: Path) -> Found:
    if not path.parent.is_dir():
        return Found("elsewhere")
    near = next((it.name for it in path.parent.iterdir() if it.name.lower() == path.name.lower()), None)
    return Found("missing", near=near if path != root else None)


def _shown(line: str) -> Iterator[tuple[str, str]]:
    """As `!\\[(.*?)\\]\\((.*?)\\)` finds them, but in one pass whatever the line holds."""
    start = line.find("![")
    while start >= 0:
        middle = line.find("](", start + 2)
        end = line.find(")", middle + 2) if middle >= 0 else -1
        if end < 0:
            return
        yield line[start + 2 : middle], line[middle + 2 : end]
        start = line.find("![", end + 1)


def _linked(line: str) -> Iterator[tuple[str, str]]:
    done = 0
    middle = line.find("](")
    while middle >= 0:
        start, end = line.rfind("[", done, middle), line.find(")", middle + 2)
        if end < 0:
            return
        if start >= 0 and line[start - 1 : start] != "!":
            yield line[start + 1 : middle], line[middle + 2 : end]
        done = end
        middle = line.find("](", end)


def _bare(target: str) -> str:
    """A target without its title and its angle brackets."""
    target = target.strip()
    if target.startswith("<"):
        return target[1:].partition(">")[0]
    return target if target.lower().startswith("data:") or _is_spaced(target) else (target.split() or [""])[0]


def _is_spaced(target: str) -> bool:
    """Whether what follows the first space is no title: then it is part of the name."""
    target = target.strip()
    name, _, rest = target.partition(" ")
    if not rest or name.startswith("<") or name.lower().startswith("data:"):
        return False
    return not rest.lstrip().startswith(('"', "'", "("))
