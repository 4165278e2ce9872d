"""Two systems of pictures on real data: brain MRI, in its own split and another, and animal photographs."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from holdfast.core.refs import parse_ref
from holdfast.core.workspace import Workspace
from holdfast.data import SourceOptions, Version, open_version
from holdfast.evaluate import measure
from holdfast.evaluate.features import compact, image_features
from holdfast.modality.image import ImagePreparation
from holdfast.workflows.datasets import data_add
from holdfast.workflows.training import train_run


@dataclass(frozen=True)
class Task:
    """One line of the table: what is learnt from, by which recipe, and how well it should be known."""

    name: str
    source: str
    recipe: str
    title: str
    metric: str
    floor: float
    aim: float


TASKS = (
    Task(
        "brain_mri_train",
        "brain_mri/train",
        "brain_mri",
        "brain_mri, 20 % of the train part",
        "macro_f1",
        0.85,
        0.90,
    ),
    Task(
        "brain_mri",
        "brain_mri",
        "brain_mri",
        "brain_mri, test part without twins",
        "macro_f1",
        0.40,
        0.50,
    ),
    Task("animals", "animals", "animals", "animals, 80/20", "accuracy", 0.47, 0.55),
)


_DEVICE = ("device.threads=1", "device.precision=bf16")
"""Not measured but given, so that the same weights come out however busy the machine is."""


def brain_mri_rows(data: Path, home: Path, seeds: Sequence[int]) -> list[dict[str, Any]]:
    """Two rows: on a fifth of the training part, and on the test part."""
    return rows(data, home, seeds, tasks=TASKS[:2])


def animals_rows(data: Path, home: Path, seeds: Sequence[int]) -> list[dict[str, Any]]:
    """One row."""
    return rows(data, home, seeds, tasks=TASKS[2:])


def rows(
    data: Path,
    home: Path,
    seeds: Sequence[int],
    *,
    tasks: Sequence[Task],
    overrides: Sequence[str] = _DEVICE,
) -> list[dict[str, Any]]:
    """A row for each task: measure, floor, aim, scores over the seeds, baselines, CPU-minutes of training.

    Nothing is held out for validation: the recipes run for a fixed number of epochs and export the average
    of the weights, so all that is not test data is learnt from. The split does not depend on the seed.
    """
    workspace = Workspace(home)
    options = SourceOptions(valid_share=0)
    told = []
    for task in tasks:
        data_add(data / task.source, workspace, name=task.name, options=options)
        results, minutes = [], []
        for seed in seeds:
            began = time.process_time()
            asked = [f"recipe={task.recipe}", f"train.seed={seed}", *overrides]
            results.append(train_run(task.name, workspace, overrides=asked))
            minutes.append((time.process_time() - began) / 60)
        scores = [one["metrics"][task.metric]["value"] for one in results]
        beside = results[0]["baselines"]
        told.append(
            {
                "measure": f"{task.title}: {task.metric.replace('_', '-')}",
                "floor": task.floor,
                "aim": task.aim,
                "score": float(np.mean(scores)),
                "scores": scores,
                "majority": beside["majority"][task.metric]["value"],
                "HOG + logistic regression": beside["simple"][task.metric]["value"],
                "HOG + SVM": _svm(workspace, task),
                "CPU-minutes of training": float(np.mean(minutes)),
            }
        )
    return told


def _svm(workspace: Workspace, task: Task) -> float:
    """A support vector machine with a Gaussian kernel on the features of the simple baseline."""
    from sklearn.svm import SVC

    with open_version(workspace.datasets, parse_ref(task.name)) as version:
        train, test = version.indices("train"), version.indices("test", headline=True)
        known, asked = compact(_features(version, train), _features(version, test))
        machine = SVC(C=3, random_state=0).fit(known, version.targets[train])
        answers = np.eye(len(version.info.labels))[machine.predict(asked)]
        return float(measure(answers, version.targets[test])[task.metric] or 0.0)


def _features(version: Version, indices: np.ndarray) -> np.ndarray:
    preparation = ImagePreparation(64, "squash", 50_000_000)
    return image_features(np.concatenate([preparation.decode(version.read(int(row))) for row in indices]))
