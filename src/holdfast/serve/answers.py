"""How a prediction is told: the same words over HTTP and on the command line."""

from typing import Any

import numpy as np

from holdfast.serve.engine import Engine


def tell(
    engine: Engine, name: str | None, probabilities: np.ndarray, parts: np.ndarray, labels: list[str]
) -> dict[str, Any]:
    """One sample's prediction, JSON-ready: labels, all probabilities, and for a sound each window's.

    Args:
        name: of the sample, such as a file name.
        probabilities: shape (labels,); not rounded, so that every road gives the same numbers.
        parts: shape (parts, labels).
        labels: those that are given, from `Engine.labels_of`.
    """
    spans = engine.spans(len(parts))
    windows = [
        {"start_s": start, "end_s": end, "probabilities": _named(engine, row)}
        for (start, end), row in zip(spans or (), parts, strict=False)
    ]
    return {
        "name": name,
        "labels": labels,
        **({"label": labels[0]} if engine.task == "single" else {}),
        "probabilities": _named(engine, probabilities),
        **({"windows": windows} if spans else {}),
    }


def _named(engine: Engine, row: np.ndarray) -> dict[str, float]:
    return dict(zip(engine.labels, row.tolist(), strict=True))
