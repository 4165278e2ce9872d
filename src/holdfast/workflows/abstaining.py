"""When a bundle's model is not sure: fitted on validation, measured on held-out samples."""

from pathlib import Path
from typing import Any

import numpy as np

from holdfast.bundle import read_abstention, write_abstention
from holdfast.bundle.manifest import ABSTENTION
from holdfast.core.media import Task
from holdfast.evaluate import fit_conformal, measure_conformal


def keep_abstention(
    folder: Path, probabilities: np.ndarray, targets: np.ndarray, task: Task, cover: float
) -> None:
    """Fit the bounds and write them into a bundle that is sealed afterwards; too few samples give none.

    Args:
        folder: of the bundle.
        probabilities: on the validation split, calibrated; shape (n, labels).
        targets: of these samples.
        task: of the model.
        cover: the share of samples that they should hold for; 0 asks for none.
    """
    path = folder / ABSTENTION
    path.unlink(missing_ok=True)  # of the graph that this one was made from
    found = fit_conformal(probabilities, targets, task, confidence=cover) if cover and len(targets) else None
    if found:
        write_abstention(path, found)


def measured_abstention(
    folder: Path, probabilities: np.ndarray, targets: np.ndarray, task: Task
) -> dict[str, Any] | None:
    """How the bounds hold on held-out samples, for `evaluation.json`; None if the bundle has none."""
    path = folder / ABSTENTION
    if not path.exists() or not len(targets):
        return None
    found = read_abstention(path, task, probabilities.shape[1])
    told = measure_conformal(found, probabilities, targets)
    shown = {name: None if np.isnan(value) else value for name, value in told.items()}
    return {"confidence": found.confidence, "fitted_on": found.samples, **shown}
