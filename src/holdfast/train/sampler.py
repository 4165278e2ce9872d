"""Which samples an epoch shows, and in which order: a function of the seed and the epoch alone."""

from typing import Literal

import numpy as np

from holdfast.core.media import Task


def order(
    targets: np.ndarray, task: Task, sampler: Literal["shuffle", "weighted"], *, key: tuple[int, int]
) -> np.ndarray:
    """Places in `targets`, as many as there are, in the order in which the epoch shows them.

    Args:
        targets: shape (n,) of label indices, or (n, labels) of 0 and 1 for many labels.
        sampler: `shuffle` shows each sample once. `weighted` shows each label about equally often: a
            sample of a rare label comes several times, one of a common label not in every epoch.
        key: seed and epoch.

    >>> order(np.array([0, 0, 1]), "single", "shuffle", key=(0, 0)).tolist()
    [2, 0, 1]
    """
    rng = np.random.default_rng(key)
    shuffled = rng.permutation(len(targets))
    if sampler == "shuffle":
        return shuffled
    # Systematic draws: one spin of a wheel with n evenly spaced pointers. A sample of weight w comes
    # floor(w * n) or ceil(w * n) times; independent draws would leave out a third of the samples.
    shares = sample_weights(targets, task)[shuffled].cumsum()
    pointers = (np.arange(len(targets)) + rng.random()) / len(targets) * shares[-1]
    drawn = shuffled[np.searchsorted(shares, pointers, side="right").clip(max=len(targets) - 1)]
    return rng.permutation(drawn)


def sample_weights(targets: np.ndarray, task: Task) -> np.ndarray:
    """Shares, summing to 1, by which samples are drawn so that each label comes about equally often.

    With many labels, a sample weighs as much as its labels do on average, and those that have none
    count as a label of their own.

    >>> sample_weights(np.array([0, 0, 1]), "single")
    array([0.25, 0.25, 0.5 ])
    """
    if task == "single":
        weights = 1 / np.bincount(targets)[targets]
    else:
        labels = np.column_stack([targets, targets.sum(axis=1) == 0]).astype(np.float64)
        rarity = 1 / labels.sum(axis=0).clip(min=1)
        weights = labels @ rarity / labels.sum(axis=1)
    shares: np.ndarray = weights / weights.sum()
    return shares


def split_evenly(samples: np.ndarray, batch: int) -> list[np.ndarray]:
    """Batches of at most `batch` samples whose sizes differ by one at most.

    A last batch of one sample would have no variance to normalise by.

    >>> [len(part) for part in split_evenly(np.arange(9), 4)]
    [3, 3, 3]
    """
    return np.array_split(samples, -(-len(samples) // batch))
