"""Predictions as a table: a row for each input, whether it could be read or not."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow

from holdfast.core.media import Task

MOST_COLUMNS = 100
"""With more labels there are lists of the likeliest in place of a column for each."""
_LIKELIEST = 10


@dataclass(frozen=True)
class Answers:
    """What the engine says of n inputs.

    Attributes:
        digests: SHA-256 of each input's bytes; None where there were none.
        errors: why an input could not be predicted; None where it was.
        chosen: the labels that are given to each.
        probabilities: float32 of shape (n, labels), or with many labels of shape (n, 10), the likeliest
            first; NaN where there is an error.
        places: of the probabilities among the labels; int64 of the same shape; None with few labels.
    """

    digests: list[str | None]
    errors: list[str | None]
    chosen: list[list[str]]
    probabilities: np.ndarray
    places: np.ndarray | None


def likeliest(probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """The columns of `Answers` that stand for probabilities of shape (n, labels)."""
    if probabilities.shape[1] <= MOST_COLUMNS:
        return probabilities.astype(np.float32), None
    places = np.argsort(-probabilities, axis=1, kind="stable")[:, :_LIKELIEST]
    return np.take_along_axis(probabilities, places, axis=1).astype(np.float32), places


def table_of(
    names: Sequence[str], answers: Sequence[Answers], labels: Sequence[str], task: Task
) -> pyarrow.Table:
    """The table of a part: `name`, `digest`, what was predicted, and `error`.

    Predicted are `label` (or, for many labels a sample, the list `labels`), `probability` (the highest), and
    `p.LABEL` for each label; with more than 100 of these, the lists `top_labels` and `top_probabilities`.
    """
    text = pyarrow.string()
    errors = [error for it in answers for error in it.errors]
    bad = np.array([error is not None for error in errors], bool)
    rows = np.concatenate([it.probabilities for it in answers])
    chosen = [given for it in answers for given in it.chosen]
    columns = {
        "name": pyarrow.array(names, text),
        "digest": pyarrow.array([digest for it in answers for digest in it.digests], text),
    }
    if task == "single":
        columns["label"] = pyarrow.array([given[0] if given else None for given in chosen], text)
    else:
        columns["labels"] = pyarrow.array(chosen, pyarrow.list_(text), mask=bad)
    columns["probability"] = pyarrow.array(rows.max(axis=1), mask=bad)
    if len(labels) <= MOST_COLUMNS:
        for place, label in enumerate(labels):
            columns[f"p.{label}"] = pyarrow.array(np.ascontiguousarray(rows[:, place]), mask=bad)
    else:
        places = np.concatenate([it.places for it in answers if it.places is not None])
        words = np.array(labels, object)[places]
        columns["top_labels"] = pyarrow.array(list(words), pyarrow.list_(text), mask=bad)
        columns["top_probabilities"] = pyarrow.array(list(rows), pyarrow.list_(pyarrow.float32()), mask=bad)
    columns["error"] = pyarrow.array(errors, text)
    return pyarrow.table(columns)
