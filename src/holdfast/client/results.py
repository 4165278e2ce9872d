"""What a server says, as objects."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class Window:
    """What the model hears in one window of a sound."""

    start_s: float
    end_s: float
    probabilities: Mapping[str, float]


@dataclass(frozen=True)
class Prediction:
    """What the model says of one item.

    Attributes:
        labels: those given; exactly one where the task is single.
        probabilities: label → probability, of the likeliest labels and those given.
        name: what the item was called, such as a file's name.
        id: by which the true label can be told later.
        model: which version answered, such as `birds@3`.
        windows: of a sound.
        sure: whether the model is; None where it does not know.
        possible: labels among which the true one is as often as the model promises; None likewise.
        whole: all that the server said.

    >>> Prediction(("owl",), {"owl": 0.9, "gull": 0.1}).label
    'owl'
    """

    labels: tuple[str, ...]
    probabilities: Mapping[str, float]
    name: str | None = None
    id: str | None = None
    model: str | None = None
    windows: tuple[Window, ...] = ()
    sure: bool | None = None
    possible: tuple[str, ...] | None = None
    whole: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def label(self) -> str | None:
        """The likeliest of the labels given; None where none is."""
        return max(self.labels, key=lambda label: self.probabilities[label], default=None)

    @property
    def probability(self) -> float | None:
        """That of `label`."""
        return None if self.label is None else self.probabilities[self.label]


@dataclass(frozen=True)
class Failure:
    """Why an item has no prediction."""

    error: str
    hint: str | None = None
    name: str | None = None


@dataclass(frozen=True)
class Info:
    """What a server says of its model.

    Attributes:
        model: such as `birds@3`.
        labels: in the model's order.
        modality: image, audio or text.
        task: single or multi.
        max_files: most items in one request to `/predict`.
        max_bytes: of one request.
        whole: all that the server said.
    """

    model: str
    labels: tuple[str, ...]
    modality: str
    task: str
    max_files: int
    max_bytes: int
    whole: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True)
class Job:
    """How far a job is.

    Attributes:
        progress: from 0 to 1; None where nobody knows.
        seconds: of a recording that are decoded.
        result: once it is done, for each item.
    """

    id: str
    state: Literal["waiting", "running", "done", "failed"]
    progress: float | None
    seconds: float
    error: str | None = None
    hint: str | None = None
    result: tuple[Prediction | Failure, ...] = ()


def read_prediction(said: Mapping[str, Any], model: str | None = None) -> Prediction:
    """A prediction as it stands in JSON."""
    windows = tuple(
        Window(it["start_s"], it["end_s"], it["probabilities"]) for it in said.get("windows") or ()
    )
    return Prediction(
        tuple(said["labels"]),
        said["probabilities"],
        said.get("name"),
        said.get("id"),
        said.get("model", model),
        windows,
        said.get("sure"),
        None if said.get("possible") is None else tuple(said["possible"]),
        said,
    )


def read_item(said: Mapping[str, Any], model: str | None = None) -> Prediction | Failure:
    """A prediction, or the reason why there is none."""
    if "error" in said:
        return Failure(said["error"], said.get("hint"), said.get("name"))
    return read_prediction(said, model)


def read_info(said: Mapping[str, Any]) -> Info:
    """What `/info` says."""
    limits = said["limits"]
    return Info(
        said["model"],
        tuple(said["labels"]),
        said["modality"],
        said["task"],
        limits["max_files"],
        round(limits["max_mb"] * 1e6),
        said,
    )


def read_job(said: Mapping[str, Any]) -> Job:
    """What `/jobs/{id}` says."""
    result = said.get("result") or {"predictions": (), "model": None}
    return Job(
        said["id"],
        said["state"],
        said["progress"],
        said["seconds"],
        said.get("error"),
        said.get("hint"),
        tuple(read_item(it, result["model"]) for it in result["predictions"]),
    )
