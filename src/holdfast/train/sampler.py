"""Which samples an epoch shows, and in which order: a function of the seed and the epoch alone."""

from typing import Literal

import numpy as np

from holdfast.core.media import Task


def order(
    targets: np.ndarray,
    task: Task,
    sampler: Literal["shuffle", "weighted", "groups"],
    *,
    key: tuple[int, int],
    groups: np.ndarray | None = None,
) -> np.ndarray:
    """Places in `targets`, as many as there are, in the order in which the epoch shows them.

    Args:
        targets: shape (n,) of label indices, or (n, labels) of 0 and 1 for many labels.
        sampler: `shuffle` shows each sample once. `weighted` shows each label about equally often: a
            sample of a rare label comes several times, one of a common label not in every epoch. `groups`
            also shows each group of a label about equally often.
        key: seed and epoch.
        groups: shape (n,); only for `groups`.

    >>> order(np.array([0, 0, 1]), "single", "shuffle", key=(0, 0)).tolist()
    [2, 0, 1]
    """
    rng = np.random.default_rng(key)
    shuffled = rng.permutation(len(targets))
    if sampler == "shuffle":
        return shuffled
    # Systematic draws: one spin of a wheel with n evenly spaced pointers. A sample of weight w comes
    # floor(w * n) or ceil(w * n) times; independent draws would leave out a third of the samples.
    shares = sample_weights(targets, task, groups if sampler == "groups" else None)[shuffled].cumsum()
    pointers = (np.arange(len(targets)) + rng.random()) / len(targets) * shares[-1]
    drawn = shuffled[np.searchsorted(shares, pointers, side="right").clip(max=len(targets) - 1)]
    return rng.permutation(drawn)


def sample_weights(targets: np.ndarray, task: Task, groups: np.ndarray | None = None) -> np.ndarray:
    """Shares, summing to 1, by which samples are drawn so that each label comes about equally often.

    With many labels, a sample weighs as much as its labels do on average, and those that have none
    count as a label of their own.

    Args:
        groups: shape (n,); of the samples with the same labels, those of each group weigh as much together.

    >>> sample_weights(np.array([0, 0, 1]), "single")
    array([0.25, 0.25, 0.5 ])
    >>> sample_weights(np.array([0, 0, 0]), "single", np.array(["a", "a", "b"]))
    array([0.25, 0.25, 0.5 ])
    """
    if groups is not None:
        return _even_over_groups(sample_weights(targets, task), targets, groups)
    if task == "single":
        weights = 1 / np.bincount(targets)[targets]
    else:
        labels = np.column_stack([targets, targets.sum(axis=1) == 0]).astype(np.float64)
        rarity = 1 / labels.sum(axis=0).clip(min=1)
        weights = labels @ rarity / labels.sum(axis=1)
    shares: np.ndarray = weights / weights.sum()
    return shares


def _even_over_groups(weights: np.ndarray, targets: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Weights dealt anew among the samples of the same labels: evenly over their groups."""
    _, kind = np.unique(targets, axis=0, return_inverse=True)
    _, group = np.unique(groups, return_inverse=True)
    cell, inside = np.unique(np.stack([kind, group]), axis=1, return_inverse=True)
    inside = inside.reshape(-1)  # numpy 2.0 gave it another shape
    of_kind = np.bincount(kind, weights) / np.bincount(cell[0])
    shares: np.ndarray = (of_kind[cell[0]] / np.bincount(inside))[inside]
    return shares


def split_evenly(samples: np.ndarray, batch: int) -> list[np.ndarray]:
    """Batches of at most `batch` samples whose sizes differ by one at most.

    A last batch of one sample would have no variance to normalise by.

    >>> [len(part) for part in split_evenly(np.arange(9), 4)]
    [3, 3, 3]
    """
    return np.array_split(samples, -(-len(samples) // batch))
