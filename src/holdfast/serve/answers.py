"""How a prediction is told: the same words over HTTP and on the command line."""

import json
from typing import Any

import numpy as np

from holdfast.serve.engine import Engine


def tell(
    engine: Engine,
    name: str | None,
    probabilities: np.ndarray,
    parts: np.ndarray,
    labels: list[str],
    *,
    top: int | None = None,
) -> dict[str, Any]:
    """One sample's prediction, JSON-ready: labels, probabilities, and for a sound each window's.

    Args:
        name: of the sample, such as a file name.
        probabilities: shape (labels,); not rounded, so that every road gives the same numbers.
        parts: shape (parts, labels).
        labels: those that are given, from `Engine.labels_of`. Beside them stands whether that is `sure`, and
            which labels are `possible`, if the bundle knows.
        top: of how many labels, the likeliest, and those given, there are probabilities, the same labels in
            each window; `left_out` then counts the others. None tells all.
    """
    places = _likeliest(engine, probabilities, labels, top)
    spans = engine.spans(len(parts))
    windows = [
        {"start_s": start, "end_s": end, "probabilities": _named(engine, row, places)}
        for (start, end), row in zip(spans or (), parts, strict=False)
    ]
    return {
        "name": name,
        "labels": labels,
        **({"label": labels[0]} if engine.task == "single" else {}),
        **_doubt(engine, probabilities, places),
        "probabilities": _named(engine, probabilities, places),
        **({"left_out": left_out} if (left_out := len(engine.labels) - len(places)) else {}),
        **({"windows": windows} if spans else {}),
    }


def told(
    engine: Engine,
    name: str | None,
    probabilities: np.ndarray,
    parts: np.ndarray,
    labels: list[str],
    *,
    top: int | None = None,
) -> bytes:
    """`tell` in JSON, window after window: the words for hours of sound would take 100 MB at once."""
    head = tell(engine, name, probabilities, parts[:0], labels, top=top)
    spans = engine.spans(len(parts))
    if not spans:
        return dumped(head)
    places = _likeliest(engine, probabilities, labels, top)
    windows = (
        dumped({"start_s": start, "end_s": end, "probabilities": _named(engine, row, places)})
        for (start, end), row in zip(spans, parts, strict=True)
    )
    return dumped(head)[:-1] + b',"windows":[' + b",".join(windows) + b"]}"


def dumped(content: object) -> bytes:
    r"""JSON on one line.

    >>> dumped({"label": "œ"}).decode(), dumped("half a pair: \ud800")
    ('{"label":"œ"}', b'"half a pair: ?"')
    """
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode("utf-8", "replace")


def _likeliest(engine: Engine, row: np.ndarray, labels: list[str], top: int | None) -> list[int]:
    """The places of the labels that are told, ascending."""
    if top is None or top >= len(row):
        return list(range(len(row)))
    chosen = set(labels)
    given = [place for place, label in enumerate(engine.labels) if label in chosen]
    return sorted({*np.argsort(-row, kind="stable")[:top].tolist(), *given})


def _doubt(engine: Engine, row: np.ndarray, places: list[int]) -> dict[str, Any]:
    """Whether the answer is sure, and which labels are possible, if the bundle knows; others count."""
    if engine.abstention is None:
        return {}
    possible = engine.abstention.possible(row[None])[0]
    named = [engine.labels[place] for place in places if possible[place]]
    left_out = int(possible.sum()) - len(named)
    return {
        "sure": bool(engine.abstention.sure(row[None])[0]),
        "possible": named,
        **({"possible_left_out": left_out} if left_out else {}),
    }


def _named(engine: Engine, row: np.ndarray, places: list[int]) -> dict[str, float]:
    return {engine.labels[place]: float(row[place]) for place in places}
