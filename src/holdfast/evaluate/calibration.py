"""Whether a probability of 0.8 is right 8 times in 10, and the temperature that brings it nearer."""

import numpy as np

from holdfast.core.media import Task
from holdfast.evaluate.weighted import LEAST, outcome

COLDEST, WARMEST = 0.2, 20.0
"""Limits of the temperature: a small validation split without a mistake would ask for 0."""


def calibration_error(probabilities: np.ndarray, targets: np.ndarray, *, bins: int = 15) -> float:
    """Expected calibration error: the mean gap between what was said and what came true.

    With one label a sample, predictions are binned by their top probability, and a bin's gap is how
    far its mean confidence lies from its share of right answers. With many, each label of each
    sample is one prediction, binned by its probability and compared with the share that has the
    label. The error is the mean gap over all predictions: 0 is perfect, 1 the worst.

    Args:
        probabilities: shape (n, labels).
        targets: shape (n,) or (n, labels).
        bins: of equal width; more see finer gaps, but each holds fewer predictions and is noisier.

    Raises:
        ValueError: if there are no rows, or not one target per row.

    Two right answers, each given with 60 % confidence, are 0.4 too modest:

    >>> calibration_error(np.array([[0.6, 0.4], [0.6, 0.4]]), np.array([0, 0]))
    0.4
    """
    told = outcome(probabilities, targets)
    if told.task == "single":
        said, came = told.probabilities.max(axis=1), (told.true & told.predicted).any(axis=1)
    else:
        said, came = told.probabilities.ravel(), told.true.ravel()
    bin_of = np.clip((said * bins).astype(int), 0, bins - 1)  # 1.0 falls in the last bin
    gaps = np.bincount(bin_of, weights=said - came)
    return float(np.abs(gaps).sum() / len(said))


def apply_temperature(logits: np.ndarray, temperature: float, task: Task) -> np.ndarray:
    """Probabilities of logits divided by the temperature: softmax over labels, or a sigmoid of each.

    Args:
        logits: shape (..., labels).
        temperature: above 1 makes the answers more modest, below 1 surer; never changes the largest.
        task: "single" or "multi".

    >>> apply_temperature(np.array([[0.0, 0.0]]), 2.0, "single")
    array([[0.5, 0.5]])
    """
    scaled = np.asarray(logits, dtype=np.float64) / temperature
    if task == "multi":
        grown = np.exp(-np.abs(scaled))  # never overflows
        return np.where(scaled >= 0, 1.0, grown) / (1.0 + grown)
    grown = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    return np.asarray(grown / grown.sum(axis=-1, keepdims=True))


def fit_temperature(logits: np.ndarray, part_of: np.ndarray, targets: np.ndarray, task: Task) -> float:
    """The temperature that makes the log loss of samples least; fit it on the validation split.

    A sample's probabilities are the mean over its parts, as in serving, so that what is fitted is
    what is served. The answer lies from 0.2 to 20, and is 1 where no other is better.

    Args:
        logits: shape (parts, labels).
        part_of: shape (parts,); the sample, from 0 to n - 1, that each part belongs to.
        targets: shape (n,) or (n, labels).
        task: "single" or "multi".

    Raises:
        ValueError: if a sample has no part.

    One sure mistake in two asks for modesty; near the warmest, both are a coin flip:

    >>> fit_temperature(np.array([[9.0, 0.0], [9.0, 0.0]]), np.arange(2), np.array([0, 1]), "single") > 15
    True
    """
    from scipy.optimize import minimize_scalar

    pool = _Pool(np.asarray(part_of), len(targets))
    truth = np.asarray(targets)

    def loss(log_temperature: float) -> float:
        said = pool.mean(apply_temperature(logits, np.exp(log_temperature), task))
        said = np.clip(said, LEAST, 1 - LEAST)
        if task == "single":
            return float(-np.log(said[np.arange(len(truth)), truth]).mean())
        return float(-np.log(np.where(truth, said, 1 - said)).mean())

    found = minimize_scalar(
        loss, bounds=(np.log(COLDEST), np.log(WARMEST)), method="bounded", options={"xatol": 1e-6}
    )
    return float(np.exp(found.x)) if found.fun < loss(0.0) else 1.0


class _Pool:
    """Means over the parts of each sample, in any order of the parts."""

    def __init__(self, part_of: np.ndarray, samples: int) -> None:
        self.counts = np.bincount(part_of, minlength=samples)
        if not samples or len(self.counts) != samples or not self.counts.all():
            raise ValueError(
                f"each of {samples} samples needs a part, got parts of {len(self.counts)} samples"
            )
        self.order = np.argsort(part_of, kind="stable")
        self.starts = np.r_[0, self.counts.cumsum()[:-1]]

    def mean(self, parts: np.ndarray) -> np.ndarray:
        sums = np.add.reduceat(parts[self.order], self.starts, axis=0)
        return np.asarray(sums / self.counts[:, None])
