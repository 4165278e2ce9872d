"""What is written down of a prediction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from holdfast.bundle.reference import read_reference
from holdfast.core.media import Modality
from holdfast.monitor.segments import Line
from holdfast.serve.batching import Answer
from holdfast.serve.live import Live

_MOST_LABELS = 20
"""Probabilities in one record: the likeliest, and those given."""
_SKETCH, _SEED = 16, 7
_MOST_NAME = 200
_STARTS: dict[Modality, tuple[tuple[bytes, str], ...]] = {
    "image": (
        (b"\xff\xd8\xff", "jpg"),
        (b"\x89PNG", "png"),
        (b"GIF8", "gif"),
        (b"RIFF", "webp"),
        (b"II", "tif"),
        (b"MM", "tif"),
        (b"BM", "bmp"),
    ),
    "audio": ((b"RIFF", "wav"), (b"fLaC", "flac"), (b"OggS", "ogg"), (b"ID3", "mp3"), (b"\xff", "mp3")),
    "text": ((b"", "txt"),),
}


@dataclass(slots=True)
class Noted:
    """One item that was answered, as the journal takes it from a request.

    Attributes:
        time_s: when, since 1970.
        seconds: from the end of the upload to the answer of the whole request.
        name: what the client called the item.
        size: of the input, in bytes.
        data: the input, where it is kept.
    """

    live: Live
    id: str
    request: str | None
    time_s: float
    seconds: float
    name: str | None
    size: int
    answer: Answer
    labels: list[str]
    data: bytes | None


class Sketches:
    """Embeddings as a few numbers: along the directions of the bundle's reference, or along random ones."""

    def __init__(self) -> None:
        self._of: dict[str, tuple[np.ndarray, np.ndarray]] = {}

    def of(self, live: Live, embedding: np.ndarray) -> list[float]:
        """At most 16 numbers; of one bundle, near embeddings have near ones."""
        digest = live.engine.bundle.digest
        if digest not in self._of:
            self._of[digest] = _directions(live, len(embedding))
        center, components = self._of[digest]
        sketch: list[float] = np.round(components @ (embedding - center), 5).tolist()
        return sketch


def line_of(noted: Noted, sketches: Sketches, *, private: bool) -> Line:
    """The record of one prediction, and its input where that is kept.

    Args:
        private: leave out what a caller chose: the input, its name, the request's id.
    """
    live, answer = noted.live, noted.answer
    engine = live.engine
    record = {
        "kind": "prediction",
        "id": noted.id,
        "time": datetime.fromtimestamp(noted.time_s, UTC).isoformat(timespec="milliseconds"),
        "request": None if private else noted.request,
        "model": live.ref,
        "digest": engine.bundle.digest,
        "modality": live.modality,
        "task": engine.task,
        "name": None if private or noted.name is None else noted.name[:_MOST_NAME],
        "labels": noted.labels,
        "probabilities": _likeliest(engine.labels, answer.probabilities, noted.labels),
        "uncertainty": uncertainty(answer.probabilities, engine.thresholds),
        "features": {"bytes": noted.size, **answer.features},
        "embedding": sketches.of(live, answer.embedding),
        "seconds": round(noted.seconds, 6),
    }
    if noted.data is None or private:
        return Line(record)
    return Line(record, f"{noted.id}.{suffix_of(live.modality, noted.data)}", noted.data)


def uncertainty(probabilities: np.ndarray, thresholds: np.ndarray | None) -> float:
    """From 0, sure, to 1, a coin toss: how near the decision was.

    With one label a sample, one minus the lead of the likeliest label; with many, how near the nearest
    probability is to its threshold.

    >>> uncertainty(np.array([0.5, 0.4, 0.1]), None)
    0.9
    >>> uncertainty(np.array([0.5, 0.01]), np.array([0.75, 0.5]))
    0.5
    """
    if thresholds is not None:
        return round(max(0.0, 1 - 2 * float(np.abs(probabilities - thresholds).min())), 4)
    if len(probabilities) < 2:
        return 0.0
    few = len(probabilities) <= _MOST_LABELS  # sorting a list of these is quicker than NumPy's first step
    second, first = sorted(probabilities.tolist())[-2:] if few else np.partition(probabilities, -2)[-2:]
    return round(1 - float(first - second), 4)


def suffix_of(modality: Modality, data: bytes) -> str:
    """The suffix of a kept input's name, by its first bytes.

    >>> suffix_of("audio", b"fLaC"), suffix_of("audio", b"what?")
    ('flac', 'bin')
    """
    return next((suffix for start, suffix in _STARTS[modality] if data.startswith(start)), "bin")


def _likeliest(labels: Sequence[str], row: np.ndarray, chosen: list[str]) -> dict[str, float]:
    if len(row) <= _MOST_LABELS:
        return dict(zip(labels, np.round(row, 6).tolist(), strict=True))
    given = set(chosen)
    likely = set(np.argpartition(-row, _MOST_LABELS)[:_MOST_LABELS].tolist())
    return {
        label: round(float(row[at]), 6) for at, label in enumerate(labels) if at in likely or label in given
    }


def _directions(live: Live, width: int) -> tuple[np.ndarray, np.ndarray]:
    path = live.engine.bundle.reference
    if path is not None:
        reference = read_reference(path)
        return reference.center, np.ascontiguousarray(reference.components)
    rows = min(_SKETCH, width)
    random = np.random.default_rng(_SEED).standard_normal((rows, width))
    return np.zeros(width), random / np.sqrt(width)
