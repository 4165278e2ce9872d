"""How far a number could be off by the luck of the draw: bias-corrected bootstrap intervals."""

from collections.abc import Iterator
from statistics import NormalDist

import numpy as np

from holdfast.evaluate.metrics import Thresholds
from holdfast.evaluate.weighted import outcome, weigh

_CELLS = 4_000_000
"""Draws held at once, samples times resamples: 32 MB."""

_MOST_WORK, _FEWEST = 2_000_000_000, 20
"""Samples times labels times resamples at most, and resamples at least."""

_MOST_SHIFT = 1.0
"""Of the bias correction, in standard deviations; beyond this both ends would fall into one tail."""


def intervals(
    probabilities: np.ndarray,
    targets: np.ndarray,
    *,
    thresholds: Thresholds = None,
    groups: np.ndarray | None = None,
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> dict[str, tuple[float, float] | None]:
    """The interval of every metric of the task.

    Samples are drawn with replacement, as many as there are, and each metric is taken again. Averages
    over few samples a label are biased in resamples (average precision upwards, macro-F1 downwards),
    and by about as much in the value itself; so the ends are the bias-corrected percentiles
    (Efron 1981), which held the true value more often than plain ones: docs/evaluate.md. Where
    groups are given, whole groups are drawn: clips of one recording rise and fall together, and
    drawing them one by one would make the interval too narrow. The same seed draws the same
    samples for a model and for its baselines.

    Args:
        probabilities: shape (n, labels).
        targets: shape (n,) or (n, labels).
        thresholds: shape (labels,), for many labels only.
        groups: shape (n,), any values; samples with equal values belong together.
        resamples: more make the ends steadier, at a cost in time that grows as they do. Fewer are
            drawn where there are very many samples and labels (`affordable`).
        confidence: share of resamples inside the interval.
        seed: of the draws.

    Returns:
        Name → (low, high); None where a metric is undefined, where nothing was resampled, or where
        all samples are one group, which tells nothing about other groups. The metric's value always
        lies inside.

    >>> sure = np.array([[1.0, 0.0], [0.0, 1.0]])
    >>> intervals(sure, np.array([0, 1]), resamples=50)["accuracy"]
    (1.0, 1.0)
    """
    told = outcome(probabilities, targets, thresholds)
    values = weigh(told, np.ones((len(told.true), 1)))
    unit_of = _units(groups, len(told.true))
    resamples = affordable(resamples, told.probabilities.shape)
    if resamples == 0 or unit_of.max() == 0:
        return dict.fromkeys(values)
    drawn = [weigh(told, weights) for weights in _draws(unit_of, resamples, seed)]
    return {
        name: _ends(float(value[0]), np.concatenate([some[name] for some in drawn]), confidence)
        for name, value in values.items()
    }


def paired_differences(
    first: np.ndarray,
    second: np.ndarray,
    targets: np.ndarray,
    *,
    thresholds: tuple[Thresholds, Thresholds] = (None, None),
    groups: np.ndarray | None = None,
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> dict[str, dict[str, float | None]]:
    """By how much the second model's metrics are above the first one's, on the same samples.

    Both are measured on each resample, and the difference is taken there. What is hard for both then
    cancels out, so that the interval is narrower than two separate intervals would make one think.
    An interval without 0 tells the two apart.

    Args:
        first: shape (n, labels); what the first model gives each label.
        second: likewise; of the second.
        targets: shape (n,) or (n, labels).
        thresholds: those of the first and of the second, for many labels only.
        groups: shape (n,), any values; samples with equal values are drawn together.
        resamples: as for `intervals`.
        confidence: share of resamples inside the interval.
        seed: of the draws.

    Returns:
        Name → difference, low, high; None where one is undefined, as for `intervals`.

    >>> wrong, right = np.array([[0.0, 1.0]] * 4), np.array([[1.0, 0.0]] * 4)
    >>> paired_differences(wrong, right, np.zeros(4, dtype=int), resamples=50)["accuracy"]
    {'difference': 1.0, 'low': 1.0, 'high': 1.0}
    """
    told = [outcome(said, targets, cuts) for said, cuts in zip((first, second), thresholds, strict=True)]
    resamples = affordable(resamples, told[0].probabilities.shape)
    unit_of = _units(groups, len(told[0].true))
    once = [weigh(one, np.ones((len(one.true), 1))) for one in told]
    drawn = [
        [weigh(one, weights) for one in told]
        for weights in (_draws(unit_of, resamples, seed) if resamples and unit_of.max() else ())
    ]
    found = {}
    for name, value in once[0].items():
        difference = float(once[1][name][0] - value[0])
        spread = [after[name] - before[name] for before, after in drawn]
        low, high = (_ends(difference, np.concatenate(spread), confidence) if spread else None) or (
            None,
            None,
        )
        known = None if np.isnan(difference) else difference
        found[name] = {"difference": known, "low": low, "high": high}
    return found


def affordable(resamples: int, shape: tuple[int, ...]) -> int:
    """As many resamples as asked for, or, of very many samples and labels, as take a minute or so.

    Args:
        resamples: asked for.
        shape: (samples, labels).

    >>> affordable(1000, (2000, 40)), affordable(1000, (2000, 10_000))
    (1000, 100)
    """
    return min(resamples, max(_FEWEST, _MOST_WORK // max(1, shape[0] * shape[1])))


def _units(groups: np.ndarray | None, n: int) -> np.ndarray:
    """What is drawn, numbered from 0: the group of each sample, or the sample itself."""
    if groups is None:
        return np.arange(n)
    if np.shape(groups) != (n,):
        raise ValueError(f"need one group per sample, got {np.shape(groups)} for {n} samples")
    return np.unique(groups, return_inverse=True)[1]


def _draws(unit_of: np.ndarray, resamples: int, seed: int) -> Iterator[np.ndarray]:
    """How often each sample was drawn; blocks of shape (n, some resamples)."""
    rng, units = np.random.default_rng(seed), int(unit_of.max()) + 1
    block = max(1, _CELLS // len(unit_of))
    for start in range(0, resamples, block):
        width = min(block, resamples - start)
        picks = rng.integers(units, size=(units, width)) * width + np.arange(width)
        counts = np.bincount(picks.ravel(), minlength=units * width).reshape(units, width)
        yield counts[unit_of].astype(np.float64)


def _ends(value: float, drawn: np.ndarray, confidence: float) -> tuple[float, float] | None:
    drawn = drawn[~np.isnan(drawn)]
    if np.isnan(value) or not len(drawn):
        return None
    normal, least = NormalDist(), 0.5 / len(drawn)
    below = float((drawn < value).mean() + (drawn == value).mean() / 2)
    shift = normal.inv_cdf(min(max(below, least), 1 - least))
    shift = min(max(shift, -_MOST_SHIFT), _MOST_SHIFT)
    reach = normal.inv_cdf((1 + confidence) / 2)
    low, high = np.quantile(drawn, [normal.cdf(2 * shift - reach), normal.cdf(2 * shift + reach)])
    return min(float(low), value), max(float(high), value)
