"""Iterative stratification: whole units are placed so that every label comes near its shares.

After Sechidis, Tsoumakas and Vlahavas, "On the stratification of multi-label data" (2011): the label with the
fewest units left goes first, and each of its units goes where that label lacks most. Here units may hold many
samples, the largest goes first, and a label gets a unit in each split as far as its units go.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[Any]

_RUN = 32
"""Shorter runs of equal units are placed one by one."""


@dataclass
class Need:
    """What each of the splits that are open still lacks; it changes as units are placed."""

    labels: Floats
    """(splits, labels): samples; below 0 where a split has too many."""
    rows: Floats
    """(splits,): samples of any label."""
    has: npt.NDArray[np.bool_]
    """(splits, labels): whether a split has the label."""
    late: int
    """The split that a label of fewer than three units can do without, or -1."""
    slack: float
    """By how many samples a split may grow over its target for the sake of its labels."""


@dataclass(frozen=True)
class Units:
    """Units in the order in which they are placed, and below them those that lie in a split already."""

    free: int
    """How many are to be placed; they come first."""
    sizes: Ints
    """(free,): samples of each; descending."""
    starts: Ints
    """(units + 1,): where the labels of each unit begin in the next two."""
    labels: Ints
    """The labels of the units, each once a unit."""
    counts: Ints
    """How many samples of the unit have the label."""


def as_units(free: int, sizes: Ints, unit: Ints, label: Ints, shape: tuple[int, int]) -> Units:
    """Units from pairs of (unit, label), one for each label of each sample."""
    units, labels = shape  # by numpy alone: to load `scipy.sparse` takes longer than to place 20,000 samples
    pairs, counts = np.unique(unit.astype(np.int64) * labels + label, return_counts=True)
    rows, columns = np.divmod(pairs, labels)
    return Units(free, sizes, _starts(rows, units), columns, counts)


def _starts(values: Ints, kinds: int) -> Ints:
    """Where each kind of sorted values 0, 1, … begins, and where all end; shape (kinds + 1,)."""
    return np.searchsorted(values, np.arange(kinds + 1))


def place(units: Units, need: Need) -> npt.NDArray[np.int8]:
    """The split of each free unit, as an index into the splits of `need`, which is used up.

    >>> pairs = np.arange(4), np.zeros(4, int)
    >>> units = as_units(4, np.ones(4, int), *pairs, (4, 1))
    >>> need = Need(np.array([[3.0], [1.0]]), np.array([3.0, 1.0]), np.zeros((2, 1), bool), -1, 0.0)
    >>> place(units, need).tolist()
    [0, 0, 0, 1]
    """
    labels = need.labels.shape[1]
    few = np.bincount(units.labels, minlength=labels) < 3
    ends = units.starts[: units.free + 1]
    by_label = np.argsort(units.labels[: ends[-1]], kind="stable")
    holders = np.repeat(np.arange(units.free), np.diff(ends))[by_label]
    held = units.counts[by_label]
    starts = _starts(units.labels[by_label], labels)
    left = np.bincount(units.labels[: ends[-1]], minlength=labels)
    never = np.iinfo(left.dtype).max
    left[left == 0] = never
    placed = np.full(units.free, -1, np.int8)
    owed = np.zeros(len(need.rows))  # samples that labels which are done still lack in each split
    weight = units.sizes.sum() / max(1, units.counts[: ends[-1]].sum())  # a sample counts for each label
    while (label := int(left.argmin())) >= 0 and left[label] != never:
        part = slice(starts[label], starts[label + 1])
        still = placed[holders[part]] < 0
        rows, counts = holders[part][still], held[part][still]
        lean = owed > -need.slack
        chosen = _spread(label, counts, units.sizes[rows], need, few=bool(few[label]), lean=lean)
        placed[rows] = chosen
        gone = _take(units, rows, chosen, need)
        left[gone[0]] -= np.where(left[gone[0]] == never, 0, gone[1])
        left[label] = never
        owed += weight * need.labels[:, label]
    return placed


def _spread(
    label: int, counts: Ints, sizes: Ints, need: Need, *, few: bool, lean: npt.NDArray[np.bool_]
) -> Ints:
    """The split of each unit with this label, of which it holds `counts` samples.

    Rounded one way, thousands of labels would swell a split: what is left goes rather to one that is `lean`.
    """
    lack, rows, has = need.labels[:, label].copy(), need.rows.copy(), need.has[:, label].copy()
    wanting = [split for split in range(len(rows)) if not has[split] and not (few and split == need.late)]
    tail = max(0, len(counts) - len(rows))  # the last ones see to it that each split has the label
    chosen = _runs(counts[:tail], sizes[:tail], lack, rows)
    has[chosen] = True
    last = []
    for position in range(tail, len(counts)):
        missing = [split for split in wanting if not has[split]]
        best = (
            missing[0]
            if len(missing) >= len(counts) - position
            else _lacks_most(lack, rows, lean, counts[position])
        )
        last.append(best)
        has[best] = True
        lack[best] -= counts[position]
        rows[best] -= sizes[position]
    return np.concatenate([chosen, np.array(last, np.int8)])


def _lacks_most(lack: Floats, rows: Floats, lean: npt.NDArray[np.bool_], count: int) -> int:
    near = [s for s in range(len(rows)) if lean[s] and lack[s] > max(0, lack.max() - count)]
    return max(near or range(len(rows)), key=lambda split: (lack[split], rows[split]))


def _runs(counts: Ints, sizes: Ints, lack: Floats, rows: Floats) -> Ints:
    """The split that lacks most for each unit in turn; `lack` and `rows` are kept up to date."""
    changes = np.flatnonzero((counts[1:] != counts[:-1]) | (sizes[1:] != sizes[:-1])) + 1
    bounds = [0, *changes.tolist(), len(counts)]
    chosen = np.empty(len(counts), np.int8)
    splits = range(len(rows))
    for start, stop in pairwise(bounds):
        if stop - start >= _RUN:
            chosen[start:stop] = _run(stop - start, int(counts[start]), int(sizes[start]), lack, rows)
            taken = np.bincount(chosen[start:stop], minlength=len(rows))
            lack -= taken * counts[start]
            rows -= taken * sizes[start]
            continue
        for at in range(start, stop):
            best = max(splits, key=lambda split: (lack[split], rows[split]))
            chosen[at] = best
            lack[best] -= counts[at]
            rows[best] -= sizes[at]
    return chosen


def _run(length: int, count: int, size: int, lack: Floats, rows: Floats) -> Ints:
    """As many equal units, each to the split that lacks most when its turn comes.

    What a split lacks before it takes its k-th unit depends on k alone, so all these moments can be sorted at
    once. No split gets more than one unit past the level to which they all sink.
    """
    level = _level(length * count, lack)
    most = np.floor(np.maximum(0, lack - level) / count).astype(np.int64) + 2
    split = np.repeat(np.arange(len(lack)), most)
    step = np.concatenate([np.arange(many) for many in most])
    order = np.lexsort((split, -(rows[split] - step * size), -(lack[split] - step * count)))
    return split[order[:length]].astype(np.int8)


def _level(amount: int, lack: Floats) -> float:
    """How low the highest must sink, like water, to give away `amount` in all."""
    high = np.sort(lack)[::-1]
    levels = (np.cumsum(high) - amount) / np.arange(1, len(high) + 1)
    return float(levels.max())


def _take(units: Units, rows: Ints, chosen: Ints, need: Need) -> tuple[Ints, Ints]:
    """Note that units went to splits: the labels that they have, and how many units have each."""
    splits, labels = need.labels.shape
    need.rows -= np.bincount(chosen, weights=units.sizes[rows], minlength=splits)
    lengths = units.starts[rows + 1] - units.starts[rows]
    ends = np.cumsum(lengths)
    at = np.repeat(units.starts[rows] - (ends - lengths), lengths) + np.arange(lengths.sum())
    seen, split = units.labels[at], np.repeat(chosen, lengths).astype(np.int64)
    names, inverse = np.unique(seen, return_inverse=True) if labels > len(seen) else (np.arange(labels), seen)
    key = split * len(names) + inverse
    gone = np.bincount(key, weights=units.counts[at], minlength=splits * len(names)).reshape(splits, -1)
    need.labels[:, names] -= gone
    need.has[:, names] |= gone > 0
    return names, np.bincount(inverse, minlength=len(names))
