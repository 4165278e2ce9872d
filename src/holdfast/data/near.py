"""Groups of samples that are nearly the same, found without comparing all pairs."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from math import comb

import numpy as np

Alike = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Says of pairs of rows, given as two arrays of indices, which are alike: an array of booleans."""

COMPARISONS = 4_000_000_000
"""Most pairs that are compared: about a minute on one core."""
_PENDING = 2_000_000
_BLOCK = 4_000_000


@dataclass(frozen=True)
class Near:
    """Which rows belong together.

    Attributes:
        groups: shape (n,); rows of one number are near duplicates, directly or through others. A group's
            number is the index of its first row.
        crowded: rows that share so much with so many others that not all pairs of them were compared.
    """

    groups: np.ndarray
    crowded: int


class Groups:
    """Rows that grow together, as pairs of them turn out to be alike. Never holds all pairs.

    Args:
        count: of rows.
        comparisons: most pairs that one `compare` looks at.
    """

    def __init__(self, count: int, *, comparisons: int = COMPARISONS) -> None:
        self._group = np.arange(count)
        self._comparisons = comparisons
        self._left: list[np.ndarray] = []
        self._right: list[np.ndarray] = []
        self._crowded = np.zeros(count, dtype=bool)

    def compare(self, keys: np.ndarray, alike: Alike) -> None:
        """Join rows of equal keys that are alike.

        Rows are sorted by key, and each is compared with its neighbours at distance 1, 2, 3 … as long
        as the key is the same: memory stays linear, whatever the pairs. A key that very many rows share
        ends this early.

        Args:
            keys: shape (n,), uint64; only rows of equal keys are compared.
            alike: decides about pairs.
        """
        if not len(keys):
            return
        rows = np.argsort(keys)
        keys = keys[rows]
        starts = np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]])
        ends = np.repeat(np.r_[starts[1:], len(keys)], np.diff(np.r_[starts, len(keys)]))
        places, lag, spent = np.arange(len(keys)), 1, 0
        while len(places := places[places + lag < ends[places]]):
            spent += len(places)
            if spent > self._comparisons:
                self._crowded[rows[places]] = True
                return
            for start in range(0, len(places), _BLOCK):
                block = places[start : start + _BLOCK]
                left, right = rows[block], rows[block + lag]
                self.join(*_kept(alike, left, right))
            lag += 1

    def join(self, left: np.ndarray, right: np.ndarray) -> None:
        """Join rows pair by pair."""
        if len(left):
            self._left.append(left)
            self._right.append(right)
        if sum(map(len, self._left)) > _PENDING:
            self._settle()

    def near(self) -> Near:
        """The groups as they are now."""
        self._settle()
        _, first, inverse = np.unique(self._group, return_index=True, return_inverse=True)
        return Near(first[inverse], int(self._crowded.sum()))

    def _settle(self) -> None:
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        if not self._left:
            return
        left, right = (self._group[np.concatenate(side)] for side in (self._left, self._right))
        size = len(self._group)
        graph = coo_array((np.ones(len(left), dtype=bool), (left, right)), shape=(size, size))
        joined = connected_components(graph, directed=False)[1]
        self._group = joined[self._group].astype(np.int64)
        self._left, self._right = [], []


def hamming_groups(
    hashes: np.ndarray, radius: int, *, alike: Alike | None = None, comparisons: int = COMPARISONS
) -> Near:
    """Groups of hashes that differ in at most `radius` of their 64 bits, directly or through others.

    Multi-index hashing (Norouzi et al. 2012): the bits are cut into more bands than may differ, so of
    two near hashes some bands are equal, and only hashes that agree in these are compared. Exact, unless
    there are more candidates than `comparisons`. 1,000,000 hashes take half a minute on one core.

    Args:
        hashes: shape (n,), uint64.
        radius: 0 to 16 bits; each two more take about three times as long.
        alike: a closer look at pairs that are near enough; by default all of these are joined.
        comparisons: most pairs to compare in all.

    >>> hamming_groups(np.array([0b0000, 0b0001, 0xFF00, 0b0011], dtype=np.uint64), 1).groups.tolist()
    [0, 0, 2, 0]
    """
    if not 0 <= radius <= 16:
        raise ValueError(f"the radius must be 0 to 16 bits, got {radius}")
    if alike is None:
        distinct, inverse = np.unique(hashes, return_inverse=True)
        near = _joined(distinct, radius, partial(_within, distinct, radius), comparisons)
        groups = near.groups[inverse]
        _, first, again = np.unique(groups, return_index=True, return_inverse=True)
        return Near(first[again], near.crowded)

    def both(left: np.ndarray, right: np.ndarray) -> np.ndarray:
        near = _within(hashes, radius, left, right)
        near[near] = alike(left[near], right[near])
        return near

    return _joined(hashes, radius, both, comparisons)


def _joined(hashes: np.ndarray, radius: int, alike: Alike, comparisons: int) -> Near:
    bands, shared = bands_for(len(hashes), radius)
    groups = Groups(len(hashes), comparisons=max(comparisons // comb(bands, shared), len(hashes)))
    for keys in _keys(hashes, bands, shared):
        groups.compare(keys, alike)
    return groups.near()


def _within(hashes: np.ndarray, radius: int, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return np.asarray(np.bitwise_count(hashes[left] ^ hashes[right]) <= radius)


def bands_for(count: int, radius: int) -> tuple[int, int]:
    """Into how many bands to cut 64 bits, and how many of them near hashes share: the cheapest for so many.

    >>> bands_for(1_000_000, 8)
    (11, 3)
    """

    def cost(bands: int) -> float:
        shared = bands - radius
        passes = comb(bands, shared)
        return passes * (10 * count + count**2 / 2 ** (64 * shared / bands))

    bands = min(range(radius + 1, min(radius + 6, 64)), key=cost)
    return bands, bands - radius


def _keys(hashes: np.ndarray, bands: int, shared: int) -> Iterator[np.ndarray]:
    """For each choice of bands the bits in them."""
    edges = np.linspace(0, 64, bands + 1).round().astype(int)
    for chosen in combinations(range(bands), shared):
        mask = sum((1 << int(edges[band + 1])) - (1 << int(edges[band])) for band in chosen)
        yield hashes & np.uint64(mask)


def _kept(alike: Alike, left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    keep = alike(left, right)
    return left[keep], right[keep]
