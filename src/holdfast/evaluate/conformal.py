"""Knowing when not to be sure: sets of labels that hold the right one as often as promised.

Split conformal prediction (Vovk, Gammerman and Shafer 2005; for one label the least ambiguous sets of
Sadinle, Lei and Wasserman 2019): what the model gave to the right labels of samples that it did not learn
from says how little probability the right label of a new one may have. The promise holds for new samples
that are like those, on average over all of them, whatever the model is.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from holdfast.core.media import Task
from holdfast.evaluate.weighted import outcome


@dataclass(frozen=True)
class Conformal:
    """Bounds for each label, fitted by `fit_conformal`.

    Attributes:
        task: one label a sample, or any number.
        confidence: the share of samples (of many labels: of answers to each label) that should be right.
        low: shape (labels,); a label of less probability is ruled out.
        high: shape (labels,); for many labels, one of more probability is certain. None for one label.
        samples: how many they were fitted on.
    """

    task: Task
    confidence: float
    low: np.ndarray
    high: np.ndarray | None
    samples: int

    def possible(self, probabilities: np.ndarray) -> np.ndarray:
        """The labels that are not ruled out, shape (n, labels), booleans.

        For one label there is at least the likeliest.
        """
        possible = probabilities >= self.low
        if self.task == "single":
            possible[np.arange(len(possible)), probabilities.argmax(axis=1)] = True
        return np.asarray(possible)

    def sure(self, probabilities: np.ndarray) -> np.ndarray:
        """Whether one answer is left, shape (n,), booleans; for many labels, to each of them."""
        if self.high is None:
            return np.asarray((probabilities >= self.low).sum(axis=1) == 1)
        return np.asarray(((probabilities >= self.low) ^ (probabilities <= self.high)).all(axis=1))


def fit_conformal(
    probabilities: np.ndarray, targets: np.ndarray, task: Task, *, confidence: float
) -> Conformal | None:
    """Fit the bounds on samples that the model did not learn from; None if they are too few to promise it.

    Args:
        probabilities: shape (n, labels), calibrated.
        targets: shape (n,) for one label, (n, labels) of 0 and 1 for many.
        task: of the model.
        confidence: above 0 and below 1; nine of ten needs at least nine samples.

    Raises:
        ValueError: if shapes do not fit.

    Nine samples whose right label got from 0.1 to 0.9: of ten like them, nine get at least 0.1.

    >>> given = np.linspace(0.1, 0.9, 9)
    >>> found = fit_conformal(np.c_[given, 1 - given], np.zeros(9, int), "single", confidence=0.9)
    >>> found.low
    array([0.1, 0.1])
    >>> found.sure(np.array([[0.95, 0.05], [0.6, 0.4]]))
    array([ True, False])
    """
    told = outcome(probabilities, targets)
    if task == "single":
        right = probabilities[np.arange(len(probabilities)), targets]
        low = _least(right, confidence)
        if low is None:
            return None
        return Conformal(task, confidence, np.full(probabilities.shape[1], low), None, len(probabilities))
    lows, highs = [], []
    for scores, true in zip(told.probabilities.T, told.true.T.astype(bool), strict=True):
        low, high = _least(scores[true], confidence), _least(-scores[~true], confidence)
        lows.append(0.0 if low is None else low)  # of what was hardly seen nothing is ruled out
        highs.append(1.0 if high is None else -high)
    return Conformal(task, confidence, np.array(lows), np.array(highs), len(probabilities))


def measure_conformal(
    conformal: Conformal, probabilities: np.ndarray, targets: np.ndarray
) -> dict[str, float]:
    """How the promise holds on other samples.

    Returns:
        `coverage`: the share that it holds for; `sure`: the share of samples with one answer left;
        `size`: for one label, how many labels are possible on average; `right_when_sure`: for one label, the
        share of right answers among the sure ones, NaN if there are none.
    """
    possible, sure = conformal.possible(probabilities), conformal.sure(probabilities)
    if conformal.high is None:
        rows = np.arange(len(targets))
        right = probabilities.argmax(axis=1) == targets
        return {
            "coverage": float(possible[rows, targets].mean()),
            "sure": float(sure.mean()),
            "size": float(possible.sum(axis=1).mean()),
            "right_when_sure": float(right[sure].mean()) if sure.any() else math.nan,
        }
    holds = np.where(targets.astype(bool), possible, probabilities <= conformal.high)
    return {"coverage": float(holds.mean()), "sure": float(sure.mean())}


def _least(scores: Sequence[float] | np.ndarray, confidence: float) -> float | None:
    """The score that a new one of their kind reaches with this confidence; None if they are too few."""
    rank = math.ceil((len(scores) + 1) * confidence - 1e-9)
    return float(np.sort(scores)[::-1][rank - 1]) if 0 < rank <= len(scores) else None
