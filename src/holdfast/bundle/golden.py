"""Golden samples: a few held-out samples that a bundle carries with the answers that it must give to them.

A server that answers them otherwise decodes or computes in another way than the machine that evaluated the
model: another release of a decoder, a processor that saturates, a damaged library. It must not be ready then.
"""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from holdfast.core.errors import BundleError
from holdfast.core.files import write_json

TOLERANCE = 1e-3
"""Largest difference of a probability, for graphs in floating point."""


@dataclass(frozen=True)
class Golden:
    """Samples and their answers.

    Attributes:
        items: the bytes of each.
        probabilities: shape (items, labels).
        tolerance: largest difference of a probability that is still the same answer.
    """

    items: list[bytes]
    probabilities: np.ndarray
    tolerance: float = TOLERANCE

    def difference(self, probabilities: np.ndarray) -> float:
        """The largest difference from other answers to the same samples, shape (items, labels).

        >>> golden = Golden([b"a"], np.array([[0.25, 0.75]]))
        >>> golden.difference(np.array([[0.5, 0.5]]))
        0.25
        """
        return float(np.abs(probabilities - self.probabilities).max())


def write_golden(path: Path, items: Sequence[bytes], probabilities: np.ndarray, tolerance: float) -> None:
    """Write them as JSON, the samples in base64.

    Raises:
        ValueError: if there is not one row of probabilities per item.
    """
    if len(items) != len(probabilities):
        raise ValueError(f"need one row per item, got {len(probabilities)} rows for {len(items)} items")
    content = {
        "tolerance": tolerance,
        "samples": [
            {"data": base64.b64encode(item).decode(), "probabilities": [float(value) for value in row]}
            for item, row in zip(items, probabilities, strict=True)
        ],
    }
    write_json(path, content)


def read_golden(path: Path, labels: int) -> Golden:
    """Read what `write_golden` wrote.

    Args:
        labels: how many the model has.

    Raises:
        BundleError: if it is something else.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        items = [base64.b64decode(sample["data"], validate=True) for sample in content["samples"]]
        rows = np.array([sample["probabilities"] for sample in content["samples"]], dtype=np.float64)
        golden = Golden(items, rows, float(content["tolerance"]))
    except (ValueError, KeyError, TypeError) as error:
        raise BundleError(
            f"{path} holds no golden samples ({error})", hint="export the bundle again"
        ) from None
    if rows.shape != (len(items), labels) or not items:
        raise BundleError(
            f"{path} holds answers of shape {rows.shape} for {len(items)} samples and {labels} labels",
            hint="export the bundle again",
        )
    return golden
