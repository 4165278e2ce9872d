"""What a model has to beat: the class shares, and a simple model on simple features."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from holdfast.core.media import Modality, Task
from holdfast.evaluate import features
from holdfast.evaluate.metrics import log_loss


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
    train: Sequence[Any] | np.ndarray,
    train_targets: np.ndarray,
    test: Sequence[Any] | np.ndarray,
    *,
    task: Task,
    labels: int,
    rate: int | None = None,
    groups: np.ndarray | None = None,
    seed: int = 0,
) -> np.ndarray:
    """What a good data scientist would try in the first ten minutes: plain features and a linear model.

    Pictures: a histogram of oriented gradients, a small thumbnail and a colour histogram. Sounds:
    means and spreads over time of log energies in mel bands. Texts: TF-IDF of words, pairs of words
    and runs of 3 to 5 characters. Then logistic regression, one per label where samples have many;
    how strongly it is regularised is chosen by cross-validation within the training samples. With more
    than 200 labels, for which that would take hours and gigabytes, the five nearest training samples vote.

    Args:
        modality: "image", "audio" or "text".
        train: pictures as uint8 (m, height, width, 3); sounds as a list of float32 (windows, samples);
            texts as a list of str.
        train_targets: shape (m,) or (m, labels).
        test: n samples of the same form.
        task: "single" or "multi".
        labels: how many there are; one that training does not have gets probability 0.
        rate: audio samples a second; needed for sounds.
        groups: shape (m,); samples of one group are kept together in cross-validation.
        seed: of projection and folds; same seed, same answer.

    Returns:
        Probabilities of shape (n, labels); rows sum to 1 for single.

    Raises:
        ValueError: if there are not as many targets as samples, or a sound has no rate.
    """
    truth = np.asarray(train_targets)
    if len(train) != len(truth) or not len(truth):
        raise ValueError(f"need one target per training sample, got {len(truth)} for {len(train)}")
    if not len(test):
        return np.zeros((0, labels))
    known, asked = _features(modality, train, test, rate, seed)
    units = np.arange(len(truth)) if groups is None else np.unique(groups, return_inverse=True)[1]
    fold_of = (np.random.default_rng(seed).permutation(int(units.max()) + 1) % _FOLDS)[units]

    def held_out_loss(strength: float) -> float:
        folds = [fold_of == fold for fold in range(_FOLDS)]
        said = [_answer(known[~out], truth[~out], known[out], task, labels, strength) for out in folds]
        return log_loss(np.concatenate(said), np.concatenate([truth[out] for out in folds]))

    if labels > _MANY:
        return _neighbours(known, truth, asked, task, labels)
    strengths = _STRENGTHS[modality]
    strength = strengths[1] if units.max() + 1 < 2 * _FOLDS else min(strengths, key=held_out_loss)
    return _answer(known, truth, asked, task, labels, strength)


_FOLDS = 3
_MANY = 200
"""Labels from which on the nearest samples vote."""
_NEAREST, _BLOCK = 5, 512
_STRENGTHS: dict[Modality, tuple[float, float, float]] = {
    "image": (0.001, 0.01, 0.1),
    "audio": (0.001, 0.01, 0.1),
    "text": (1.0, 10.0, 100.0),
}
"""Inverse of the regularisation; TF-IDF rows have length 1, the other features spread 1 each."""


def _features(modality: Modality, train: Any, test: Any, rate: int | None, seed: int) -> tuple[Any, Any]:
    if modality == "text":
        return features.text_features(list(train), list(test))
    if modality == "image":
        raw = [features.image_features(np.asarray(pictures)) for pictures in (train, test)]
    elif rate is None:
        raise ValueError("sounds need a rate")
    else:
        raw = [features.audio_features(list(sounds), rate) for sounds in (train, test)]
    return features.compact(raw[0], raw[1], seed=seed)


def _answer(
    known: Any, truth: np.ndarray, asked: Any, task: Task, labels: int, strength: float
) -> np.ndarray:
    if task == "multi":
        each = [_chance(known, column, asked, strength) for column in truth.T]
        return np.stack(each, axis=1)
    answer = np.zeros((asked.shape[0], labels))
    present = np.unique(truth)
    answer[:, present] = 1.0
    if len(present) > 1:
        answer[:, present] = _regression(strength).fit(known, truth).predict_proba(asked)
    return answer


def _neighbours(known: Any, truth: np.ndarray, asked: Any, task: Task, labels: int) -> np.ndarray:
    """The nearest training samples by cosine vote; every label keeps one vote in a thousand."""
    from sklearn.preprocessing import normalize

    known, asked = normalize(known), normalize(asked)
    answer = np.full((asked.shape[0], labels), 1e-3 / labels if task == "single" else 1e-3)
    nearest = min(_NEAREST, known.shape[0])
    for start in range(0, asked.shape[0], _BLOCK):
        near = asked[start : start + _BLOCK] @ known.T
        near = np.asarray(near.todense() if hasattr(near, "todense") else near)
        chosen = np.argpartition(-near, nearest - 1, axis=1)[:, :nearest]
        for row, neighbours in enumerate(chosen, start):
            if task == "single":
                np.add.at(answer[row], truth[neighbours], (1 - 1e-3) / nearest)
            else:
                answer[row] += (1 - 2e-3) * truth[neighbours].mean(axis=0)
    return answer


def _chance(known: Any, truth: np.ndarray, asked: Any, strength: float) -> np.ndarray:
    """Probability of one label; shape (n,)."""
    if truth.min() == truth.max():
        return np.full(asked.shape[0], float(truth[0]))
    return np.asarray(_regression(strength).fit(known, truth).predict_proba(asked)[:, 1])


def _regression(strength: float) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=strength, max_iter=1000)
