"""The one place that turns probabilities into labels: evaluation, thresholds and serving all ask here."""

from collections.abc import Sequence

import numpy as np

from holdfast.core.media import Task


def labels_of(
    probabilities: np.ndarray, task: Task, thresholds: np.ndarray | Sequence[float] | None = None
) -> np.ndarray:
    """The labels that these probabilities stand for.

    Args:
        probabilities: shape (..., labels), each from 0 to 1.
        task: "single" takes the most probable label, the first of equals; "multi" takes every label
            whose probability reaches its threshold.
        thresholds: shape (labels,), for multi only; 0.5 for each by default.

    Returns:
        For single the int64 indices of the labels, shape (...,); for multi booleans, shape (..., labels).

    Raises:
        ValueError: if there is not one threshold per label.

    >>> labels_of(np.array([[0.2, 0.8], [0.5, 0.5]]), "single")
    array([1, 0])
    >>> labels_of(np.array([[0.2, 0.8]]), "multi", [0.1, 0.9])
    array([[ True, False]])
    """
    if task == "single":
        return np.asarray(np.argmax(probabilities, axis=-1), dtype=np.int64)
    limits = np.asarray(0.5 if thresholds is None else thresholds, dtype=np.float64)
    if limits.ndim and limits.shape != probabilities.shape[-1:]:
        raise ValueError(f"need one threshold per label, got {limits.shape} for {probabilities.shape}")
    # in float64 on both sides, so that float32 and float64 answers are cut at the same place
    return np.asarray(np.asarray(probabilities, dtype=np.float64) >= limits)
