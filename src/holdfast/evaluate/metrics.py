"""How good predictions are, as single numbers.

Each function takes probabilities of shape (n, labels) and targets: label indices of shape (n,) where
a sample has one label, 0 and 1 of shape (n, labels) where it has many. Averages over labels leave
out those for which a number is undefined; where nothing is left the answer is NaN.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from holdfast.core.media import Task
from holdfast.evaluate.weighted import (
    Outcome,
    f1_of,
    losses,
    mean_known,
    outcome,
    rankings,
    ratio,
    tallies,
    weigh,
)

Thresholds = np.ndarray | Sequence[float] | None

HEADLINE: dict[Task, str] = {"single": "macro_f1", "multi": "average_precision"}
"""The metric that models are compared by."""


def measure(
    probabilities: np.ndarray, targets: np.ndarray, thresholds: Thresholds = None
) -> dict[str, float | None]:
    """Every metric of the task by name, ready for JSON: None where one is undefined.

    One label a sample: accuracy, macro_f1, average_precision, auroc, log_loss. Many: also
    exact_match and micro_f1.

    >>> measure(np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([0, 1]))["accuracy"]
    1.0
    """
    told = outcome(probabilities, targets, thresholds)
    return {name: known(value[0]) for name, value in weigh(told, _once(told)).items()}


def accuracy(probabilities: np.ndarray, targets: np.ndarray, thresholds: Thresholds = None) -> float:
    """Share of right decisions; with many labels each label of each sample is one decision.

    >>> accuracy(np.array([[0.9, 0.1], [0.6, 0.4]]), np.array([0, 1]))
    0.5
    """
    told = outcome(probabilities, targets, thresholds)
    agree = told.true == told.predicted
    return float((agree.all(axis=1) if told.task == "single" else agree).mean())


def exact_match(probabilities: np.ndarray, targets: np.ndarray, thresholds: Thresholds = None) -> float:
    """Share of samples with every label right; with one label a sample, the accuracy.

    >>> exact_match(np.array([[0.9, 0.1], [0.9, 0.4]]), np.array([[1, 0], [1, 1]]))
    0.5
    """
    told = outcome(probabilities, targets, thresholds)
    return float((told.true == told.predicted).all(axis=1).mean())


def macro_f1(probabilities: np.ndarray, targets: np.ndarray, thresholds: Thresholds = None) -> float:
    """Mean F1 over the labels that are in the targets or in the predictions.

    A label that nobody has and that is never predicted is left out, one that is predicted but never
    true counts 0.

    >>> macro_f1(np.array([[0.9, 0.1], [0.9, 0.1]]), np.array([0, 0]))
    1.0
    """
    told = outcome(probabilities, targets, thresholds)
    return float(mean_known(f1_of(*tallies(told, _once(told))))[0])


def micro_f1(probabilities: np.ndarray, targets: np.ndarray, thresholds: Thresholds = None) -> float:
    """F1 of all decisions together, so that frequent labels count for more.

    >>> micro_f1(np.array([[0.9, 0.9], [0.1, 0.1]]), np.array([[1, 1], [0, 1]]))
    0.8
    """
    told = outcome(probabilities, targets, thresholds)
    hits, true, predicted = (count.sum(axis=0) for count in tallies(told, _once(told)))
    return float(f1_of(hits, true, predicted)[0])


def average_precision(probabilities: np.ndarray, targets: np.ndarray) -> float:
    """Mean over labels of the average precision of that label against the rest.

    The average precision is the mean, over the positives, of the share of positives among all
    samples that score at least as high. Labels without positives, or without negatives, are left out.

    >>> average_precision(np.array([[0.9], [0.8], [0.1]]), np.array([[1], [0], [1]])).__round__(4)
    0.8333
    """
    told = outcome(probabilities, targets)
    return float(mean_known(rankings(told, _once(told))[0])[0])


def auroc(probabilities: np.ndarray, targets: np.ndarray) -> float:
    """Mean over labels of the chance that a positive scores above a negative; ties count half.

    One label against the rest. Labels without positives, or without negatives, are left out.

    >>> auroc(np.array([[0.9], [0.8], [0.1]]), np.array([[1], [0], [1]]))
    0.5
    """
    told = outcome(probabilities, targets)
    return float(mean_known(rankings(told, _once(told))[1])[0])


def log_loss(probabilities: np.ndarray, targets: np.ndarray) -> float:
    """Minus the natural log of the probability given to the truth, mean over decisions; 0 is perfect.

    A probability counts as at least 1e-7 and at most 1 - 1e-7, so that one sure mistake costs 16
    and not infinity.

    >>> round(log_loss(np.array([[0.5, 0.5]]), np.array([0])), 4)
    0.6931
    """
    return float(losses(outcome(probabilities, targets)).mean())


def confusion_matrix(probabilities: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """How often each label (row) was taken for each (column); int64 of shape (labels, labels).

    Raises:
        ValueError: if samples have many labels; there is no such table for them.

    >>> confusion_matrix(np.array([[0.9, 0.1], [0.6, 0.4]]), np.array([0, 1]))
    array([[1, 0],
           [1, 0]])
    """
    told = outcome(probabilities, targets)
    if told.task == "multi":
        raise ValueError("samples with many labels have no confusion matrix")
    labels = told.true.shape[1]
    cells = told.true.argmax(axis=1) * labels + told.predicted.argmax(axis=1)
    return np.bincount(cells, minlength=labels * labels).reshape(labels, labels)


def per_class(
    probabilities: np.ndarray,
    targets: np.ndarray,
    labels: Sequence[str],
    thresholds: Thresholds = None,
) -> list[dict[str, Any]]:
    """For each label: label, precision, recall, f1, support, average_precision, auroc.

    Ready for JSON: None where a number is undefined, such as the recall of a label that nobody has.

    Args:
        probabilities: shape (n, labels).
        targets: shape (n,) or (n, labels).
        labels: their names, in the order of the columns.
        thresholds: shape (labels,), for many labels only.

    >>> per_class(np.array([[0.9, 0.1], [0.6, 0.4]]), np.array([0, 1]), ["a", "b"])[0]["precision"]
    0.5
    """
    told = outcome(probabilities, targets, thresholds)
    hits, true, predicted = tallies(told, _once(told))
    precision, auc = rankings(told, _once(told))
    columns = {
        "precision": ratio(hits, predicted),
        "recall": ratio(hits, true),
        "f1": f1_of(hits, true, predicted),
        "support": true,
        "average_precision": precision,
        "auroc": auc,
    }
    cast: dict[str, Callable[[Any], Any]] = {"support": int}
    return [
        {"label": label, **{name: cast.get(name, known)(column[i, 0]) for name, column in columns.items()}}
        for i, label in enumerate(labels)
    ]


def known(value: float) -> float | None:
    """The value as JSON may hold it: None for what is not a finite number.

    >>> known(float("nan")) is None
    True
    """
    return float(value) if np.isfinite(value) else None


def _once(told: Outcome) -> np.ndarray:
    return np.ones((len(told.true), 1))
