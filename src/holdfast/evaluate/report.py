"""The evaluation of a model: every number with its interval, beside its baselines, ready for JSON."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from holdfast.core.media import Task
from holdfast.evaluate.bootstrap import affordable, intervals
from holdfast.evaluate.calibration import calibration_error
from holdfast.evaluate.metrics import HEADLINE, Thresholds, confusion_matrix, measure, per_class

if TYPE_CHECKING:  # all dials together take 0.1 s to load
    from holdfast.config.schema import EvaluateConfig

Metrics = dict[str, dict[str, float | None]]


def evaluate(
    probabilities: np.ndarray,
    targets: np.ndarray,
    *,
    task: Task,
    labels: Sequence[str],
    thresholds: Thresholds = None,
    groups: np.ndarray | None = None,
    baselines: Mapping[str, np.ndarray] | None = None,
    before: np.ndarray | None = None,
    headline: np.ndarray | None = None,
    config: "EvaluateConfig | None" = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Everything that is said about a model's predictions on one split.

    Args:
        probabilities: shape (n, labels).
        targets: shape (n,) for single, (n, labels) for multi.
        task: "single" or "multi".
        labels: their names, in the order of the columns.
        thresholds: shape (labels,), for multi only. The baselines are cut at 0.5.
        groups: shape (n,); intervals then come from drawing whole groups.
        baselines: name → probabilities of shape (n, labels), measured on the same samples.
        before: shape (n, labels); the probabilities before temperature scaling.
        headline: booleans, shape (n,); false for samples whose exact twin is in training. All
            numbers but `metrics_with_twins` are over the true ones.
        config: how many resamples, which confidence, how many bins.
        seed: of the resamples.

    Returns:
        `headline` (the name of the metric that models are compared by), `metrics`,
        `metrics_with_twins` (None where there are no twins), `baselines`, `beats` (for the majority
        and the simple baseline: whether the headline metric is better; None where that was not
        computed), `per_class`, `confusion` (None for multi, and for more than 1,000 labels),
        `calibration`, `samples`, `left_out_twins`, `resampled` (what was drawn for the intervals,
        of how many, and how many times) and `undefined` (labels without positives or without negatives,
        which the means of average precision and AUROC leave out). A metric is {value, low, high}; None
        stands for what is undefined.

    Raises:
        ValueError: if shapes do not fit.
    """
    if config is None:
        from holdfast.config.schema import EvaluateConfig

        config = EvaluateConfig()
    targets = np.asarray(targets)
    _check(targets, task, labels, probabilities, baselines or {}, before, headline)
    kept = np.ones(len(targets), dtype=bool) if headline is None else np.asarray(headline, dtype=bool)

    def measured(said: np.ndarray, cuts: Thresholds, rows: np.ndarray) -> Metrics:
        chosen = None if groups is None else np.asarray(groups)[rows]
        return _with_intervals(said[rows], targets[rows], cuts, chosen, config, seed)

    if not kept.any():
        every = measured(probabilities, thresholds, ~kept)
        return _without_headline(every, task, labels, baselines or {}, len(kept))
    metrics = measured(probabilities, thresholds, kept)
    beside = {name: measured(said, None, kept) for name, said in (baselines or {}).items()}
    said, true = probabilities[kept], targets[kept]
    classes = per_class(said, true, labels, thresholds)
    return {
        "headline": HEADLINE[task],
        "metrics": metrics,
        "metrics_with_twins": None if kept.all() else measured(probabilities, thresholds, np.ones_like(kept)),
        "baselines": beside,
        "beats": beats(metrics, beside, HEADLINE[task]),
        "per_class": classes,
        "confusion": confusion_matrix(said, true).tolist() if _has_table(task, labels) else None,
        "calibration": {
            "before": None if before is None else calibration_error(before[kept], true, bins=config.bins),
            "after": calibration_error(said, true, bins=config.bins),
        },
        "samples": int(kept.sum()),
        "left_out_twins": int((~kept).sum()),
        "resampled": _resampled(groups, kept) | {"times": affordable(config.bootstrap, said.shape)},
        "undefined": [row["label"] for row in classes if row["auroc"] is None],
    }


_MOST_IN_TABLE = 1000
"""Labels in a confusion matrix: one of 10,000 would be 100 million numbers, nearly all of them 0."""


def _has_table(task: Task, labels: Sequence[str]) -> bool:
    return task == "single" and len(labels) <= _MOST_IN_TABLE


def _check(
    targets: np.ndarray,
    task: Task,
    labels: Sequence[str],
    probabilities: np.ndarray,
    baselines: Mapping[str, np.ndarray],
    before: np.ndarray | None,
    headline: np.ndarray | None,
) -> None:
    if targets.ndim != (1 if task == "single" else 2):
        raise ValueError(f"targets of shape {targets.shape} are not those of a {task} task")
    shape = (len(targets), len(labels))
    asked = {"probabilities": probabilities, **baselines} | ({} if before is None else {"before": before})
    wrong = [f"{name} {np.shape(array)}" for name, array in asked.items() if np.shape(array) != shape]
    if headline is not None and np.shape(headline) != shape[:1]:
        wrong.append(f"headline {np.shape(headline)}")
    if wrong:
        raise ValueError(f"{shape[0]} samples and {shape[1]} labels do not fit {', '.join(wrong)}")


def _with_intervals(
    said: np.ndarray,
    true: np.ndarray,
    thresholds: Thresholds,
    groups: np.ndarray | None,
    config: "EvaluateConfig",
    seed: int,
) -> Metrics:
    ends = intervals(
        said,
        true,
        thresholds=thresholds,
        groups=groups,
        resamples=config.bootstrap,
        confidence=config.confidence,
        seed=seed,
    )
    metrics: Metrics = {}
    for name, value in measure(said, true, thresholds).items():
        low, high = ends[name] or (None, None)
        metrics[name] = {"value": value, "low": low, "high": high}
    return metrics


def beats(metrics: Metrics, beside: Mapping[str, Metrics], name: str) -> dict[str, bool | None]:
    """Whether the model is better than each baseline; what cannot be measured beats nothing.

    Args:
        metrics: of the model: name → value, low, high.
        beside: baseline → its metrics.
        name: of the metric to compare by.
    """

    def better(baseline: str) -> bool | None:
        if baseline not in beside:
            return None
        ours, theirs = metrics[name]["value"], beside[baseline][name]["value"]
        return ours is not None and theirs is not None and ours > theirs

    return {baseline: better(baseline) for baseline in ("majority", "simple")}


def _resampled(groups: np.ndarray | None, kept: np.ndarray) -> dict[str, Any]:
    samples = int(kept.sum())
    count = samples if groups is None else len(np.unique(np.asarray(groups)[kept]))
    return {"unit": "samples" if count == samples else "groups", "count": count}


def _without_headline(
    every: Metrics, task: Task, labels: Sequence[str], baselines: Mapping[str, Any], twins: int
) -> dict[str, Any]:
    """All samples are twins of training: nothing is known about new ones, and nothing is claimed."""
    nothing: Metrics = {name: dict.fromkeys(("value", "low", "high")) for name in every}
    beside = dict.fromkeys(baselines, nothing)
    return {
        "headline": HEADLINE[task],
        "metrics": nothing,
        "metrics_with_twins": every,
        "baselines": beside,
        "beats": beats(nothing, beside, HEADLINE[task]),
        "per_class": [],
        "confusion": None,
        "calibration": {"before": None, "after": None},
        "samples": 0,
        "left_out_twins": twins,
        "resampled": {"unit": "samples", "count": 0, "times": 0},
        "undefined": list(labels),
    }
