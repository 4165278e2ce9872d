"""What is known of datasets and their versions without opening them: numbers, labels, notes."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from holdfast.core.errors import DataError, RefError
from holdfast.core.media import Modality, Task
from holdfast.core.refs import Ref, did_you_mean
from holdfast.data.tags import no_tag, read_tag

SAMPLES, QUARANTINE, INFO = "samples.parquet", "quarantine.parquet", "version.json"


@dataclass(frozen=True)
class VersionInfo:
    """What a version holds, in numbers."""

    name: str
    version: int
    fingerprint: str
    modality: Modality
    task: Task
    labels: tuple[str, ...]
    samples: int
    quarantined: int
    splits: dict[str, int]
    twins: int
    """Test and validation samples whose exact bytes are in training too."""
    groups: int
    source: str
    created: str
    """UTC, in ISO 8601."""
    notes: tuple[str, ...]
    """What the ingest had to say."""

    def to_json(self) -> dict[str, Any]:
        """A value that JSON can hold."""
        return dataclasses.asdict(self) | {"labels": list(self.labels), "notes": list(self.notes)}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """What `to_json` gave."""
        known = {key: value[key] for key in (part.name for part in dataclasses.fields(cls))}
        return cls(**(known | {"labels": tuple(value["labels"]), "notes": tuple(value["notes"])}))


def find_version(root: Path, ref: Ref) -> int:
    """The number of the version that a reference means.

    Raises:
        RefError: if it is not there.
    """
    numbers = versions_of(root, ref.name)
    if not numbers:
        raise _no_dataset(root, ref.name)
    wanted = ref.version
    if ref.alias is not None and (wanted := read_tag(root / ref.name, ref.alias)) is None:
        raise no_tag(root / ref.name, ref.alias)
    if wanted is not None and wanted not in numbers:
        there = ", ".join(map(str, numbers))
        raise RefError(f"there is no {ref}", hint=f"{ref.name} has these versions: {there}")
    return wanted or numbers[-1]


def list_datasets(root: Path) -> list[VersionInfo]:
    """The latest version of each dataset, by name.

    A damaged one hides no other: the latest that can be read stands for its dataset, with a note about those
    that cannot. A dataset of which none can be read is left out here; `unreadable_datasets` has it.
    """
    latest = (_latest_readable(root, name) for name in _names(root))
    return [info for info, _ in latest if info]


def unreadable_datasets(root: Path) -> dict[str, list[str]]:
    """Datasets of which no version can be read, each with what is wrong with its versions."""
    latest = {name: _latest_readable(root, name) for name in _names(root)}
    return {name: notes for name, (info, notes) in latest.items() if info is None}


def versions_of(root: Path, name: str) -> list[int]:
    """Numbers of a dataset's versions, ascending; none if there is no such dataset."""
    folder = root / name / "versions"
    if not folder.is_dir():
        return []
    return sorted(int(entry.name) for entry in folder.iterdir() if entry.name.isdecimal())


def read_info(root: Path, name: str, number: int) -> VersionInfo:
    """What a version holds.

    Raises:
        DataError: if its file is damaged.
    """
    path = version_folder(root, name, number) / INFO
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} is damaged: {error}", hint=without_command(name, number)) from error
    return parse_info(data, str(path), hint=without_command(name, number))


def read_counts(root: Path, name: str, number: int) -> dict[str, list[int]] | None:
    """How many samples of each label, in the order of `labels`, each split holds.

    None where the version was written before this was noted, or its file is damaged.
    """
    try:
        counts = json.loads((version_folder(root, name, number) / INFO).read_bytes())["counts"]
        return {str(split): [int(count) for count in column] for split, column in counts.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def parse_info(
    data: bytes, where: str, *, hint: str = "put it back from a copy, or push it again"
) -> VersionInfo:
    """What the file `version.json` of a version says.

    Raises:
        DataError: if it is damaged; `where` names it.
    """
    try:
        return VersionInfo.from_json(json.loads(data))
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{where} is damaged: {error}", hint=hint) from error


def version_folder(root: Path, name: str, number: int) -> Path:
    """Where a version lies."""
    return root / name / "versions" / str(number)


def restore_command(name: str) -> str:
    """What brings back the damaged shards of a dataset, given the source that it was made from."""
    return f"holdfast data add SOURCE --name {name} --verify"


def without_command(name: str, number: int) -> str:
    """What to do about a version whose own files are damaged, for a hint."""
    return (
        f"put it back from a copy, or go on without it: `holdfast data remove {name}@{number}` "
        "(splits that only this version knows are then cut anew)"
    )


def _names(root: Path) -> list[str]:
    names = sorted(folder.name for folder in root.iterdir()) if root.is_dir() else []
    return [name for name in names if versions_of(root, name)]


def _latest_readable(root: Path, name: str) -> tuple[VersionInfo | None, list[str]]:
    notes: list[str] = []
    for number in reversed(versions_of(root, name)):
        try:
            info = read_info(root, name, number)
        except DataError as error:
            notes.append(f"version {number} is damaged: {error.message}")
        else:
            return dataclasses.replace(info, notes=(*info.notes, *notes)), notes
    return None, notes


def _no_dataset(root: Path, name: str) -> RefError:
    known = _names(root)
    near = did_you_mean(name, known)
    if near:
        return RefError(f"there is no dataset {name!r}", hint=f"did you mean '{near}'?")
    none = f"there are none yet in {root}; add one: holdfast data add SOURCE, or --home for another workspace"
    there = f"there are: {', '.join(known)}" if known else none
    return RefError(f"there is no dataset {name!r}", hint=there)
