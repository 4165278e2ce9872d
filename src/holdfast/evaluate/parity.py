"""Whether two ways to compute the same probabilities agree."""

from typing import Any

import numpy as np

from holdfast.core.media import Task
from holdfast.evaluate.decision import labels_of
from holdfast.evaluate.metrics import Thresholds


def parity(a: np.ndarray, b: np.ndarray, task: Task, thresholds: Thresholds = None) -> dict[str, Any]:
    """How far two answers to the same samples lie apart.

    Args:
        a: shape (n, labels); what one says.
        b: shape (n, labels); what the other says.
        task: "single" or "multi".
        thresholds: shape (labels,), for multi only.

    Returns:
        `max_difference`, the largest difference of a probability; `equal_labels`, the share of
        samples that both give exactly the same labels; `samples`. What is not a number differs by 1
        and is equal to nothing.

    Raises:
        ValueError: if shapes differ, or there are no samples: nothing compared proves nothing.

    >>> parity(np.array([[0.5, 0.5]]), np.array([[0.25, 0.75]]), "single")
    {'max_difference': 0.25, 'equal_labels': 0.0, 'samples': 1}
    """
    first, second = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if first.ndim != 2 or first.shape != second.shape or not first.size:
        raise ValueError(f"need two answers to the same samples, got {first.shape} and {second.shape}")
    number = np.isfinite(first) & np.isfinite(second)
    apart = np.abs(first - second, out=np.ones_like(first), where=number)
    same = labels_of(first, task, thresholds) == labels_of(second, task, thresholds)
    equal = (same if task == "single" else same.all(axis=1)) & number.all(axis=1)
    return {
        "max_difference": float(apart.max()),
        "equal_labels": float(equal.mean()),
        "samples": len(first),
    }
