"""What the evaluation of a model says in words: numbers with their intervals, and where it ends."""

from collections.abc import Mapping, Sequence
from typing import Any

from holdfast.bundle.manifest import Manifest

MOST_NAMED = 20
"""Labels that a list names, or a table has rows for; evaluation.json has all."""
TITLES = {"majority": "majority", "simple": "simple features"}
"""What the baselines are called."""
_FEW = 30


def limits(manifest: Manifest, evaluation: Mapping[str, Any]) -> list[str]:
    """What the model cannot be trusted with, a sentence each, as plain text.

    Args:
        evaluation: the report of `holdfast.evaluate.evaluate` on the held-out split.
    """
    found = ["Nothing was measured on data of another origin than this dataset."]
    if manifest.task == "single":
        found.append("It always gives one of its labels, also to what has none of them.")
    rare = [row for row in evaluation.get("per_class") or [] if row.get("support", _FEW) < _FEW]
    if rare:
        rare.sort(key=lambda row: int(row["support"]))
        names = named([f"{row['label']} ({row['support']})" for row in rare])
        found.append(f"Fewer than {_FEW} held-out samples, so a rough number only: {names}.")
    if undefined := evaluation.get("undefined"):
        found.append(f"The held-out samples say nothing of: {named(list(map(str, undefined)))}.")
    name = str(evaluation.get("headline"))
    own = _value(evaluation.get("metrics"), name)
    for baseline, metrics in (evaluation.get("baselines") or {}).items():
        other = _value(metrics, name)
        if own is not None and other is not None and other >= own:
            found.append(
                f"No better than the {TITLES.get(baseline, baseline)} baseline: "
                f"{name} {number(own)} against {number(other)}."
            )
    return found


def named(labels: Sequence[str]) -> str:
    """The first labels, and how many more there are.

    >>> named(["cat", "dog"])
    'cat, dog'
    """
    more = f" and {len(labels) - MOST_NAMED:,} more" if len(labels) > MOST_NAMED else ""
    return ", ".join(labels[:MOST_NAMED]) + more


def interval(found: Mapping[str, Any] | None) -> str:
    """A metric with its interval; a dash for what is not known.

    >>> interval({"value": 0.9123, "low": 0.88, "high": 0.94})
    '0.912 (0.880 to 0.940)'
    """
    if not found or found.get("value") is None:
        return "–"
    low, high = found.get("low"), found.get("high")
    bounds = "" if low is None or high is None else f" ({number(low)} to {number(high)})"
    return number(found["value"]) + bounds


def number(value: float | None) -> str:
    """Three digits after the point, or as many as a small number needs; a dash for None.

    >>> number(0.91234), number(120), number(2.1e-7), number(None)
    ('0.912', '120', '2.1e-07', '–')
    """
    if value is None:
        return "–"
    if value == int(value) and abs(value) > 1:
        return str(int(value))
    return f"{value:.2g}" if 0 < abs(value) < 5e-4 else f"{value:.3f}"


def _value(metrics: Any, name: str) -> float | None:
    found = ((metrics or {}).get(name) or {}).get("value")
    return None if found is None else float(found)
