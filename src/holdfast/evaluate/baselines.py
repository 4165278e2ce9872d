"""What a model has to beat: the class shares, and a simple model on simple features."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from holdfast.core.media import Modality, Task


def majority(train_targets: np.ndarray, n: int, task: Task, labels: int) -> np.ndarray:
    """Give every sample the shares of the labels in training, so that its answer is the commonest.

    Args:
        train_targets: shape (m,) or (m, labels).
        n: samples to answer for.
        task: "single" or "multi".
        labels: how many there are.

    Returns:
        Probabilities of shape (n, labels).

    >>> majority(np.array([0, 0, 0, 1]), 1, "single", 2)
    array([[0.75, 0.25]])
    """
    truth = np.asarray(train_targets)
    if task == "single":
        truth = truth[:, None] == np.arange(labels)
    return np.tile(truth.mean(axis=0), (n, 1))


def simple(
    modality: Modality,
    train: np.ndarray | Sequence[Any],
    train_targets: np.ndarray,
    test: np.ndarray | Sequence[Any],
    *,
    task: Task,
    labels: int,
    rate: int | None = None,
    seed: int = 0,
) -> np.ndarray:
    """What a good data scientist would try in the first ten minutes: plain features and a linear model.

    Pictures: a histogram of oriented gradients, a small thumbnail and a colour histogram. Sounds:
    means and spreads over time of log energies in mel bands. Texts: TF-IDF of words, pairs of words
    and runs of 3 to 5 characters. Then logistic regression, one per label where samples have many.

    Args:
        modality: "image", "audio" or "text".
        train: pictures as uint8 (m, height, width, 3); sounds as a list of float32 (windows, samples);
            texts as a list of str.
        train_targets: shape (m,) or (m, labels).
        test: n samples of the same form.
        task: "single" or "multi".
        labels: how many there are; one that training does not have gets probability 0.
        rate: audio samples a second; needed for sounds.
        seed: of the random projection; same seed, same answer.

    Returns:
        Probabilities of shape (n, labels); rows sum to 1 for single.

    Raises:
        ValueError: if there are not as many targets as samples, or a sound has no rate.
    """
    truth = np.asarray(train_targets)
    if len(train) != len(truth) or not len(truth):
        raise ValueError(f"need one target per training sample, got {len(truth)} for {len(train)}")
    if modality == "text":
        from holdfast.evaluate.features import text_features

        known, asked = text_features(train, test)
    else:
        from holdfast.evaluate.features import audio_features, compact, image_features

        if modality == "audio":
            if rate is None:
                raise ValueError("sounds need a rate")
            raw = [audio_features(sounds, rate) for sounds in (train, test)]
        else:
            raw = [image_features(np.asarray(pictures)) for pictures in (train, test)]
        known, asked = compact(raw[0], raw[1], seed=seed)
    strength = _STRENGTH[modality]
    if task == "single":
        return _one_of(known, truth, asked, labels, strength)
    columns = [_yes_or_no(known, column, asked, strength) for column in truth.T]
    return np.stack(columns, axis=1)


_STRENGTH: dict[Modality, float] = {"image": 0.01, "audio": 0.1, "text": 10.0}
"""Inverse of the regularisation of the logistic regression, for features of these scales."""


def _one_of(known: Any, truth: np.ndarray, asked: Any, labels: int, strength: float) -> np.ndarray:
    """Probabilities of labels of which exactly one is true; shape (n, labels)."""
    answer = np.zeros((asked.shape[0], labels))
    present = np.unique(truth)
    if len(present) == 1:
        answer[:, present[0]] = 1.0
    else:
        answer[:, present] = _regression(strength).fit(known, truth).predict_proba(asked)
    return answer


def _yes_or_no(known: Any, truth: np.ndarray, asked: Any, strength: float) -> np.ndarray:
    """Probability of one label; shape (n,)."""
    if truth.min() == truth.max():
        return np.full(asked.shape[0], float(truth[0]))
    return np.asarray(_regression(strength).fit(known, truth).predict_proba(asked)[:, 1])


def _regression(strength: float) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=strength, max_iter=1000)
