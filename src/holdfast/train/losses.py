"""What training makes small. Targets are shares of shape (n, labels), so that samples can be mixed."""

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from holdfast.config.schema import LossConfig
from holdfast.core.media import Task

Loss = Callable[[Tensor, Tensor], Tensor]
"""From logits and targets, both of shape (n, labels), to the mean loss of a sample."""


def make_loss(config: LossConfig, task: Task, targets: np.ndarray, labels: int, device: torch.device) -> Loss:
    """Cross-entropy for one label, binary cross-entropy averaged over the labels for many.

    Args:
        config: smoothing and weights.
        task: whether the labels exclude each other.
        targets: those of the training split, which the weights are counted from.
        labels: how many there are, whether they occur in the training split or not.
        device: where the weights shall be.
    """
    weights = None
    if config.class_weights != "none":
        counted = balanced(targets, task, labels)
        counted = np.sqrt(counted) if config.class_weights == "root" else counted
        weights = torch.from_numpy(counted).float().to(device)
    smoothing = config.label_smoothing

    def one(logits: Tensor, shares: Tensor) -> Tensor:
        shares = shares * (1 - smoothing) + smoothing / shares.shape[1]
        terms = -shares * F.log_softmax(logits.float(), dim=1)
        return (terms if weights is None else terms * weights).sum(dim=1).mean()

    def many(logits: Tensor, shares: Tensor) -> Tensor:
        shares = shares * (1 - smoothing) + smoothing / 2
        return F.binary_cross_entropy_with_logits(logits.float(), shares, pos_weight=weights)

    return one if task == "single" else many


def balanced(targets: np.ndarray, task: Task, labels: int) -> np.ndarray:
    """Weights by which each label counts as much as any other, shape (labels,).

    One label: a label's weight is the inverse of its frequency, and 1 on the average of the samples.
    Many: how many times rarer it is to have the label than not to. A label that never occurs, or
    always does, weighs 1.

    >>> balanced(np.array([0, 0, 0, 1]), "single", 2).round(2)
    array([0.67, 2.  ])
    >>> balanced(np.array([[1, 0], [0, 0], [0, 0], [0, 0]]), "multi", 2)
    array([3., 1.])
    """
    if task == "multi":
        have = targets.sum(axis=0, dtype=np.float64)
        lack = len(targets) - have
        return np.where((have == 0) | (lack == 0), 1.0, lack / np.maximum(have, 1))
    counts = np.bincount(targets, minlength=labels).astype(np.float64)
    return np.where(counts == 0, 1.0, len(targets) / np.count_nonzero(counts) / np.maximum(counts, 1))


def as_shares(targets: np.ndarray, task: Task, labels: int) -> np.ndarray:
    """Targets as float32 of shape (n, labels): 1 for each label that a sample has.

    >>> as_shares(np.array([1]), "single", 3)
    array([[0., 1., 0.]], dtype=float32)
    """
    if task == "multi":
        return targets.astype(np.float32)
    shares = np.zeros((len(targets), labels), np.float32)
    shares[np.arange(len(targets)), targets] = 1
    return shares
