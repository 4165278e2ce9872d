"""Dockerfiles, and whether what they copy is there."""

import json
import re
from dataclasses import dataclass, field
from fnmatch import fnmatch

from holdfast.checklist.commands import Command, commands_of
from holdfast.checklist.tree import Tree, normal

_HERE = re.compile(r"<<-?\s*[\"']?(\w+)[\"']?")
_MAX_INSTRUCTIONS = 500


@dataclass
class Dockerfile:
    """A file that an image is built from.

    Attributes:
        bases: images that it starts from.
        problems: what would stop a build, with the line.
        commands: what it runs while it builds and when it starts.
    """

    path: str
    bases: list[str] = field(default_factory=list)
    problems: list[tuple[int, str]] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)
    runs: bool = False


def read_dockerfile(path: str, tree: Tree) -> Dockerfile:
    """What a Dockerfile says; sources may lie beside it or at the root."""
    it = Dockerfile(path)
    stages: set[str] = set()
    for line, word, rest in _instructions(tree.text(path) or "")[:_MAX_INSTRUCTIONS]:
        if word == "FROM":
            named = [part for part in rest.split() if not part.startswith("--")]
            it.bases.extend(named[:1])
            stages.update(named[2:3] if len(named) > 2 and named[1].lower() == "as" else [])
        elif word in ("COPY", "ADD"):
            it.problems.extend((line, why) for why in _missing(rest, path, tree, word))
        elif word in ("RUN", "CMD", "ENTRYPOINT"):
            it.runs = it.runs or word != "RUN"
            it.commands.extend(commands_of(_plain(rest), path, line))
    if not it.bases:
        it.problems.insert(0, (1, "it starts FROM nothing"))
    return it


def _instructions(text: str) -> list[tuple[int, str, str]]:
    found: list[tuple[int, str, str]] = []
    held, start, end = "", 0, None
    for number, line in enumerate(text.split("\n"), start=1):
        if end is not None:
            end = None if line.strip() == end else end
            continue
        if line.lstrip().startswith("#") or not (line.strip() or held):
            continue
        start = start if held else number
        if line.rstrip().endswith("\\"):
            held += line.rstrip()[:-1] + " "
            continue
        word, _, rest = (held + line).strip().partition(" ")
        held = ""
        found.append((start, word.upper(), rest.strip()))
        if word.upper() in ("RUN", "COPY", "ADD") and (here := _HERE.search(rest)):
            end = here.group(1)
    return found


def _plain(rest: str) -> str:
    """A command as one line, also where it is written as a list."""
    if rest.startswith("["):
        try:
            return " ".join(str(part) for part in json.loads(rest))
        except (ValueError, RecursionError):
            return rest
    return re.sub(r"^(--\S+\s+)+", "", rest)


def _missing(rest: str, path: str, tree: Tree, word: str) -> list[str]:
    words = _plain(rest).split() if rest.startswith("[") else rest.split()
    if any(part.startswith("--from") for part in words) or _HERE.search(rest):
        return []
    *sources, target = [part.strip("\"'") for part in words if not part.startswith("--")] or [""]
    if not sources:
        return [f"{word} {target} names no source"]
    beside = path.rpartition("/")[0]
    for folder in (beside, ""):
        absent = [source for source in sources if not _is_there(source, folder, tree)]
        if not absent:
            return []
    return [f"{word} {source}: no such file" for source in absent]


def _is_there(source: str, folder: str, tree: Tree) -> bool:
    if re.match(r"(https?|git|ssh)(://|@)", source) or "$" in source:
        return True
    place = normal(f"{folder}/{source}")
    if tree.has(place) and not place.startswith(".."):
        return not place or not _is_ignored(place, folder, tree)
    if any(letter in source for letter in "*?["):
        return bool(tree.matching(place))
    parents = [place, *(place[:at] for at, letter in enumerate(place) if letter == "/")]
    return any(tree.has(f"{parent}.dvc") for parent in parents)  # what `dvc pull` brings


def _is_ignored(place: str, folder: str, tree: Tree) -> bool:
    """Whether .dockerignore keeps it, or a folder of it, out of the build."""
    file = normal(f"{folder}/.dockerignore")
    kept = place[len(folder) + 1 :] if folder else place
    ignored = False
    for line in tree.lines(file)[:_MAX_INSTRUCTIONS]:
        pattern = line.strip()
        if not pattern or pattern.startswith("#"):
            continue
        back = pattern.startswith("!")
        pattern = pattern.lstrip("!").strip("/").removeprefix("./")
        tops = [kept, *(kept[:at] for at, letter in enumerate(kept) if letter == "/")]
        if any(fnmatch(top, pattern.removeprefix("**/")) for top in tops):
            ignored = not back
    return ignored
