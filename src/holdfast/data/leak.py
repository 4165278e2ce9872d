"""How much better a score looks than it is, where samples that are held out have relatives in training."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Leak:
    """Held-out samples that training knows already, and what that may do to the score."""

    rows: np.ndarray
    """Indices of the held-out samples with a relative in training."""
    held_out: int
    """All samples of that split which count."""
    right: float
    """How often the label of the relatives is that of the sample: what remembering would score on them."""
    usual: float
    """What the most frequent label of training scores on them."""

    @property
    def share(self) -> float:
        """Share of the held-out samples that is known."""
        return len(self.rows) / max(self.held_out, 1)

    @property
    def too_high(self) -> float:
        """A bound: by how much remembering lifts the accuracy above that of the most frequent label."""
        return self.share * max(0.0, self.right - self.usual)

    def words(self, relative: str) -> str:
        """The effect in words, and how it was reckoned.

        >>> print(Leak(np.arange(30), 100, 0.9, 0.5).words("relative"))
        the label of the relative is right for 90% of them, the most frequent label for 50%: a model that
        only remembers may score up to 12.0 points too high (30.0% × (90% − 50%))
        """
        told = (
            f"the label of the {relative} is right for {self.right:.0%} of them, "
            f"the most frequent label for {self.usual:.0%}: "
        )
        if self.right <= self.usual:
            return told + "remembering does not help the score, yet these samples do not show what is new"
        return told + (
            f"a model that only remembers may score up to {100 * self.too_high:.1f} points too high "
            f"({self.share:.1%} × ({self.right:.0%} − {self.usual:.0%}))"
        )


def leak(groups: np.ndarray, targets: np.ndarray, train: np.ndarray, held_out: np.ndarray) -> Leak:
    """What training knows of held-out samples through groups of relatives.

    Args:
        groups: shape (n,); samples of one number are relatives.
        targets: labels as a version has them, shape (n,) or (n, labels). Of many labels the
            share that is right counts.
        train: indices of the training samples.
        held_out: indices of the held-out samples that count.

    >>> found = leak(np.array([7, 8, 7, 9]), np.array([1, 0, 1, 0]), np.array([0, 1]), np.array([2, 3]))
    >>> found.rows.tolist(), found.share, found.right
    ([2], 0.5, 1.0)
    """
    rows = held_out[np.isin(groups[held_out], groups[train])]
    if not len(rows):
        return Leak(rows, len(held_out), 0.0, 0.0)
    known = train[np.isin(groups[train], groups[rows])]
    places, group_of = np.unique(groups[known], return_inverse=True)
    asked = np.searchsorted(places, groups[rows])
    if targets.ndim == 1:
        remembered = _most_frequent(group_of, targets[known], len(places))[asked]
        usual = np.bincount(targets[train]).argmax()
    else:
        sums = np.zeros((len(places), targets.shape[1]))
        np.add.at(sums, group_of, targets[known])
        remembered = 2 * sums[asked] > np.bincount(group_of)[asked, None]
        usual = 2 * targets[train].sum(axis=0) > len(train)
    return Leak(
        rows,
        len(held_out),
        float((remembered == targets[rows]).mean()),
        float((usual == targets[rows]).mean()),
    )


def _most_frequent(group_of: np.ndarray, labels: np.ndarray, groups: int) -> np.ndarray:
    """The label that each group has most, the first of equals."""
    labels_in_all = int(labels.max()) + 1
    pairs, counts = np.unique(group_of * labels_in_all + labels, return_counts=True)
    best = np.lexsort((-(pairs % labels_in_all), counts, pairs // labels_in_all))
    found = np.zeros(groups, dtype=labels.dtype)
    found[pairs[best] // labels_in_all] = (
        pairs[best] % labels_in_all
    )  # the last written wins: the most frequent
    return found
