"""What of a run's folder is shown elsewhere, and under which names."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from holdfast.core.files import read_json
from holdfast.tracking.record import BUNDLE, CONFIG, RunInfo

SAMPLES = "sample_predictions"
"""Folder of a run with `samples.json` and pictures: held-out samples and what the model says of them."""


@dataclass(frozen=True)
class Sample:
    """A held-out sample.

    Attributes:
        true: its labels, joined by commas.
        predicted: those that the model gives it.
        probability: of the prediction; for many labels, of the likeliest one.
        picture: a PNG file: the image, or a sound's spectrogram.
        text: of a text.
    """

    name: str
    true: str
    predicted: str
    probability: float
    picture: Path | None = None
    text: str | None = None


@dataclass(frozen=True)
class Results:
    """How a run ended.

    Attributes:
        status: finished or failed.
        metrics: `test/…` → value.
        per_label: a row of precision, recall and so on for each label.
        confusion: counts, true labels down and given ones across; None for many labels a sample.
        samples: none where they were not asked for.
    """

    status: str
    metrics: dict[str, float] = field(default_factory=dict)
    per_label: list[dict[str, Any]] = field(default_factory=list)
    confusion: list[list[int]] | None = None
    samples: list[Sample] = field(default_factory=list)

    @property
    def labels(self) -> list[str]:
        """In the order of the confusion matrix."""
        return [str(row["label"]) for row in self.per_label]


def named(row: Mapping[str, Any]) -> dict[str, float]:
    """A line of the log under the names that users of these tools expect; what is not a number is left out.

    >>> named({"step": 10, "loss": 0.5, "rate": 0.001})
    {'train/loss': 0.5, 'train/rate': 0.001}
    >>> named({"step": 12, "epoch": 1, "train_loss": 0.5, "loss": 0.6, "accuracy": 0.75})
    {'epoch': 1, 'train/epoch_loss': 0.5, 'valid/loss': 0.6, 'valid/accuracy': 0.75}
    """
    ends_epoch = "epoch" in row
    values: dict[str, float] = {}
    for name, value in row.items():
        if name == "step" or isinstance(value, bool) or not isinstance(value, int | float):
            continue
        if name == "epoch":
            values[name] = value
        elif ends_epoch and name.startswith("train_"):
            values[f"train/epoch_{name.removeprefix('train_')}"] = value
        else:
            values[f"valid/{name}" if ends_epoch else f"train/{name}"] = value
    return values


def settings_of(run: Path) -> dict[str, Any]:
    """The run's settings, flat.

    Like everything in the run's folder they hold no secrets.
    """
    import yaml

    return dict(_flat(yaml.safe_load((run / CONFIG).read_text(encoding="utf-8")) or {}))


def facts_of(info: RunInfo) -> dict[str, str]:
    """What a run is known by, as words."""
    facts = {
        "run": info.id,
        "dataset": info.dataset,
        "fingerprint": info.fingerprint,
        "environment": info.environment_digest,
        "model": info.model,
    }
    return {f"holdfast.{name}": str(value) for name, value in facts.items() if value}


def results_of(run: Path, status: str) -> Results:
    """How a run ended; without a bundle no more than the word."""
    try:
        evaluation = read_json(run / BUNDLE / "evaluation.json")
    except FileNotFoundError:
        return Results(status)
    return Results(
        status,
        metrics=_test_metrics(evaluation),
        per_label=evaluation.get("per_class") or [],
        confusion=evaluation.get("confusion"),
        samples=_samples(run / SAMPLES),
    )


def _test_metrics(evaluation: Mapping[str, Any]) -> dict[str, float]:
    found: dict[str, float | None] = {}
    for name, ends in evaluation["metrics"].items():
        found[f"test/{name}"] = ends["value"]
        found |= {f"test/{name}_{end}": ends[end] for end in ("low", "high")}
    headline = evaluation["headline"]
    for baseline, metrics in evaluation.get("baselines", {}).items():
        found[f"test/{baseline}_baseline/{headline}"] = metrics[headline]["value"]
    return {name: float(value) for name, value in found.items() if value is not None}


def _samples(folder: Path) -> list[Sample]:
    try:
        rows = json.loads((folder / "samples.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    return [Sample(**{**row, "picture": folder / row["picture"] if row["picture"] else None}) for row in rows]


def _flat(value: Any, prefix: str = "") -> list[tuple[str, Any]]:
    if not isinstance(value, dict):
        return [(prefix, value)]
    return [pair for key in value for pair in _flat(value[key], f"{prefix}.{key}" if prefix else str(key))]
