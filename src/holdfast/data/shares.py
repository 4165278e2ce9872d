"""What to tell about the shares of the splits: how near they came, and why not nearer."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow
import pyarrow.compute as pc

from holdfast.data.plan import SPLITS, some
from holdfast.data.splits import Coded, Columns, Earlier, Shares, as_places, assign_splits, open_shares
from holdfast.data.units import Places

_NEAR = 0.02
"""Shares that differ by no more are as asked for."""


def told_shares(columns: Columns, splits: Places, earlier: Earlier, shares: Shares) -> list[str]:
    """What the user should hear about the shares; nothing where they are as asked for.

    Args:
        columns: what `splits` were made from, with `earlier` and `shares`.
        splits: indices into SPLITS.
        earlier: the splits that earlier versions gave.
        shares: those asked for. What the source gives is not measured against them.

    >>> columns = Columns(["a", "b", "c"], [["x"], ["x"], ["x"]], ["g", "g", "h"], ["", "", ""])
    >>> for line in told_shares(columns, assign_splits(columns, Earlier(), Shares()), Earlier(), Shares()):
    ...     print(line)
    no sample is in valid: there are only 2 groups
    test holds 33.3 % of the samples, not 20.0 %: of 2 groups the largest, 'g', holds 66.7 %
    """
    share = open_shares(as_places(columns.given), shares, fixed=columns.fixed)
    counted = share[splits] > 0
    reached = np.bincount(splits[counted], minlength=len(SPLITS)) / max(1, int(counted.sum()))
    empty = [split for split in range(len(SPLITS)) if not (splits == split).any()]
    off = [split for split in _held_out(share) if abs(reached[split] - share[split]) > _NEAR]
    idle = columns.times is not None and int((share > 0).sum()) == 1
    said = ["the times decide nothing, because the source or the shares leave no choice"] if idle else []
    if not off and not empty:
        return said
    rows = Coded(columns, earlier)
    said += [f"no sample is in {SPLITS[split]}: {_why_empty(rows, float(share[split]))}" for split in empty]
    if off and (rows.before >= 0).all():
        return said + _kept(columns, reached, off, shares)
    for split in off:
        if split not in empty:
            why = _why(rows, counted, gap=abs(float(reached[split] - share[split])))
            name, has, asked = SPLITS[split], _percent(reached[split]), _percent(share[split])
            said.append(f"{name} holds {has} of the samples, not {asked}: {why}")
    return said


def _held_out(share: npt.NDArray[np.float64]) -> list[int]:
    return [SPLITS.index(name) for name in ("test", "valid") if share[SPLITS.index(name)] > 0]


def _kept(
    columns: Columns, reached: npt.NDArray[np.float64], off: Sequence[int], shares: Shares
) -> list[str]:
    """What to say where shares were asked for, but every sample has its split already."""
    cut = assign_splits(columns, Earlier(), shares)  # few groups may allow no other
    counted = open_shares(as_places(columns.given), shares, fixed=columns.fixed)[cut] > 0
    possible = np.bincount(cut[counted], minlength=len(SPLITS)) / max(1, int(counted.sum()))
    if all(abs(possible[split] - reached[split]) <= _NEAR for split in off):
        return []
    return [
        "samples keep the splits that they have; the shares asked for were not applied (use another --name)"
    ]


def _why_empty(rows: Coded, share: float) -> str:
    if share == 0:
        return "the source gives none" if rows.fixed and (rows.given >= 0).all() else "its share is 0"
    if rows.times is not None and (moments := len(np.unique(rows.times))) < len(SPLITS):
        return f"there are only {moments} different times"
    groups = len(np.unique(rows.unit))
    if groups < len(SPLITS):
        return f"there are only {groups} groups"
    if share * groups < 1:
        return f"its share of {_percent(share)} is less than one of {groups:,} groups"
    return "no group was left for it"


def _why(rows: Coded, counted: npt.NDArray[np.bool_], *, gap: float) -> str:
    """Why a split misses its share by `gap`: the plainest reason that is large enough."""
    whole = int(counted.sum())
    old = int((counted & ((rows.before >= 0) | (rows.group_before >= 0))).sum())
    if old:
        return f"{old:,} of {whole:,} keep the split of an earlier version"
    if rows.times is not None:
        moments, sizes = np.unique(rows.times[counted], return_counts=True)
        if sizes.max() > gap * whole:
            most = moments[sizes.argmax()]
            told = str(most.astype("datetime64[s]")) if moments.dtype.kind == "M" else f"{most:.15g}"
            return f"what is equally new stays together, and {_percent(sizes.max() / whole)} is from {told}"
    sizes = np.bincount(rows.unit[counted])
    largest, groups = int(sizes.argmax()), int((sizes > 0).sum())
    if sizes[largest] > 1:
        held = _percent(sizes[largest] / whole)
        members = pc.unique(rows.group_texts.filter(pyarrow.array(rows.unit == largest))).to_pylist()
        named = some(sorted(members), most=1)
        tied = " (tied together by exact copies)" if len(members) > 1 else ""
        return f"of {groups:,} groups the largest, {named}{tied}, holds {held}"
    return f"there are only {whole:,} samples, and each label is to be in each split"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
