"""A version of a dataset: what is in it, and its samples by index."""

import dataclasses
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import pyarrow
import pyarrow.compute as pc

from holdfast.core.errors import DataError, RefError
from holdfast.core.files import digest_bytes
from holdfast.core.media import Modality, Task
from holdfast.core.refs import Ref, did_you_mean
from holdfast.data.parquets import read_parquet
from holdfast.data.places import Places
from holdfast.data.plan import META, SPLITS, Quarantined
from holdfast.data.shards import is_whole
from holdfast.data.tags import no_tag, read_tag

SAMPLES, QUARANTINE, INFO = "samples.parquet", "quarantine.parquet", "version.json"
_PLACE = ["shard", "offset", "length"]
COLUMNS = ("digest", "name", "labels", "group", "split", "twin", "shard", "offset", "length")


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


class Version:
    """A version that is open for reading. Safe to read from several threads at once.

    Attributes:
        folder: where it lies.
        info: what it holds, in numbers.
        table: all columns; with very many samples, take what you need from here.
        places: where the bytes lie; `reader` reads those of many samples at once.
    """

    def __init__(self, folder: Path, info: VersionInfo) -> None:
        self.folder = folder
        self.info = info
        self.table = read_parquet(folder / SAMPLES)
        self.places = Places(folder, self.table)
        self._right = np.zeros(len(self.table), bool)

    @cached_property
    def digests(self) -> np.ndarray:
        """SHA-256 of each sample's bytes, in hexadecimal; str, shape (n,)."""
        return _strings(self.table, "digest")

    @cached_property
    def names(self) -> np.ndarray:
        """Where each sample came from; str, shape (n,)."""
        return _strings(self.table, "name")

    @cached_property
    def splits(self) -> np.ndarray:
        """Train, valid or test; str, shape (n,)."""
        return _strings(self.table, "split")

    @cached_property
    def groups(self) -> np.ndarray:
        """Samples of one group lie in one split; str, shape (n,)."""
        return _strings(self.table, "group")

    @cached_property
    def twins(self) -> np.ndarray:
        """Test and validation samples whose exact bytes are in training; bool, shape (n,)."""
        return np.asarray(self.table.column("twin").to_numpy(), bool)

    @cached_property
    def targets(self) -> np.ndarray:
        """One label: int64 indices into `info.labels`, shape (n,). Many: int8 of 0 and 1, (n, labels)."""
        return _targets(self.table, self.info)

    def __len__(self) -> int:
        return self.info.samples

    def read(self, index: int) -> bytes:
        """The bytes of a sample, checked against its digest: a file as it was, or a text in UTF-8.

        Raises:
            DataError: if its shard is missing or damaged.
        """
        for _ in range(2):
            try:
                data = self._bytes(index)
            except OSError as error:
                raise self._damaged(index, error.strerror or str(error)) from error
            if self._is_digest_of(index, data):
                return data
            if not self.places.forget(index):
                break
        raise self._damaged(index, "these are other bytes than were stored")

    def is_right(self, index: int, data: bytes) -> bool:
        """Whether these are a sample's bytes. If they were once, only their number is looked at.

        Those of a lazy version are looked at each time: they may be fetched anew, from we know not where.
        """
        if self._right[index] and not self.places.is_lazy:
            return len(data) == self.places.span(index)[2]
        self._right[index] = right = self._is_digest_of(index, data)
        return right

    def _is_digest_of(self, index: int, data: bytes) -> bool:
        return bool(digest_bytes(data) == self.table.column("digest")[int(index)].as_py())

    def damaged_shards(self) -> list[Path]:
        """The shards of this version that are missing, or are not what their names say. Reads them all."""
        paths = self.places.shards.paths
        return [path for path in paths if not is_whole(path) and not self.is_elsewhere(path)]

    def is_elsewhere(self, shard: Path) -> bool:
        """Whether a shard is not here and need not be, since the version is a lazy one."""
        return self.places.is_elsewhere(shard)

    def _bytes(self, index: int) -> bytes:
        places = self.places
        try:
            return places.read(index)
        except FileNotFoundError:  # `data gc` may have moved it to another shard since this was opened
            if not (self.folder / SAMPLES).exists():
                raise
            fresh = Places(self.folder, read_parquet(self.folder / SAMPLES, columns=_PLACE))
            if fresh.path(index) == places.path(index):
                raise
            self.places = fresh
            return fresh.read(index)

    def _damaged(self, index: int, why: str) -> DataError:
        info, path = self.info, self.places.path(index)
        if not self.folder.exists():
            return DataError(
                f"{info.name}@{info.version} was removed while it was being read",
                hint=f"`holdfast data log {info.name}` shows the versions that there are",
            )
        return DataError(
            f"{info.name}@{info.version}: {str(self.names[index])!r} cannot be read from {path}: {why}",
            hint=f"the shard is damaged; run `{restore_command(info.name)}` again to restore it",
        )

    def indices(self, split: str, *, headline: bool = False) -> np.ndarray:
        """Indices of a split's samples, ascending.

        Args:
            split: train, valid or test.
            headline: leave out those whose exact bytes are in training, as headline scores do.
        """
        if split not in SPLITS:
            raise ValueError(f"{split!r} is no split; there are {', '.join(SPLITS)}")
        chosen = self.splits == split
        return np.flatnonzero(chosen & ~self.twins if headline else chosen)

    def validation(self) -> np.ndarray:
        """What to choose by: the validation split without twins of training, unless it has no others."""
        rows = self.indices("valid", headline=True)
        return rows if len(rows) else self.indices("valid")

    def labels_of(self, index: int) -> tuple[str, ...]:
        """The labels of a sample, as words."""
        if self.info.task == "single":
            return (self.info.labels[self.targets[index]],)
        return tuple(self.info.labels[place] for place in np.flatnonzero(self.targets[index]))

    @property
    def metadata(self) -> dict[str, list[str]]:
        """Columns of the source that are neither label, group nor split."""
        names = [name for name in self.table.column_names if name.startswith(META)]
        return {name.removeprefix(META): self.table.column(name).to_pylist() for name in names}

    @property
    def facts(self) -> dict[str, list[Any]]:
        """What was measured when the samples were first decoded, such as width, seconds or chars."""
        names = [n for n in self.table.column_names if n not in COLUMNS and not n.startswith(META)]
        return {name: self.table.column(name).to_pylist() for name in names}

    def close(self) -> None:
        """Close the shards. Reading opens them again."""
        self.places.shards.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def restore_command(name: str) -> str:
    """What brings back the damaged shards of a dataset, given the source that it was made from."""
    return f"holdfast data add SOURCE --name {name} --verify"


def without_command(name: str, number: int) -> str:
    """What to do about a version whose own files are damaged, for a hint."""
    return (
        f"put it back from a copy, or go on without it: `holdfast data remove {name}@{number}` "
        "(splits that only this version knows are then cut anew)"
    )


def open_version(root: Path, ref: Ref) -> Version:
    """Open `name`, the latest version, or `name@3`, or the version that a tag names: `name@gold`.

    Raises:
        RefError: if it is not there; it says what is.
        DataError: if it is damaged.
    """
    number = find_version(root, ref)
    folder = version_folder(root, ref.name, number)
    try:
        return Version(folder, read_info(root, ref.name, number))
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(
            f"{folder / SAMPLES} is damaged: {error}", hint=without_command(ref.name, number)
        ) from error


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


def read_quarantine(root: Path, ref: Ref) -> list[Quarantined]:
    """The samples that a version had to leave out, with the reasons."""
    table = read_parquet(version_folder(root, ref.name, find_version(root, ref)) / QUARANTINE)
    return [Quarantined(**row) for row in table.to_pylist()]


def version_folder(root: Path, name: str, number: int) -> Path:
    """Where a version lies."""
    return root / name / "versions" / str(number)


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


def _strings(table: pyarrow.Table, column: str) -> np.ndarray:
    """Objects rather than text of one width, which takes four bytes for each character of the longest."""
    codes = table.column(column).combine_chunks().dictionary_encode()
    words = np.array(codes.dictionary.to_pylist(), dtype=object)
    return np.asarray(words[codes.indices.to_numpy()])


def _targets(table: pyarrow.Table, info: VersionInfo) -> np.ndarray:
    lists = table.column("labels").combine_chunks()
    known = pyarrow.array(info.labels, pyarrow.string())
    places = pc.index_in(lists.flatten(), known).to_numpy()
    if info.task == "single":
        return np.asarray(places.astype(np.int64))
    targets = np.zeros((len(lists), len(info.labels)), dtype=np.int8)
    targets[pc.list_parent_indices(lists).to_numpy(), places] = 1
    return targets


def _no_dataset(root: Path, name: str) -> RefError:
    known = _names(root)
    near = did_you_mean(name, known)
    if near:
        return RefError(f"there is no dataset {name!r}", hint=f"did you mean '{near}'?")
    there = (
        f"there are: {', '.join(known)}" if known else "there are none yet; add one: holdfast data add SOURCE"
    )
    return RefError(f"there is no dataset {name!r}", hint=there)
