"""What changed from one version to another: samples added and removed, and what is said of the others."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.compute as pc
from pyarrow import parquet

from holdfast.core.errors import DataError
from holdfast.core.refs import Ref
from holdfast.data.info import (
    QUARANTINE,
    SAMPLES,
    VersionInfo,
    find_version,
    read_info,
    version_folder,
    without_command,
)
from holdfast.data.parquets import read_parquet
from holdfast.data.plan import META, SPLITS

CHANGES = ("relabelled", "regrouped", "moved", "renamed", "edited")
"""What can befall a sample whose bytes stay: another label, group, split, name, or other metadata."""
_COLUMNS = ("digest", "name", "labels", "group", "split")
_BY_NUMBER = r" row \d+$"
"""Names that are only numbers of rows: one more row above, and all others have another."""
_BETWEEN = "\x1f"


@dataclass(frozen=True)
class Diff:
    """The samples of two versions, paired by their bytes.

    A sample is its digest. Where bytes are there several times, each copy counts: three copies of which two
    are left are one removed. Copies are paired by name first, then by what is said of them.

    Attributes:
        before: the first version.
        after: the second one.
        old: samples of the first version: digest, name, labels, group, split, and metadata.
        new: those of the second one.
        removed: rows of `old` that are gone, int64, shape (n,).
        added: rows of `new` that were not there, int64, shape (n,).
        replaced: rows of `old` and `new`, shape (n, 2): removed and added under one name, with other bytes.
        changed: for each of CHANGES, rows of `old` and `new`, int64, shape (n, 2).
        quarantined: samples that only the second version had to leave out: name, digest, reason.
        released: samples that only the first one had to leave out.
    """

    before: VersionInfo
    after: VersionInfo
    old: pyarrow.Table
    new: pyarrow.Table
    removed: np.ndarray
    added: np.ndarray
    replaced: np.ndarray
    changed: dict[str, np.ndarray]
    quarantined: pyarrow.Table
    released: pyarrow.Table

    def counts(self) -> dict[str, int]:
        """How many samples of each kind of change there are."""
        return {
            "added": len(self.added),
            "removed": len(self.removed),
            "replaced": len(self.replaced),
            **{kind: len(rows) for kind, rows in self.changed.items()},
            "quarantined": len(self.quarantined),
            "released": len(self.released),
        }

    def to_json(self) -> dict[str, Any]:
        """All of it, as JSON can hold it."""
        shown = ["name", "digest", "labels", "split"]
        names: dict[str, Any] = {
            "added": self.new.select(shown).take(self.added).to_pylist(),
            "removed": self.old.select(shown).take(self.removed).to_pylist(),
            "replaced": self.new.column("name").take(self.replaced[:, 1]).to_pylist(),
        }
        for kind, column in zip(CHANGES, ("labels", "group", "split", "name", None), strict=True):
            names[kind] = _told(self, self.changed[kind], column)
        return {
            "a": f"{self.before.name}@{self.before.version}",
            "b": f"{self.after.name}@{self.after.version}",
            "fingerprints": [self.before.fingerprint, self.after.fingerprint],
            "samples": [self.before.samples, self.after.samples],
            "counts": self.counts(),
            "labels": self.per_label(),
            "splits": self.per_split(),
            "moves": self.moves(),
            **names,
            "quarantined": self.quarantined.to_pylist(),
            "released": self.released.to_pylist(),
        }

    def per_label(self) -> list[dict[str, Any]]:
        """For each label: samples before and after, added, removed, and relabelled to it and from it."""
        old, new = self.old.column("labels"), self.new.column("labels")
        pairs = self.changed["relabelled"]
        counts = {
            "before": _counted(old),
            "after": _counted(new),
            "added": _counted(new.take(self.added)),
            "removed": _counted(old.take(self.removed)),
            "gained": _gained(old, new, pairs),
            "lost": _gained(new, old, pairs[:, ::-1]),
        }
        words = sorted({*self.before.labels, *self.after.labels})
        return [
            {"label": word, **{kind: found.get(word, 0) for kind, found in counts.items()}} for word in words
        ]

    def per_split(self) -> list[dict[str, Any]]:
        """For each split: samples before and after, added and removed."""
        old, new = self.old.column("split"), self.new.column("split")
        counts = {
            "before": _values(old),
            "after": _values(new),
            "added": _values(new.take(self.added)),
            "removed": _values(old.take(self.removed)),
        }
        return [
            {"split": split, **{kind: found.get(split, 0) for kind, found in counts.items()}}
            for split in SPLITS
        ]

    def moves(self) -> dict[str, int]:
        """How many samples went from which split to which, such as `test → train`."""
        rows = self.changed["moved"]
        ends = (self.old.column("split").take(rows[:, 0]), self.new.column("split").take(rows[:, 1]))
        return _values(pc.binary_join_element_wise(*ends, " → "))


def diff(root: Path, one: Ref, other: Ref) -> Diff:
    """Compare two versions, of one dataset or of two. No sample's bytes are read.

    Raises:
        RefError: if one of them is not there.
        DataError: if one of them is damaged.
    """
    (before, old, old_out), (after, new, new_out) = _opened(root, one), _opened(root, other)
    codes = {
        name: _codes(old.column(name), new.column(name)) for name in ("digest", "name", "group", "split")
    }
    codes["labels"] = _codes(_words(old.column("labels")), _words(new.column("labels")))
    pairs = _paired(codes)
    removed = np.setdiff1d(np.arange(len(old)), pairs[:, 0], assume_unique=True)
    added = np.setdiff1d(np.arange(len(new)), pairs[:, 1], assume_unique=True)

    def differ(column: str) -> np.ndarray:
        mine, theirs = codes[column]
        return np.asarray(pairs[mine[pairs[:, 0]] != theirs[pairs[:, 1]]])

    named = _have_names(old), _have_names(new)
    renamed = differ("name")
    changed = {
        "relabelled": differ("labels"),
        "regrouped": differ("group"),
        "moved": differ("split"),
        "renamed": renamed[named[0][renamed[:, 0]] | named[1][renamed[:, 1]]],
        "edited": _edited(old, new, pairs),
    }
    removed_named, added_named = removed[named[0][removed]], added[named[1][added]]
    mine, theirs = _matched(codes["name"][0][removed_named], codes["name"][1][added_named])
    replaced = np.stack([removed_named[mine], added_named[theirs]], axis=1)
    gone, came = _only_in_one(old_out, new_out)
    return Diff(before, after, old, new, removed, added, replaced, changed, came, gone)


def _opened(root: Path, ref: Ref) -> tuple[VersionInfo, pyarrow.Table, pyarrow.Table]:
    number = find_version(root, ref)
    folder = version_folder(root, ref.name, number)
    info = read_info(root, ref.name, number)
    try:
        there = parquet.read_schema(folder / SAMPLES).names
        columns = [name for name in there if name in _COLUMNS or name.startswith(META)]
        samples = read_parquet(folder / SAMPLES, columns=columns)
        return info, samples.combine_chunks(), read_parquet(folder / QUARANTINE)
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(f"{folder} is damaged: {error}", hint=without_command(ref.name, number)) from error


def _paired(codes: dict[str, tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Rows of both sides that have the same bytes, each at most once; int64, shape (n, 2), by old row."""
    rest = tuple(np.arange(len(side)) for side in codes["digest"])
    found = []
    for keys in (("digest", "name"), ("digest", "labels", "group", "split"), ("digest",)):
        mine, theirs = _matched(*_combined([codes[key] for key in keys], rest))
        found.append(np.stack([rest[0][mine], rest[1][theirs]], axis=1))
        rest = np.delete(rest[0], mine), np.delete(rest[1], theirs)
        if not (len(rest[0]) and len(rest[1])):
            break
    pairs = np.concatenate(found)
    return np.asarray(pairs[np.argsort(pairs[:, 0])])


def _combined(
    parts: Sequence[tuple[np.ndarray, np.ndarray]], rows: tuple[np.ndarray, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """One number for the values of several columns in each of these rows."""
    cut = len(rows[0])
    whole = np.concatenate([parts[0][0][rows[0]], parts[0][1][rows[1]]]).astype(np.int64)
    for one, other in parts[1:]:
        more = np.concatenate([one[rows[0]], other[rows[1]]])
        whole = whole * (int(more.max(initial=0)) + 1) + more
        if len(parts) > 2:  # small numbers again, so that a product of many does not overflow
            whole = np.unique(whole, return_inverse=True)[1].astype(np.int64)
    return whole[:cut], whole[cut:]


def _matched(old: np.ndarray, new: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Places with equal values on both sides: the first with the first, the second with the second, …

    >>> [places.tolist() for places in _matched(np.array([7, 7, 8]), np.array([9, 7]))]
    [[0], [1]]
    """
    both = np.concatenate([old, new])
    order = np.argsort(both, kind="stable")  # within a value the old ones come first
    values, is_old = both[order], order < len(old)
    place = np.arange(len(both))
    starts = np.maximum.accumulate(np.where(np.r_[True, values[1:] != values[:-1]], place, 0)[: len(both)])
    before = np.cumsum(is_old)
    olds_of = before - (before - is_old)[starts] if len(both) else before  # old ones of the value so far
    turn = np.where(is_old, olds_of - 1, place - starts - olds_of)
    partner = starts + turn  # the old one with the same turn stands there, if the value has so many
    good = ~is_old & (turn < olds_of)
    return np.asarray(order[partner[good]]), np.asarray(order[good] - len(old))


def _codes(old: Any, new: Any) -> tuple[np.ndarray, np.ndarray]:
    """Numbers that are equal where the texts are, on either side."""
    chunks = [*_plain(old), *_plain(new)]
    whole = pyarrow.chunked_array(chunks, pyarrow.string()).combine_chunks()
    codes = whole.dictionary_encode().indices.to_numpy().astype(np.int64)
    return codes[: len(old)], codes[len(old) :]


def _plain(texts: Any) -> list[pyarrow.Array]:
    texts = pc.fill_null(texts.cast(pyarrow.string()), "")
    return list(texts.chunks) if isinstance(texts, pyarrow.ChunkedArray) else [texts]


def _words(labels: pyarrow.ChunkedArray) -> pyarrow.Array:
    """The labels of each sample as one text, in one order."""
    lists = labels.combine_chunks()
    if not len(lists) or pc.max(pc.list_value_length(lists)).as_py() <= 1:
        return pc.binary_join(lists, _BETWEEN)
    keys = pyarrow.table({"row": pc.list_parent_indices(lists), "word": lists.flatten()})
    order = pc.sort_indices(keys, sort_keys=[("row", "ascending"), ("word", "ascending")])
    offsets = pc.subtract(lists.offsets, lists.offsets[0])
    sorted_words = keys.column("word").combine_chunks().take(order)
    return pc.binary_join(pyarrow.ListArray.from_arrays(offsets, sorted_words), _BETWEEN)


def _edited(old: pyarrow.Table, new: pyarrow.Table, pairs: np.ndarray) -> np.ndarray:
    """Pairs whose metadata differ; a column that only one side has counts where it says something."""
    columns = sorted({name for side in (old, new) for name in side.column_names if name.startswith(META)})
    found = np.zeros(len(pairs), bool)
    for name in columns:
        sides = [
            side.column(name) if name in side.column_names else pyarrow.repeat("", len(side))
            for side in (old, new)
        ]
        mine, theirs = _codes(*sides)
        found |= mine[pairs[:, 0]] != theirs[pairs[:, 1]]
    return pairs[found]


def _have_names(table: pyarrow.Table) -> np.ndarray:
    numbered = pc.match_substring_regex(table.column("name"), _BY_NUMBER)
    return ~np.asarray(numbered.to_numpy(), bool)


def _only_in_one(old: pyarrow.Table, new: pyarrow.Table) -> tuple[pyarrow.Table, pyarrow.Table]:
    """Quarantined samples that only one version has, by name and reason."""
    keys = [_codes(old.column(name), new.column(name)) for name in ("name", "reason")]
    rows = np.arange(len(old)), np.arange(len(new))
    mine, theirs = _matched(*_combined(keys, rows))
    return old.take(np.delete(rows[0], mine)), new.take(np.delete(rows[1], theirs))


def _counted(labels: pyarrow.ChunkedArray) -> dict[str, int]:
    return _values(pc.list_flatten(labels))


def _gained(old: Any, new: Any, pairs: np.ndarray) -> dict[str, int]:
    """How often each label is there after a relabelling, and was not before."""
    before, after = old.take(pairs[:, 0]).to_pylist(), new.take(pairs[:, 1]).to_pylist()
    words = [word for one, other in zip(before, after, strict=True) for word in set(other) - set(one)]
    return _values(pyarrow.array(words, pyarrow.string()))


def _values(texts: Any) -> dict[str, int]:
    return {row["values"]: row["counts"] for row in pc.value_counts(texts).to_pylist()}


def _told(found: Diff, rows: np.ndarray, column: str | None) -> list[dict[str, Any]]:
    new = found.new.select(["name", "digest"]).take(rows[:, 1])
    if column is None:
        return list(new.to_pylist())
    before = found.old.column(column).take(rows[:, 0])
    after = found.new.column(column).take(rows[:, 1])
    return list(new.append_column("before", before).append_column("after", after).to_pylist())
