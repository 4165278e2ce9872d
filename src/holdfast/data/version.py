"""A version of a dataset: what is in it, and its samples by index."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import pyarrow
import pyarrow.compute as pc

from holdfast.core.errors import DataError
from holdfast.core.files import digest_bytes
from holdfast.core.refs import Ref
from holdfast.data.fingerprints import refuse_altered
from holdfast.data.info import (
    QUARANTINE,
    SAMPLES,
    VersionInfo,
    find_version,
    read_info,
    restore_command,
    version_folder,
    without_command,
)
from holdfast.data.parquets import read_parquet, whole
from holdfast.data.places import Places
from holdfast.data.plan import META, SPLITS, Quarantined
from holdfast.data.shards import is_whole

_PLACE = ["shard", "offset", "length"]
COLUMNS = ("digest", "name", "labels", "group", "split", "twin", "shard", "offset", "length")


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

    def refuse_altered(self) -> None:
        """Raise DataError if the rows are not those that the fingerprint stands for.

        Whoever gives samples to others or learns from them asks this first: it is cheap beside that. To open
        a version does not, since much of what is opened is only listed.
        """
        refuse_altered(self.table, self.info, self.folder)

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
        info, places = self.info, self.places
        away = places.mend_elsewhere() if places.is_elsewhere(places.path(index)) else None
        if not self.folder.exists():
            return DataError(
                f"{info.name}@{info.version} was removed while it was being read",
                hint=f"`holdfast data log {info.name}` shows the versions that there are",
            )
        return DataError(
            f"{info.name}@{info.version}: {str(self.names[index])!r} cannot be read from "
            f"{places.told(places.path(index))}: {why}",
            hint=away or f"the shard is damaged; run `{restore_command(info.name)}` again to restore it",
        )

    def indices(self, split: str, *, headline: bool = False) -> np.ndarray:
        """Indices of a split's samples, ascending.

        Args:
            split: train, valid or test.
            headline: leave out those whose exact bytes are in training, as headline scores do.
        """
        if split not in SPLITS:
            raise ValueError(f"{split!r} is no split; there are {', '.join(SPLITS)}")
        chosen = pc.equal(self.table.column("split"), split).to_numpy()  # 30 times as fast as by objects
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


def read_quarantine(root: Path, ref: Ref) -> list[Quarantined]:
    """The samples that a version had to leave out, with the reasons."""
    table = read_parquet(version_folder(root, ref.name, find_version(root, ref)) / QUARANTINE)
    return [Quarantined(**row) for row in table.to_pylist()]


def label_counts(table: pyarrow.Table, labels: Sequence[str]) -> dict[str, list[int]]:
    """How many samples of each label, in the order of `labels`, each split holds.

    >>> rows = pyarrow.table({"split": ["train", "test", "train"], "labels": [["a"], ["b"], ["a", "b"]]})
    >>> label_counts(rows, ["a", "b"])
    {'train': [2, 1], 'valid': [0, 0], 'test': [0, 1]}
    """
    lists = whole(table.column("labels"))
    places = pc.index_in(lists.flatten(), pyarrow.array(labels, pyarrow.string())).to_numpy()
    codes = pc.index_in(whole(table.column("split")), pyarrow.array(SPLITS)).to_numpy()
    split_of = codes[pc.list_parent_indices(lists).to_numpy()]
    return {
        split: np.bincount(places[split_of == code], minlength=len(labels)).tolist()
        for code, split in enumerate(SPLITS)
    }


def _strings(table: pyarrow.Table, column: str) -> np.ndarray:
    """Objects rather than text of one width, which takes four bytes for each character of the longest."""
    codes = whole(table.column(column)).dictionary_encode()
    words = np.array(codes.dictionary.to_pylist(), dtype=object)
    return np.asarray(words[codes.indices.to_numpy()])


def _targets(table: pyarrow.Table, info: VersionInfo) -> np.ndarray:
    lists = whole(table.column("labels"))
    known = pyarrow.array(info.labels, pyarrow.string())
    places = pc.index_in(lists.flatten(), known).to_numpy()
    if info.task == "single":
        return np.asarray(places.astype(np.int64))
    targets = np.zeros((len(lists), len(info.labels)), dtype=np.int8)
    targets[pc.list_parent_indices(lists).to_numpy(), places] = 1
    return targets
