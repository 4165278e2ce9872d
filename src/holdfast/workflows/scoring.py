"""Scores: a dataset's split, run through the serving engine."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from holdfast.bundle import Bundle
from holdfast.config import Config
from holdfast.config.schema import EvaluateConfig, Prepare
from holdfast.core.media import Task
from holdfast.core.progress import progress
from holdfast.data import Version
from holdfast.evaluate import apply_temperature, evaluate, majority, simple
from holdfast.modality import Preparation, read_text
from holdfast.serve.engine import Engine

_CHUNK = 32


@dataclass(frozen=True)
class Scored:
    """A split's samples with what the engine says of them.

    Attributes:
        indices: shape (n,); rows of the dataset version.
        probabilities: shape (n, labels).
        embeddings: shape (n, width).
        parts: for each sample, shape (parts, labels); one part, or the windows of a recording.
    """

    indices: np.ndarray
    probabilities: np.ndarray
    embeddings: np.ndarray
    parts: list[np.ndarray]

    @property
    def part_of(self) -> np.ndarray:
        """The sample of each part, in order; shape (all parts,)."""
        return np.repeat(np.arange(len(self.parts)), [len(part) for part in self.parts])


def score(engine: Engine, version: Version, indices: np.ndarray, title: str = "evaluate") -> Scored:
    """Run samples through the engine, as requests would."""
    probabilities, embeddings, parts = [], [], []
    with progress(title, len(indices), unit="samples") as bar:
        for start in range(0, len(indices), _CHUNK):
            chunk = indices[start : start + _CHUNK]
            answer = engine.predict([version.read(int(index)) for index in chunk])
            probabilities.append(answer.probabilities)
            embeddings.append(answer.embeddings)
            parts += answer.parts
            bar.advance(len(chunk))
    return Scored(indices, np.concatenate(probabilities), np.concatenate(embeddings), parts)


def scored_by(bundle: Bundle, version: Version, rows: np.ndarray, config: Config, title: str) -> Scored:
    """What a bundle answers to samples, through the serving engine."""
    engine = Engine(bundle, threads=config.serve.threads, batch=config.serve.batch)
    try:
        return score(engine, version, rows, title)
    finally:
        engine.close()


def logits_of(parts: list[np.ndarray], task: Task) -> np.ndarray:
    """Logits that give these probabilities; for one label they are known up to a constant per row.

    >>> logits_of([np.array([[0.5]])], "multi")
    array([[0.]])
    """
    probabilities = np.clip(np.concatenate(parts).astype(np.float64), 1e-12, 1.0 - 1e-9)
    logs: np.ndarray = np.log(probabilities)
    return logs if task == "single" else logs - np.log1p(-probabilities)


def uncalibrated(scored: Scored, temperature: float, task: Task) -> np.ndarray:
    """What the probabilities were before the temperature; shape (n, labels)."""
    return pooled(apply_temperature(logits_of(scored.parts, task) * temperature, 1.0, task), scored.parts)


def pooled(rows: np.ndarray, parts: list[np.ndarray]) -> np.ndarray:
    """The mean of the rows that belong to each sample; shape (n, labels).

    >>> pooled(np.array([[0.25], [0.75], [0.9]]), [np.zeros((2, 1)), np.zeros((1, 1))])
    array([[0.5],
           [0.9]])
    """
    counts = np.array([len(part) for part in parts])
    sums: np.ndarray = np.add.reduceat(rows, np.r_[0, counts.cumsum()[:-1]], axis=0)
    means: np.ndarray = sums / counts[:, None]
    return means


def baselines(
    version: Version,
    preparation: Preparation,
    config: EvaluateConfig,
    prepare: Prepare,
    split: str = "test",
    seed: int = 0,
    learnt: Version | None = None,
) -> dict[str, np.ndarray]:
    """What the majority and a simple model on simple features say of a split; each of shape (n, labels).

    They learn from the training split of `learnt`, which has the same labels: the data that the model
    learnt from, where it is measured on another dataset.
    """
    source = learnt or version
    train, test = source.indices("train"), version.indices(split)
    targets, task = source.targets[train], version.info.task
    answers = {"majority": majority(targets, len(test), task, len(version.info.labels))}
    if config.baselines:
        arrays = [_plain_inputs(of, preparation, rows) for of, rows in ((source, train), (version, test))]
        answers["simple"] = simple(
            version.info.modality,
            arrays[0],
            targets,
            arrays[1],
            task=task,
            labels=len(version.info.labels),
            rate=getattr(prepare, "rate", None),
            groups=source.groups[train],
            seed=seed,
        )
    return answers


def report(
    version: Version,
    scored: Scored,
    *,
    thresholds: list[float] | None,
    config: EvaluateConfig,
    beside: dict[str, np.ndarray],
    before: np.ndarray | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Every metric of a scored split, with intervals and baselines; twins of training are left out."""
    rows = scored.indices
    return evaluate(
        scored.probabilities,
        version.targets[rows],
        task=version.info.task,
        labels=version.info.labels,
        thresholds=None if thresholds is None else np.array(thresholds),
        groups=version.groups[rows],
        baselines=beside,
        before=before,
        headline=~version.twins[rows],
        config=config,
        seed=seed,
    )


def _plain_inputs(version: Version, preparation: Preparation, rows: np.ndarray) -> Any:
    decode: Any = read_text if preparation.modality == "text" else preparation.decode
    decoded = []
    with progress("decode for the baseline", len(rows), unit="samples") as bar:
        for row in rows:
            decoded.append(decode(version.read(int(row))))
            bar.advance()
    return np.concatenate(decoded) if preparation.modality == "image" else decoded
