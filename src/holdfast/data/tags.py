"""Tags: names of versions, such as `birds@gold`, in small files; and the log of all that befell a dataset."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from holdfast.core.chain import Chain, Line
from holdfast.core.errors import DataError, RefError
from holdfast.core.files import read_json, sync_folder, write_json
from holdfast.core.locks import locked
from holdfast.core.refs import check_name

TAGS, LOG = "tags", "audit.jsonl"
RESERVED = ("latest",)
"""No tag, since a name alone already means its latest version."""
_NEEDED = ("version", "fingerprint")


@dataclass(frozen=True)
class Tagged:
    """Where a tag points now.

    Attributes:
        ref: the version that has it, such as `birds@3`; None if the tag was taken away.
        previous: the version that had it before; None if none had.
        unchanged: whether it pointed there already, so that nothing was done or recorded.
    """

    tag: str
    ref: str | None
    previous: str | None
    unchanged: bool = False


def read_tags(home: Path) -> dict[str, int]:
    """The version that each tag of a dataset points to.

    Args:
        home: the dataset's folder.

    Raises:
        DataError: if a tag's file is damaged.
    """
    found = {}
    for path in sorted((home / TAGS).glob("[!.]*.json")):
        number = read_tag(home, path.stem)
        if number is not None:
            found[path.stem] = number
    return found


def read_tag(home: Path, tag: str) -> int | None:
    """The version that a tag points to; None if there is no such tag.

    Raises:
        DataError: if its file is damaged.
    """
    path = home / TAGS / f"{tag}.json"
    try:
        return int(read_json(path)["version"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path} is damaged: {error}", hint=f"set the tag again: `holdfast data tag {home.name}@N {tag}`"
        ) from error


def set_tag(home: Path, tag: str, number: int, *, fingerprint: str, force: bool = False) -> Tagged:
    """Let a tag point to a version.

    The log is written first and the tag's file then; where a kill falls between, the next change of a tag
    finishes it.

    Args:
        home: the dataset's folder.
        tag: the name that the version gets.
        number: of the version.
        fingerprint: of the version, for the log.
        force: move a tag that points to another version.

    Raises:
        RefError: if the tag is no name or is another version's, or if the version is gone.
    """
    name = check_tag(tag)
    with changing(home) as log:
        if not (home / "versions" / str(number)).is_dir():
            raise RefError(f"there is no {home.name}@{number}", hint=f"`holdfast data log {home.name}`")
        before = _before(home, name)
        if before == number:
            return Tagged(tag, f"{home.name}@{number}", f"{home.name}@{number}", unchanged=True)
        if before is not None and not force:
            raise RefError(
                f"the tag {tag!r} points to {home.name}@{before}",
                hint=f"move it with --force, or give {home.name}@{number} another tag",
            )
        log.append("tag", tag=tag, version=number, previous=before, fingerprint=fingerprint)
        _write(home, tag, number, fingerprint)
    return Tagged(tag, f"{home.name}@{number}", None if before is None else f"{home.name}@{before}")


def remove_tag(home: Path, tag: str) -> Tagged:
    """Take a tag away; the log keeps that it was there.

    Raises:
        RefError: if there is no such tag.
    """
    name = check_tag(tag)
    with changing(home) as log:
        before = _before(home, name)
        if before is None and not (home / TAGS / f"{tag}.json").exists():
            raise no_tag(home, tag)
        log.append("untag", tag=tag, version=before, previous=before, fingerprint=None)
        _drop(home, tag)
    return Tagged(tag, None, None if before is None else f"{home.name}@{before}")


@contextmanager
def changing(home: Path) -> Iterator[Chain]:
    """The log of a dataset, held for writing. Tags change, and versions vanish, only under it."""
    with locked(home / TAGS / ".lock", what=f"the tags of {home.name}"):
        log = history(home)
        _finish(home, log.lines())
        yield log


def history(home: Path) -> Chain:
    """The log of a dataset: tags set and taken away, versions removed, bytes collected."""
    return Chain(home / LOG, needed=_NEEDED, mend="put the file back from a copy, or move it away")


def tag_problems(home: Path) -> dict[Path, str]:
    """What is wrong with the files of tags: those that cannot be read, or do not say what the log says."""
    log = history(home)
    lines = [] if log.problems() else log.lines()  # a damaged log is no witness
    told = _told(lines)
    # the tag of the last line may just be on its way
    surely = {tag for tag in told if lines and lines[-1].get("tag") != tag}
    problems = {}
    for tag in sorted({path.stem for path in (home / TAGS).glob("[!.]*.json")} | surely):
        path = home / TAGS / f"{tag}.json"
        try:
            number = read_tag(home, tag)
        except DataError as error:
            problems[path] = error.message.removeprefix(f"{path} ")
            continue
        if tag in surely and number != told[tag]:
            is_now = "it is missing" if number is None else f"it says version {number}"
            problems[path] = f"{is_now}, but the log says version {told[tag]}"
        elif number is not None and not (home / "versions" / str(number)).is_dir():
            problems[path] = f"it says version {number}, which is not there"
    return problems


def removed_versions(home: Path) -> set[int]:
    """Numbers that versions had which are gone; no other version ever gets one of them."""
    return {int(line["version"]) for line in history(home).lines() if line["event"] == "remove"}


def check_tag(tag: str) -> str:
    """Give a tag back if it can be one.

    Raises:
        RefError: if it is no name, begins like a number, or has a meaning already.
    """
    try:
        check_name(tag)
    except RefError:
        why = "it is no name"
    else:
        if not tag[0].isdigit() and tag not in RESERVED:
            return tag
        why = "a number names a version" if tag[0].isdigit() else "a name alone means the latest version"
    raise RefError(
        f"{tag!r} can be no tag: {why}",
        hint="choose another, such as gold or 'paper-v1': a lower-case letter, then up to 63 lower-case "
        "letters, digits, dots, dashes, underscores",
    )


def no_tag(home: Path, tag: str) -> RefError:
    """What to raise where a tag is not there."""
    known = ", ".join(sorted(path.stem for path in (home / TAGS).glob("[!.]*.json")))
    there = f"its tags: {known}" if known else "it has no tags"
    return RefError(
        f"{home.name} has no tag {tag!r}",
        hint=f"{there}; `holdfast data tag {home.name} {tag}` gives it to the latest version",
    )


def _told(lines: Sequence[Line]) -> dict[str, int]:
    """Where tags point, as the log says."""
    told: dict[str, int] = {}
    for line in lines:
        if line["event"] == "tag":
            told[line["tag"]] = line["version"]
        elif line["event"] == "untag":
            told.pop(line["tag"], None)
        elif line["event"] == "remove":  # earlier releases wrote no line for each tag that went with it
            told = {tag: number for tag, number in told.items() if number != line["version"]}
    return told


def _before(home: Path, tag: str) -> int | None:
    with suppress(DataError):  # a damaged one is written anew
        return read_tag(home, tag)
    return None


def _finish(home: Path, lines: list[Line]) -> None:
    """Do what the last line says, if a kill came between the line and the file."""
    last = lines[-1] if lines else {}
    if last.get("event") == "tag" and _before(home, last["tag"]) != last["version"]:
        _write(home, last["tag"], last["version"], last["fingerprint"])
    if last.get("event") == "untag":
        _drop(home, last["tag"])


def _write(home: Path, tag: str, number: int, fingerprint: str) -> None:
    write_json(home / TAGS / f"{tag}.json", {"version": number, "fingerprint": fingerprint})


def _drop(home: Path, tag: str) -> None:
    path = home / TAGS / f"{tag}.json"
    if path.exists():
        path.unlink()
        sync_folder(path.parent)
