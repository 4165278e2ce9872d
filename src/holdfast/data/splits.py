"""Which samples train, validate and test: by group, in the shares asked for, and kept for ever."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow
import pyarrow.compute as pc

from holdfast.core.errors import DataError
from holdfast.data.plan import SPLITS, some
from holdfast.data.stratify import Need, as_units, place
from holdfast.data.units import Ints, Places, codes, first_rows, looked_up, ranks, texts, units_of

Floats = npt.NDArray[np.float64]
_TRAIN, _VALID, _TEST = (SPLITS.index(split) for split in ("train", "valid", "test"))
_BY_NEED = (_TRAIN, _TEST, _VALID)
"""Which split a label needs first when it has few groups, and which one keeps samples that lie in several:
copies in the other splits then show up as twins."""
_STRONGEST = np.array([next((s for s in _BY_NEED if bits >> s & 1), -1) for bits in range(8)], np.int8)
"""The one split of a set of them, which is written as bits."""
_BATCH = 65_536
_SLACK = 0.01
"""How far a split may grow over its share for the sake of thousands of labels."""


@dataclass(frozen=True)
class Columns:
    """What decides the splits: one entry a sample, in pyarrow columns (or numpy arrays, or lists)."""

    digests: Any
    """Texts: what the sample holds; equal for exact copies."""
    labels: Any
    """Lists of texts: the labels of each sample, which may be none."""
    groups: Any
    """Texts; an empty one means that only exact copies belong together."""
    given: Any
    """The split that the source gives: `train`, `valid`, `test` or nothing."""
    times: npt.NDArray[Any] | None = None
    """Numbers or datetime64, for a split by time; None places by label."""
    fixed: bool = False
    """Whether nothing is cut from what is given as `train`: those without a split are placed alone."""


def _no_splits(key: str) -> pyarrow.Table:
    return pyarrow.table(
        {key: pyarrow.array([], pyarrow.string()), "split": pyarrow.array([], pyarrow.string())}
    )


@dataclass(frozen=True)
class Earlier:
    """The splits that earlier versions gave. Of a digest or group that comes twice, the first row counts."""

    digests: pyarrow.Table = field(default_factory=lambda: _no_splits("digest"))
    """Columns `digest` and `split`."""
    groups: pyarrow.Table = field(default_factory=lambda: _no_splits("group"))
    """Columns `group` and `split`."""


@dataclass(frozen=True)
class Shares:
    """How much of the samples is held out where the source does not say it."""

    test: float = 0.2
    valid: float = 0.1
    seed: int = 0


class Coded:
    """The columns as numbers, and what is known of the splits before any sample is placed."""

    def __init__(self, columns: Columns, earlier: Earlier) -> None:
        self.digest_texts = texts(columns.digests)
        self.group_texts = _named(texts(columns.groups), self.digest_texts)
        self.digest = ranks(self.digest_texts)
        self.group = self.digest if self.group_texts is self.digest_texts else codes(self.group_texts)
        self.given = as_places(columns.given)
        self.before = looked_up(
            self.digest_texts, earlier.digests.column("digest"), as_places(earlier.digests.column("split"))
        )
        self.group_before = looked_up(
            self.group_texts, earlier.groups.column("group"), as_places(earlier.groups.column("split"))
        )
        self.labels = columns.labels
        self.times = columns.times
        self.fixed = columns.fixed

    def __len__(self) -> int:
        return len(self.digest)

    @cached_property
    def unit(self) -> Ints:
        """The unit of each sample, whose samples stay together: one group, or exact copies."""
        return units_of(self.digest, self.group)


def assign_splits(columns: Columns, earlier: Earlier, shares: Shares) -> Places:
    """The split of each sample, as an index into SPLITS, whatever order the samples come in.

    In this order of strength: a split that the source gives is kept; a group, then a sample, keeps the split
    of earlier versions; the rest is placed so that the labels come near their shares. Samples of one group,
    and exact copies, are placed together. Validation is cut from training if the source gives none, and
    so is the test split, unless the columns are `fixed`. Each label gets a group in train, then test, then
    valid, as far as its groups go. With times, the newest of the rest go to test and the next to validation,
    whatever their labels.

    Raises:
        DataError: if a sample would leave the split that an earlier version gave it, because its group is
            another one now.

    >>> columns = Columns(["a", "b", "c"], [["x"], ["x"], ["x"]], ["", "", ""], ["", "", ""])
    >>> sorted(SPLITS[split] for split in assign_splits(columns, Earlier(), Shares()))
    ['test', 'train', 'valid']
    """
    rows = Coded(columns, earlier)
    share = open_shares(rows.given, shares, fixed=rows.fixed)
    splits = _settled(rows, share)
    if (splits < 0).any():
        _place(rows, splits, share, shares.seed)
    _refuse_moves(rows, splits)
    return splits


def find_twins(digests: Any, splits: Places | Sequence[str]) -> npt.NDArray[np.bool_]:
    """Which test and validation samples are, byte for byte, also in training.

    >>> find_twins(["a", "a", "b"], ["train", "test", "test"]).tolist()
    [False, True, False]
    """
    content, places = ranks(texts(digests)), as_places(splits)
    trained = np.zeros(len(content), np.bool_)
    trained[content[places == _TRAIN]] = True
    return np.asarray((places != _TRAIN) & trained[content])


def open_shares(given: Places, shares: Shares, *, fixed: bool = False) -> Floats:
    """The share of each of SPLITS among those that may be added to; 0 for the others."""
    share = np.zeros(len(SPLITS))
    if fixed and (given >= 0).all():
        shares = Shares(test=0, valid=0)
    for split, wanted in ((_TEST, shares.test), (_VALID, shares.valid)):
        share[split] = 0 if (given == split).any() else wanted
    share[_TRAIN] = max(0.0, 1 - shares.test - shares.valid)
    if not share.any():
        share[_TRAIN] = 1  # all else is given
    return np.asarray(share / share.sum())


def as_places(splits: Any) -> Places:
    """Names of splits as indices into SPLITS; -1 where there is none.

    >>> as_places(["test", ""]).tolist()
    [2, -1]
    """
    if isinstance(splits, np.ndarray) and splits.dtype == np.int8:
        return splits
    return looked_up(texts(splits), texts(SPLITS), np.arange(len(SPLITS), dtype=np.int8))


def _named(groups: pyarrow.ChunkedArray, digests: pyarrow.ChunkedArray) -> pyarrow.ChunkedArray:
    """The groups, with the digest where there is none; the digests themselves if all groups are such."""
    none = pc.equal(groups, "")
    if pc.all(pc.or_(none, pc.equal(groups, digests))).as_py():
        return digests
    return pc.if_else(none, digests, groups) if pc.any(none).as_py() else groups


def _settled(rows: Coded, share: Floats) -> Places:
    """The split of each sample that has no choice, and -1 for those that are free, whole units of them."""
    of_group = _STRONGEST[_sets(rows.group, rows.before)][rows.group]
    of_group = np.where(rows.group_before >= 0, rows.group_before, of_group)
    firm = (rows.given == _VALID) | (rows.given == _TEST) | ((rows.given == _TRAIN) & rows.fixed)
    held = (rows.given == _TRAIN) & (rows.before >= 0)  # a source that says train frees nothing held out
    splits = np.where(firm, rows.given, np.where(held, rows.before, of_group)).astype(np.int8)
    tied = _sets(rows.unit, splits)[rows.unit]
    open_bits = np.uint8(sum(1 << split for split in range(len(SPLITS)) if share[split] > 0))
    joined = _STRONGEST[np.where(rows.given == _TRAIN, tied & open_bits, tied)]
    joined = np.where((joined < 0) & (tied > 0), np.int8(_TRAIN), joined)
    return np.where(splits >= 0, splits, joined).astype(np.int8, copy=False)


def _sets(keys: Ints, splits: Places) -> npt.NDArray[np.uint8]:
    """The splits that lie behind each key, as bits."""
    sets = np.zeros(int(keys.max(initial=-1)) + 1, np.uint8)
    for split in range(len(SPLITS)):
        sets[keys[splits == split]] |= np.uint8(1 << split)
    return sets


def _place(rows: Coded, splits: Places, share: Floats, seed: int) -> None:
    """Give a split to each sample that has none yet, in `splits` itself."""
    loose = splits < 0
    units = int(rows.unit.max()) + 1
    free = np.zeros(units, np.bool_)
    free[rows.unit[loose]] = True
    sizes = np.bincount(rows.unit, minlength=units)
    order = _order(rows, units, free, sizes, seed)
    position = np.empty(units, np.int32)
    position[order] = np.arange(units, dtype=np.int32)
    count = int(free.sum())
    open_ = np.array([split for split in _BY_NEED if share[split] > 0], np.int8)
    if rows.times is None:
        row, label, labels = label_pairs(rows.labels)
        need = _need(splits, share, open_, row, label, labels)
        pairs = as_units(count, sizes[order[:count]], position[rows.unit[row]], label, (units, labels))
        placed = open_[place(pairs, need)]
    else:
        placed = _by_time(rows, splits, share, order[:count], sizes)
    splits[loose] = placed[position[rows.unit[loose]]]


def _order(rows: Coded, units: int, free: npt.NDArray[np.bool_], sizes: Ints, seed: int) -> Ints:
    """Units in the order in which they are placed: free ones, large ones, then at random.

    The random key hangs on the seed and the smallest digest alone, so the order of files does not matter.
    """
    first = first_rows(rows.digest, rows.unit, units)
    wanted = first[free]
    key = np.zeros(units, np.uint64)
    prefix = hashlib.sha256(f"{seed} ".encode())
    digests = bytearray()
    for start in range(0, len(wanted), _BATCH):
        for text in rows.digest_texts.take(wanted[start : start + _BATCH]).to_pylist():
            hashed = prefix.copy()
            hashed.update(text.encode())
            digests += hashed.digest()[:8]
    key[free] = np.frombuffer(digests, ">u8")
    return np.lexsort((rows.digest[first], key, -sizes, ~free))


def label_pairs(labels: Any) -> tuple[Ints, Ints, int]:
    """Each label of each sample as (row, label), and how many labels there are, numbered in their order.

    Samples without any label count as one of the label "", so that they are spread evenly too.

    >>> [part.tolist() for part in label_pairs([["b", "a"], []])[:2]]
    [[0, 0, 1], [2, 1, 0]]
    """
    if not isinstance(labels, pyarrow.Array | pyarrow.ChunkedArray):
        labels = pyarrow.array([list(each) for each in labels], pyarrow.list_(pyarrow.string()))
    lengths = pc.list_value_length(labels).fill_null(0).to_numpy()
    named = texts(pc.list_flatten(labels))
    names = pc.unique(named)
    if not (lengths > 0).all():
        names = pc.unique(pyarrow.concat_arrays([names, pyarrow.array([""], names.type)]))
    names = names.take(pc.sort_indices(names))
    numbers = pc.index_in(named, value_set=names).to_numpy().astype(np.int32)
    rows = np.repeat(np.arange(len(lengths), dtype=np.int32), np.maximum(lengths, 1))
    if len(rows) > len(numbers):
        all_numbers = np.zeros(len(rows), np.int32)  # "" is the first of the labels
        all_numbers[lengths[rows] > 0] = numbers
        numbers = all_numbers
    return rows, numbers, len(names)


def _need(splits: Places, share: Floats, open_: Places, row: Ints, label: Ints, labels: int) -> Need:
    """What the open splits lack of the samples that do not lie in a closed one."""
    closed = (splits >= 0) & (share[splits] == 0)
    total = np.bincount(label[~closed[row]], minlength=labels)
    counts = len(splits) - int(closed.sum())
    there = np.stack([np.bincount(label[splits[row] == split], minlength=labels) for split in open_])
    wanted = share[open_]
    lack_rows = wanted * counts - np.array([(splits == split).sum() for split in open_])
    late = int(np.flatnonzero(open_ == _VALID)[0]) if _VALID in open_ else -1
    lack = wanted[:, None] * total - there
    return Need(lack, lack_rows, there > 0, late, slack=max(1.0, _SLACK * counts))


def _by_time(rows: Coded, splits: Places, share: Floats, free: Ints, sizes: Ints) -> Places:
    """The split of each free unit by the newest of its samples: the newest test, the next validate.

    What is equally new stays together, so that test is later than training in truth.
    """
    assert rows.times is not None
    moments, moment = np.unique(rows.times, return_inverse=True)
    newest = np.zeros(len(sizes), np.int64)
    np.maximum.at(newest, rows.unit, moment)
    age = len(moments) - 1 - newest[free]
    closed = (splits >= 0) & (share[splits] == 0)
    counts = len(splits) - int(closed.sum())
    held = np.cumsum(np.bincount(age, weights=sizes[free], minlength=len(moments)))
    used = np.flatnonzero(np.diff(held, prepend=0))
    cuts = np.concatenate([[0.0], held[used]])
    placed = np.full(len(free), _TRAIN, np.int8)
    has = np.bincount(splits[splits >= 0], minlength=len(SPLITS))
    cut, last = 0, len(cuts) - (2 if share[_TRAIN] > 0 and not has[_TRAIN] else 1)
    for split in (_TEST, _VALID):
        if share[split] > 0:
            lack = max(0.0, share[split] * counts - has[split])
            nearest = int(np.abs(cuts - cuts[cut] - lack).argmin())
            end = min(max(nearest, cut if has[split] else cut + 1), last)
            if end > cut:
                placed[(age <= used[end - 1]) & (age > (used[cut - 1] if cut else -1))] = split
                cut = end
    return placed


def _refuse_moves(rows: Coded, splits: Places) -> None:
    """Raise DataError if a sample is nowhere where it was, unless the source says so."""
    places = _sets(rows.digest, splits)[rows.digest]
    free = np.ones(len(rows) + 1, np.bool_)
    free[rows.digest[rows.given >= 0]] = False
    before = np.where(rows.before >= 0, np.left_shift(1, np.maximum(rows.before, 0)), 0)
    moved = free[rows.digest] & (before > 0) & (places & before == 0)
    if moved.any():
        groups = sorted(pc.unique(rows.group_texts.filter(pyarrow.array(moved))).to_pylist())
        count = len(np.unique(rows.digest[moved]))
        raise DataError(
            f"{count:,} samples would leave the split that an earlier version gave them, because the "
            f"groups that they are in now lie in another split: {some(groups)}",
            hint="group as the latest version does (without --group if that had none), say the split of each "
            "sample with --split, or begin a new dataset with another --name",
        )
