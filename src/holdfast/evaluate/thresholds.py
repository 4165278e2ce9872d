"""Where to cut the probability of each label, when a sample may have many."""

import numpy as np

from holdfast.evaluate.weighted import outcome


def choose_thresholds(probabilities: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """For each label the threshold with the best F1; choose it on validation, never on the test split.

    The cut lies halfway between the last score that is taken and the first that is not; of equally
    good cuts the highest is chosen. A label that no sample has keeps 0.5.

    Args:
        probabilities: shape (n, labels).
        targets: 0 and 1, shape (n, labels).

    Returns:
        Shape (labels,), for `labels_of`.

    Raises:
        ValueError: if targets are not those of many labels, or shapes do not fit.

    >>> choose_thresholds(np.array([[0.4], [0.3], [0.1]]), np.array([[1], [1], [0]]))
    array([0.2])
    """
    told = outcome(probabilities, targets)
    if told.task != "multi":
        raise ValueError("only samples with many labels have thresholds")
    return np.array(
        [_best(scores, true) for scores, true in zip(told.probabilities.T, told.true.T, strict=True)]
    )


def _best(scores: np.ndarray, true: np.ndarray) -> float:
    if not true.any():
        return 0.5
    order = np.argsort(-scores, kind="stable")
    falling = scores[order]
    below = np.r_[falling[1:], 0.0]
    f1 = 2 * np.cumsum(true[order]) / (np.arange(1, len(order) + 1) + true.sum())
    f1[:-1][falling[:-1] == below[:-1]] = -1.0  # equal scores cannot be parted
    at = int(np.argmax(f1))
    middle = float((falling[at] + below[at]) / 2)
    return middle if middle > below[at] else float(falling[at])
