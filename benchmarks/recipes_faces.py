"""The face attributes on real data: forty labels, split by person."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from holdfast.core.workspace import Workspace
from holdfast.data import SourceOptions
from holdfast.workflows.datasets import data_add
from holdfast.workflows.training import train_run

_MEASURES = (
    ("mean average precision", "average_precision", 0.60, 0.66),
    ("macro-F1, thresholds from validation", "macro_f1", 0.55, 0.60),
)

_DEVICE = ("device.threads=1", "device.precision=bf16")
"""Not measured but given, so that the same weights come out however busy the machine is."""


def rows(data: Path, home: Path, seeds: Sequence[int]) -> list[dict[str, Any]]:
    """Two rows: mean average precision, and macro-F1 with the thresholds that validation chose."""
    workspace = Workspace(home)
    data_add(data / "faces", workspace, name="faces", options=SourceOptions(group="person_id"))
    results, minutes = [], []
    for seed in seeds:
        began = time.process_time()
        asked = ["recipe=faces", f"train.seed={seed}", *_DEVICE]
        results.append(train_run("faces", workspace, overrides=asked))
        minutes.append((time.process_time() - began) / 60)
    return [_row(results, minutes, *measure) for measure in _MEASURES]


def _row(
    results: Sequence[dict[str, Any]],
    minutes: Sequence[float],
    title: str,
    name: str,
    floor: float,
    aim: float,
) -> dict[str, Any]:
    scores = [float(one["metrics"][name]["value"]) for one in results]
    beside = results[0]["baselines"]
    return {
        "measure": f"faces, by person: {title}",
        "floor": floor,
        "aim": aim,
        "score": float(np.mean(scores)),
        "scores": scores,
        "majority": beside["majority"][name]["value"],
        "HOG + logistic regression": beside["simple"][name]["value"],
        "CPU-minutes of training": float(np.mean(minutes)),
    }
