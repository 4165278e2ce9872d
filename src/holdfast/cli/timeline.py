"""A recording's answer over time: when each label is heard, as a small plot and as stretches."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

_BLOCKS = " ▁▂▃▄▅▆▇█"
_COLUMNS = 60
_LABELS = 5


def timeline(windows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Lines for the labels that lead somewhere, then the stretches in which each of them leads.

    A column is one window, or where there are too many, the highest of a few; its height is the probability.
    At most five labels get a line, those that are most probable on the whole.

    Args:
        windows: as in the answer: `start_s`, `end_s` and `probabilities` by label.

    >>> rows = [(0, 5, 0.9), (2.5, 7.5, 0.8), (5, 10, 0.1)]
    >>> windows = [
    ...     {"start_s": s, "end_s": e, "probabilities": {"rook": p, "wren": 1 - p}} for s, e, p in rows
    ... ]
    >>> print("\\n".join(timeline(windows)))
      rook  |█▇ |
      wren  | ▁█|  0.0 to 10.0 s
      0.0 to 7.5 s   rook 85.0%
      5.0 to 10.0 s  wren 90.0%
    """
    leaders = [max(window["probabilities"], key=window["probabilities"].__getitem__) for window in windows]
    sums = {label: sum(window["probabilities"][label] for window in windows) for label in leaders}
    shown = sorted(sums, key=lambda label: -sums[label])[:_LABELS]
    width = max(map(len, shown))
    lines = [
        f"  {label:{width}}  |{_plot([window['probabilities'][label] for window in windows])}|"
        for label in shown
    ]
    lines[-1] += f"  {windows[0]['start_s']:.1f} to {windows[-1]['end_s']:.1f} s"
    return [*lines, *_stretches(windows, leaders)]


def _plot(values: Sequence[float]) -> str:
    size = -(-len(values) // _COLUMNS)
    highest = [max(values[start : start + size]) for start in range(0, len(values), size)]
    return "".join(_BLOCKS[min(int(value * len(_BLOCKS)), len(_BLOCKS) - 1)] for value in highest)


def _stretches(windows: Sequence[Mapping[str, Any]], leaders: Sequence[str]) -> list[str]:
    """Windows in a row that one label leads are one stretch, with its mean probability."""
    told = []
    for label, group in groupby(zip(leaders, windows, strict=True), key=lambda pair: pair[0]):
        row = [window for _, window in group]
        mean = sum(window["probabilities"][label] for window in row) / len(row)
        told.append((f"{row[0]['start_s']:.1f} to {row[-1]['end_s']:.1f} s", f"{label} {mean:.1%}"))
    width = max(len(time) for time, _ in told)
    return [f"  {time:{width}}  {said}" for time, said in told]
