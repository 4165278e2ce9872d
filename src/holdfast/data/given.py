"""What to tell about a split that the source gives: where it was not followed, and what it does to groups."""

from collections.abc import Sequence

import numpy as np
import pyarrow
import pyarrow.compute as pc

from holdfast.data.plan import SPLITS, some
from holdfast.data.splits import Columns, Shares, as_places, open_shares
from holdfast.data.units import Places, codes, texts

_SHOWN = 3


def told_given(columns: Columns, splits: Places, shares: Shares) -> list[str]:
    """What the user should hear about the split that the source gives; nothing where there is none.

    Samples that were cut from training, or stay where earlier versions have them; samples for which the
    source says nothing; groups that stand in several splits.

    Args:
        columns: what `splits` were made from.
        splits: indices into SPLITS.
        shares: those asked for.

    >>> columns = Columns(["a", "b", "c"], [["x"], ["x"], ["x"]], ["", "", ""], ["train", "train", "test"])
    >>> told_given(columns, np.array([0, 0, 2], np.int8), Shares())
    []
    >>> for line in told_given(columns, np.array([0, 1, 2], np.int8), Shares()):
    ...     print(line)
    the source gives only train and test, so 1 sample for valid was cut from train; to keep all in
    training, begin a dataset with --valid 0
    """
    given = as_places(columns.given)
    if not (given >= 0).any():
        return _torn(columns, given, splits)
    return [
        *_cut(columns, given, splits, shares),
        *_unsaid(given, splits),
        *_torn(columns, given, splits),
    ]


def _cut(columns: Columns, given: Places, splits: Places, shares: Shares) -> list[str]:
    """Samples of the source's training split that are elsewhere."""
    share = open_shares(given, shares, fixed=columns.fixed)
    away = np.bincount(splits[given == 0], minlength=len(SPLITS))
    elsewhere = [split for split in range(1, len(SPLITS)) if away[split]]
    cut, stay = ([s for s in elsewhere if (share[s] > 0) == is_open] for is_open in (True, False))
    notes = []
    if cut:
        there = " and ".join(SPLITS[s] for s in range(len(SPLITS)) if (given == s).any())
        told = " and ".join(f"{_samples(away[split])} for {SPLITS[split]}" for split in cut)
        options = " ".join(f"--{SPLITS[split]} 0" for split in reversed(cut))
        notes.append(
            f"the source gives only {there}, so {told} {'was' if away[cut].sum() == 1 else 'were'} cut from "
            f"train; to keep all in training, begin a dataset with {options}"
        )
    notes += [
        f"{_samples(away[split])} that the source gives as train stay in {SPLITS[split]}, where an earlier "
        f"version has them"
        for split in stay
    ]
    return notes


def _unsaid(given: Places, splits: Places) -> list[str]:
    free = given < 0
    if not free.any():
        return []
    return [
        f"the source gives no split for {int(free.sum()):,} of {len(given):,} samples; they went to "
        f"{_counts(splits[free])}"
    ]


def _torn(columns: Columns, given: Places, splits: Places) -> list[str]:
    """Groups that stand in several splits. Copies without a group are told as twins."""
    digests, groups = texts(columns.digests), texts(columns.groups)
    named = pc.and_(pc.not_equal(groups, ""), pc.not_equal(groups, digests))
    if not pc.any(named).as_py():
        return []
    chosen = np.flatnonzero(np.asarray(named))
    groups, places, given = groups.filter(named), splits[chosen], given[chosen]
    code = codes(groups)
    counts = np.stack([np.bincount(code[places == split], minlength=code.max() + 1) for split in range(3)])
    torn = np.flatnonzero((counts > 0).sum(axis=0) > 1)
    if not len(torn):
        return []
    names = pc.unique(groups).take(pyarrow.array(torn))
    shown = pc.sort_indices(names)[:_SHOWN].to_pylist()
    examples = [
        f"{some([names[at].as_py()])} ({_counts(np.repeat([0, 1, 2], counts[:, torn[at]]))})" for at in shown
    ]
    why = "as the source gives them" if (given[np.isin(code, torn)] >= 0).any() else "as in earlier versions"
    return [
        f"{len(torn):,} of {counts.shape[1]:,} groups stand in several splits, {why}, so scores may be too "
        f"good: {'; '.join(examples)}{_more(len(torn) - len(shown))}"
    ]


def _counts(splits: Sequence[int] | Places) -> str:
    """How many of each split, such as `3 train, 1 test`."""
    counts = np.bincount(splits, minlength=len(SPLITS))
    return ", ".join(f"{count:,} {split}" for split, count in zip(SPLITS, counts, strict=True) if count)


def _samples(count: int) -> str:
    return f"{count:,} sample{'' if count == 1 else 's'}"


def _more(count: int) -> str:
    return f"; and {count:,} more" if count > 0 else ""
