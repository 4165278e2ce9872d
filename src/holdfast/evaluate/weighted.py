"""Every metric under many weightings of the samples at once.

A resample of the bootstrap is a weighting: how often each sample was drawn. So each metric is
defined once, here, for weights of shape (n, weightings): its value is what all-ones weights give,
and its interval comes from a thousand columns of draws. The probabilities of a label are sorted
once, whatever the number of weightings.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from holdfast.core.media import Task
from holdfast.evaluate.decision import labels_of

LEAST = 1e-7
"""Probabilities are kept this far from 0 and 1 before a logarithm is taken."""

_BLOCK = 4_000_000
"""Cells of a table of samples and labels that are worked on at once: 32 MB."""
_FEW = 8
"""Steps with positives up to which comparing with each beats sorting all samples: docs/log.md."""


@dataclass(frozen=True)
class Outcome:
    """What was said and what is true; both tasks look the same from here on.

    Attributes:
        task: one label a sample, or many.
        probabilities: float64, shape (n, labels).
        true: booleans, shape (n, labels).
        predicted: booleans, shape (n, labels); for single, one is true in each row.
    """

    task: Task
    probabilities: np.ndarray
    true: np.ndarray
    predicted: np.ndarray


def outcome(
    probabilities: np.ndarray, targets: np.ndarray, thresholds: np.ndarray | Sequence[float] | None = None
) -> Outcome:
    """Put predictions beside the truth, and check that they fit.

    Args:
        probabilities: shape (n, labels), each from 0 to 1.
        targets: label indices of shape (n,) for single, or 0 and 1 of shape (n, labels) for multi.
        thresholds: shape (labels,), for multi only; 0.5 for each by default.

    Raises:
        ValueError: if there are no rows, shapes do not fit, a target is no label, or a probability
            is not a number from 0 to 1.
    """
    said, truth = np.asarray(probabilities, dtype=np.float64), np.asarray(targets)
    if said.ndim != 2 or not said.size or truth.shape not in {said.shape[:1], said.shape}:
        raise ValueError(
            f"need one row of probabilities per target, got {said.shape} for targets {truth.shape}"
        )
    if not (said.min() >= -1e-6 and said.max() <= 1 + 1e-6):  # false for NaN too
        raise ValueError(f"probabilities go from {said.min()} to {said.max()}, not from 0 to 1")
    labels = said.shape[1]
    if truth.ndim == 2:
        if not np.isin(truth, (0, 1)).all():
            raise ValueError("targets of many labels are 0 and 1")
        return Outcome("multi", said, truth.astype(bool), labels_of(said, "multi", thresholds))
    if truth.min() < 0 or truth.max() >= labels:
        raise ValueError(f"targets go from {truth.min()} to {truth.max()}, but there are {labels} labels")
    return Outcome("single", said, _one_hot(truth, labels), _one_hot(labels_of(said, "single"), labels))


def _one_hot(truth: np.ndarray, labels: int) -> np.ndarray:
    flags = np.zeros((len(truth), labels), dtype=bool)
    flags[np.arange(len(truth)), truth] = True
    return flags


def weigh(told: Outcome, weights: np.ndarray) -> dict[str, np.ndarray]:
    """Every metric of the task, by name, each of shape (weightings,); NaN where it is undefined.

    Args:
        told: the predictions and the truth.
        weights: shape (n, weightings), not negative.
    """
    total = weights.sum(axis=0)
    agree = told.true == told.predicted
    exact = agree.all(axis=1)
    right = exact if told.task == "single" else agree.mean(axis=1)
    hits, true, predicted = tallies(told, weights)
    f1 = f1_of(hits, true, predicted)
    # a class that a resample lost by chance says nothing about how well it is found
    f1[(true == 0) & np.asarray(told.true.any(axis=0))[:, None]] = np.nan
    precision, auroc = rankings(told, weights)
    metrics = {"accuracy": right @ weights / total}
    if told.task == "multi":
        metrics["exact_match"] = exact @ weights / total
    metrics["macro_f1"] = mean_known(f1)
    if told.task == "multi":
        metrics["micro_f1"] = f1_of(hits.sum(axis=0), true.sum(axis=0), predicted.sum(axis=0))
    return metrics | {
        "average_precision": mean_known(precision),
        "auroc": mean_known(auroc),
        "log_loss": losses(told) @ weights / total,
    }


def tallies(told: Outcome, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weight of right, of true and of predicted samples; each of shape (labels, weightings)."""
    sums = []
    for block in _blocks(told):
        true, predicted = told.true[:, block], told.predicted[:, block]
        sums.append([flags.T.astype(np.float64) @ weights for flags in (true & predicted, true, predicted)])
    hits, true, predicted = (np.concatenate(parts) for parts in zip(*sums, strict=True))
    return hits, true, predicted


def _blocks(told: Outcome) -> Iterator[slice]:
    """The labels, some at a time: of 10,000 a second table of float64 would not fit beside the first."""
    n, labels = told.true.shape
    width = max(1, _BLOCK // n)
    return (slice(start, start + width) for start in range(0, labels, width))


def f1_of(hits: np.ndarray, true: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Twice the hits by the sum of true and predicted; NaN where a label is in neither."""
    return ratio(2 * hits, true + predicted)


def losses(told: Outcome) -> np.ndarray:
    """Minus the log of the probability given to the truth, mean over decisions; shape (n,)."""
    if told.task == "single":
        return np.asarray(-np.log(np.clip(told.probabilities[told.true], LEAST, 1 - LEAST)))
    given = np.clip(told.probabilities, LEAST, 1 - LEAST)
    return np.asarray(-np.log(np.where(told.true, given, 1 - given)).mean(axis=1))


def rankings(told: Outcome, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Average precision and AUROC of each label against the rest; each of shape (labels, weightings)."""
    total = weights.sum(axis=0)
    pairs = [
        _ranking(scores, true, weights, total)
        for block in _blocks(told)
        for scores, true in zip(
            np.ascontiguousarray(told.probabilities[:, block].T),
            np.ascontiguousarray(told.true[:, block].T),
            strict=True,
        )
    ]
    precision, auroc = zip(*pairs, strict=True)
    return np.stack(precision), np.stack(auroc)


def _ranking(
    scores: np.ndarray, true: np.ndarray, weights: np.ndarray, total: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Average precision and AUROC of one label, from the highest score down.

    Equal scores are one step. Only steps that hold a positive add to either sum, so everything but
    the weight of the samples above them is as short as the positives are few.
    """
    undefined = np.full(weights.shape[1], np.nan)
    if true.all() or not true.any():
        return undefined, undefined
    at = np.flatnonzero(true)
    at = at[np.argsort(-scores[at], kind="stable")]  # positives, from the highest score
    first = np.flatnonzero(np.r_[True, np.diff(scores[at]) != 0])
    found = np.add.reduceat(weights[at], first, axis=0)  # weight of positives in each step
    so_far = np.cumsum(found, axis=0)
    through, before = _above(scores, scores[at[first]], weights)
    positives, negatives = so_far[-1], total - so_far[-1]
    precision = np.divide(so_far, through, out=np.zeros_like(so_far), where=through > 0)
    passed = (through - so_far + before - (so_far - found)) / 2  # negatives above, half of those beside
    both = positives * negatives  # 0 where a resample lost all of either: then neither is defined
    return (
        ratio((found * precision).sum(axis=0) * negatives, both),
        ratio((found * (negatives - passed)).sum(axis=0), both),
    )


def _above(scores: np.ndarray, steps: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weight of the samples that score no lower than each step, and higher; each (steps, weightings)."""
    if len(steps) <= _FEW:
        through, before = (
            flags.astype(np.float64) @ weights
            for flags in (scores >= steps[:, None], scores > steps[:, None])
        )
        return through, before
    order = np.argsort(-scores, kind="stable")
    seen = np.zeros((len(order) + 1, weights.shape[1]))
    np.cumsum(weights[order], axis=0, out=seen[1:])
    falling = -scores[order]
    return seen[np.searchsorted(falling, -steps, "right")], seen[np.searchsorted(falling, -steps, "left")]


def ratio(upper: np.ndarray, lower: np.ndarray) -> np.ndarray:
    """One by the other; NaN where the lower is 0."""
    out = np.full(np.shape(upper), np.nan)
    return np.asarray(np.divide(upper, lower, out=out, where=lower > 0))


def mean_known(values: np.ndarray) -> np.ndarray:
    """Mean over the first axis of what is not NaN; NaN where nothing is known."""
    known = ~np.isnan(values)
    return ratio(np.where(known, values, 0.0).sum(axis=0), known.sum(axis=0))
