"""Which samples are near duplicates of each other, by their signatures."""

from functools import partial

import numpy as np
import pyarrow

from holdfast.core.media import Modality
from holdfast.data.marks import near_sounds
from holdfast.data.near import COMPARISONS, Alike, Groups, Near, hamming_groups
from holdfast.data.signatures import numbers

RADIUS = 8
"""Bits of 64 in which the hashes of two near pictures may differ."""
CORRELATION = 0.98
"""What the greys of two near pictures must share."""
BLANK = 2.0
"""A picture of less contrast (standard deviation of its greys) shows nothing, and is like any other."""
SHARED = 0.6
"""What two near texts must share of their runs of three words."""
SHOWN = 60
"""Most examples that one finding keeps."""
_BANDS = 16
_BLOCK = 50_000


def near_groups(modality: Modality, signatures: pyarrow.Table) -> Near:
    """Groups of near duplicates, one number a row of `signatures`; exact copies are near duplicates too.

    Pictures are near if their hashes differ in at most 8 bits of 64 and the greys of 16 × 16 pixels
    correlate to 0.98 or more; texts if they share 60 % of their runs of three words; recordings if they
    share 6 landmarks.

    Args:
        modality: of the samples.
        signatures: as `holdfast.data.signatures` makes them.
    """
    return {"image": _pictures, "text": _texts, "audio": _sounds}[modality](signatures)


def heads(signatures: pyarrow.Table) -> np.ndarray:
    """Groups of texts that begin with the same words: the index of the first of each, shape (n,)."""
    head = numbers(signatures, "head")
    own = np.arange(len(head))
    _, first, inverse = np.unique(head, return_index=True, return_inverse=True)
    return np.where(head == 0, own, first[inverse])


def several(groups: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Of each row whether its group has several values, shape (n,).

    >>> several(np.array([1, 1, 2]), np.array([5, 6, 5])).tolist()
    [True, True, False]
    """
    order = np.lexsort((values, groups))
    group, value = groups[order], values[order]
    starts = np.flatnonzero(np.r_[True, group[1:] != group[:-1]]) if len(group) else np.zeros(0, dtype=int)
    changes = np.r_[False, (group[1:] == group[:-1]) & (value[1:] != value[:-1])]
    found = np.zeros(len(groups), dtype=bool)
    if len(group):
        sizes = np.diff(np.r_[starts, len(group)])
        found[order] = np.repeat(np.add.reduceat(changes, starts) > 0, sizes)
    return found


def beside(groups: np.ndarray, rows: np.ndarray, train: np.ndarray) -> tuple[tuple[int, ...], ...]:
    """A few held-out samples, each with a relative from training, to show them side by side.

    >>> beside(np.array([5, 6, 6]), np.array([2]), np.array([0, 1]))
    ((2, 1),)
    """
    order = train[np.argsort(groups[train], kind="stable")]
    shown = rows[:SHOWN]
    relatives = order[np.searchsorted(groups[order], groups[shown])]
    return tuple((int(row), int(other)) for row, other in zip(shown, relatives, strict=True))


def _pictures(signatures: pyarrow.Table) -> Near:
    thumbs, hashes = numbers(signatures, "thumb"), numbers(signatures, "hash")
    keys = _mixed(np.ascontiguousarray(thumbs).view(np.uint64)) ^ hashes
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    shown = np.flatnonzero(
        numbers(signatures, "contrast")[first] >= BLANK
    )  # the distinct ones that show something
    near = hamming_groups(hashes[first[shown]], RADIUS, alike=partial(_correlated, thumbs, first[shown]))
    groups = np.arange(len(first))
    groups[shown] = shown[near.groups]
    groups = groups[inverse]
    blank = numbers(signatures, "contrast") < BLANK
    return _numbered(np.where(blank, len(groups) + np.arange(len(groups)), groups), near.crowded)


def _correlated(thumbs: np.ndarray, rows: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    found = np.zeros(len(left), dtype=bool)
    for start in range(0, len(left), _BLOCK):
        block = slice(start, start + _BLOCK)
        one, other = (_standard(thumbs[rows[side[block]]]) for side in (left, right))
        found[block] = np.einsum("ij,ij->i", one, other) >= CORRELATION
    return found


def _standard(thumbs: np.ndarray) -> np.ndarray:
    """Greys of mean 0 and length 1: what is brighter or paler is still the same picture."""
    values = thumbs.astype(np.float32)
    values -= values.mean(axis=1, keepdims=True)
    return np.asarray(values / (np.linalg.norm(values, axis=1, keepdims=True) + 1e-6))


def _texts(signatures: pyarrow.Table) -> Near:
    sketch = np.ascontiguousarray(numbers(signatures, "minhash")).view("<u4")
    _, first, inverse = np.unique(_mixed(sketch.view(np.uint64)), return_index=True, return_inverse=True)
    distinct = sketch[first]
    near = _shared(distinct, COMPARISONS)
    return _numbered(near.groups[inverse], near.crowded)


def _shared(sketch: np.ndarray, comparisons: int) -> Near:
    """Locality-sensitive hashing (Indyk & Motwani 1998): sketches that agree in one band are compared."""
    alike: Alike = partial(_alike, sketch)
    groups = Groups(len(sketch), comparisons=comparisons // _BANDS)
    for band in np.split(sketch, _BANDS, axis=1):
        groups.compare(_mixed(np.ascontiguousarray(band).view(np.uint64)), alike)
    return groups.near()


def _alike(sketch: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    found = np.zeros(len(left), dtype=bool)
    for start in range(0, len(left), _BLOCK):
        block = slice(start, start + _BLOCK)
        found[block] = (sketch[left[block]] == sketch[right[block]]).mean(axis=1) >= SHARED
    return found


def _sounds(signatures: pyarrow.Table) -> Near:
    kept = signatures.column("marks").combine_chunks()
    if isinstance(kept, pyarrow.ChunkedArray):
        kept = pyarrow.concat_arrays(kept.chunks)
    _, ends, data = kept.buffers()
    ends = np.frombuffer(ends, dtype=np.int32)[kept.offset : kept.offset + len(kept) + 1]
    every = np.frombuffer(data, dtype="<u4", count=ends[-1] // 4)[ends[0] // 4 :]
    return near_sounds(every.reshape(-1, 2), np.diff(ends) // 8)


def _mixed(words: np.ndarray) -> np.ndarray:
    """One number of 64 bits for each row of such numbers; others have others, almost surely."""
    evens: np.ndarray = np.random.default_rng(0).integers(1, 2**63, (words.shape[1],), dtype=np.uint64) * 2
    mixed = np.zeros(len(words), dtype=np.uint64)
    for place, even in enumerate(evens):
        mixed = (mixed ^ words[:, place]) * (even + np.uint64(1))
        mixed ^= mixed >> np.uint64(29)
    return mixed


def _numbered(groups: np.ndarray, crowded: int) -> Near:
    _, first, inverse = np.unique(groups, return_index=True, return_inverse=True)
    return Near(first[inverse], crowded)


def united(*groupings: np.ndarray) -> np.ndarray:
    """Groups that hold together what any of these do, such as patients and near duplicates.

    Args:
        groupings: each of shape (n,), whole numbers.

    Returns:
        The index of the first row of each row's group, shape (n,).

    >>> united(np.array([0, 0, 1, 2]), np.array([5, 6, 7, 6])).tolist()
    [0, 0, 2, 0]
    """
    groups = Groups(len(groupings[0]))
    for grouping in groupings:
        _, first, inverse = np.unique(grouping, return_index=True, return_inverse=True)
        groups.join(np.arange(len(grouping)), first[inverse])
    return groups.near().groups
