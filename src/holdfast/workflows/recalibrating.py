"""Whether the temperature and the thresholds of a model hold for a graph that was made from it."""

from typing import Any

import numpy as np

from holdfast.bundle import Bundle, open_bundle, seal
from holdfast.config import Config
from holdfast.data import Version
from holdfast.evaluate import apply_temperature, choose_thresholds, fit_temperature, measure
from holdfast.export.graphs import read_temperature, write_temperature
from holdfast.workflows.abstaining import keep_abstention
from holdfast.workflows.scoring import logits_of, pooled, scored_by

_WORTH = 0.01
"""What another temperature must save of the log loss, and other thresholds must gain in macro-F1."""


def recalibrate(
    bundle: Bundle, original: Bundle, version: Version, config: Config
) -> tuple[Bundle, dict[str, Any]]:
    """Keep temperature and thresholds where they still fit the validation split; fit them anew where not.

    Fitting anew changes answers for no gain where the old ones are as good, so it must save a hundredth.

    Args:
        bundle: made from `original`, with its temperature and thresholds; it is sealed again.

    Returns:
        The bundle; `temperature` and, for many labels, `thresholds`, each with what was found on validation.
    """
    temperature = read_temperature(original.model)
    told: dict[str, Any] = {"temperature": {"before": temperature, "after": temperature, "held": None}}
    rows, task = version.validation(), original.manifest.task
    if not len(rows):
        return bundle, told
    scored = scored_by(bundle, version, rows, config, "calibrate")
    targets, said = version.targets[rows], scored.probabilities
    logits = logits_of(scored.parts, task) * temperature
    fitted = fit_temperature(logits, scored.part_of, targets, task)
    then = pooled(apply_temperature(logits, fitted, task), scored.parts)
    losses = [_level(each, targets, None, "log_loss") for each in (said, then)]
    held = losses[0] - losses[1] <= _WORTH
    told["temperature"] |= {"held": held, "log_loss": losses[0], "log_loss_fitted": losses[1]}
    if not held:
        told["temperature"]["after"], said = fitted, then
        write_temperature(bundle.model, fitted)
    keep_abstention(bundle.folder, said, targets, task, config.evaluate.cover)
    thresholds = bundle.manifest.thresholds
    if thresholds is not None:
        chosen = choose_thresholds(said, targets)
        levels = [_level(said, targets, cuts, "macro_f1") for cuts in (np.array(thresholds), chosen)]
        kept = levels[1] - levels[0] <= _WORTH
        told["thresholds"] = {"held": kept, "macro_f1": levels[0], "macro_f1_fitted": levels[1]}
        thresholds = thresholds if kept else [float(value) for value in chosen]
    seal(bundle.folder, bundle.manifest.model_copy(update={"thresholds": thresholds}))
    return open_bundle(bundle.folder), told


def _level(said: np.ndarray, targets: np.ndarray, cuts: np.ndarray | None, name: str) -> float:
    return measure(said, targets, cuts)[name] or 0.0
