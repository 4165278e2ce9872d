"""How far the weights of two trainings lie apart."""

import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from holdfast.train.checkpoint import BEST, LAST, stored_weights


def weights_difference(first: Path, second: Path) -> dict[str, Any]:
    """Compare the weights of two runs' best epochs, and those after their last steps.

    Args:
        first: the folder of a run's checkpoints.
        second: that of another one.

    Returns:
        JSON-ready: `equal` (whether every tensor of both checkpoints has the same shape, type and bits),
        `last_equal` (the same for the last step alone), and of the best epoch `tensors` (how many there
        are), `different` (a row for each that differs, the worst first: `name`, `max_difference`),
        `max_difference` and `worst` (the name of the tensor that has it). A difference is None where
        there is none to take: another shape, a tensor that only one of them has, or NaN.

    Raises:
        HoldfastError: if one has no weights, or they are damaged.
    """
    best = [stored_weights(folder, BEST) for folder in (first, second)]
    last = [stored_weights(folder, LAST) for folder in (first, second)]
    different = _different(*best)
    last_equal = not _different(*last)
    return {
        "equal": not different and last_equal,
        "last_equal": last_equal,
        "tensors": len(best[0]),
        "different": different,
        "max_difference": different[0]["max_difference"] if different else 0.0,
        "worst": different[0]["name"] if different else None,
    }


def _different(first: dict[str, Tensor], second: dict[str, Tensor]) -> list[dict[str, Any]]:
    """The tensors that differ, the worst first; what cannot be compared is worse than any number."""
    rows = [
        {"name": name, "max_difference": _distance(first.get(name), second.get(name))}
        for name in [*first, *(name for name in second if name not in first)]
        if not _same_bits(first.get(name), second.get(name))
    ]
    return sorted(rows, key=lambda row: math.inf if row["max_difference"] is None else row["max_difference"])[
        ::-1
    ]


def _same_bits(a: Tensor | None, b: Tensor | None) -> bool:
    if a is None or b is None or a.dtype != b.dtype or a.shape != b.shape:
        return False
    return torch.equal(_bytes(a), _bytes(b))  # `equal` on floats takes 0.0 for -0.0, and no NaN for itself


def _bytes(tensor: Tensor) -> Tensor:
    return tensor.contiguous().reshape(-1).view(torch.uint8)


def _distance(a: Tensor | None, b: Tensor | None) -> float | None:
    if a is None or b is None or a.shape != b.shape:
        return None
    largest = float((a.double() - b.double()).abs().max()) if a.numel() else 0.0
    return largest if math.isfinite(largest) else None
