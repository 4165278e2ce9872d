"""Plots of a sweep as SVG: small, without a script, readable in light and dark.

Optuna's own plots are Plotly's, whose script alone is 4.7 MB; these take a few kilobytes.
"""

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

_W, _H = 720, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 16, 16, 36


def history(trials: Sequence[Mapping[str, Any]], *, metric: str, maximize: bool) -> str:
    """Each trial's value by its number, and a line for the best so far. Failed trials stand at the bottom."""
    values = [trial["value"] for trial in trials if trial["value"] is not None]
    if not values:
        return _empty("no trial has a value yet")
    x = _scale(0, max(1, len(trials) - 1), _LEFT + 8, _W - _RIGHT - 8)
    y = _scale(*_padded(values), _H - _BOTTOM, _TOP)
    parts = [_axis_y(values, y, metric), _axis_x([0, len(trials) - 1], x, "trial")]
    best: float | None = None
    line: list[str] = []
    for trial in trials:
        value = trial["value"]
        if trial["state"] == "finished" and (best is None or (value > best) == maximize):
            best = value
        if best is not None:
            line.append(f"{x(trial['number']):.1f},{y(best):.1f}")
    parts.append(f'<polyline class="best" points="{" ".join(line)}"/>')
    for trial in trials:
        place = _H - _BOTTOM if trial["value"] is None else y(trial["value"])
        parts.append(
            f'<circle class="{trial["state"]}" cx="{x(trial["number"]):.1f}" cy="{place:.1f}" r="4.5">'
            f"<title>{_told(trial, metric)}</title></circle>"
        )
    return _svg(parts, f"{metric} of each trial", _H)


def curves(trials: Sequence[Mapping[str, Any]], *, metric: str) -> str:
    """The metric after each epoch, a line a trial."""
    shown = [trial for trial in trials if trial["curve"]]
    values = [value for trial in shown for value in trial["curve"].values()]
    if not values:
        return _empty("no epoch was measured yet")
    last = max(int(epoch) for trial in shown for epoch in trial["curve"])
    x = _scale(1, max(2, last), _LEFT + 8, _W - _RIGHT - 8)
    y = _scale(*_padded(values), _H - _BOTTOM, _TOP)
    parts = [_axis_y(values, y, metric), _axis_x([1, last], x, "epoch")]
    for trial in shown:
        points = " ".join(f"{x(int(epoch)):.1f},{y(v):.1f}" for epoch, v in trial["curve"].items())
        end, value = max((int(epoch), v) for epoch, v in trial["curve"].items())
        parts.append(
            f'<g class="{trial["state"]}"><title>{_told(trial, metric)}</title>'
            f'<polyline points="{points}"/><circle cx="{x(end):.1f}" cy="{y(value):.1f}" r="3"/></g>'
        )
    return _svg(parts, f"{metric} after each epoch", _H)


def importance(shares: Mapping[str, float] | None) -> str:
    """A bar for each dial: the share of the metric's variance that it accounts for."""
    if not shares:
        return _empty("it takes four finished trials with different values to say which dial matters")
    rows = sorted(shares.items(), key=lambda item: -item[1])
    parts = []
    for number, (key, share) in enumerate(rows):
        top = 10 + 30 * number
        parts.append(
            f'<text class="name" x="200" y="{top + 14}" text-anchor="end">{escape(key)}</text>'
            f'<rect class="bar" x="210" y="{top}" width="{max(1.0, 440 * share):.1f}" height="20" rx="3"/>'
            f'<text x="{218 + 440 * share:.1f}" y="{top + 14}">{share:.0%}</text>'
        )
    return _svg(parts, "which dial matters", 20 + 30 * len(rows))


def parallel(
    trials: Sequence[Mapping[str, Any]], *, metric: str, maximize: bool, log: Sequence[str] = ()
) -> str:
    """An axis for each dial and one for the metric; a line for each trial, the better the stronger."""
    shown = [trial for trial in trials if trial["value"] is not None]
    if not shown:
        return _empty("no trial has a value yet")
    keys = list(shown[0]["settings"])
    axes = [_Axis(key, [trial["settings"][key] for trial in shown], key in log) for key in keys]
    axes.append(_Axis(metric, [trial["value"] for trial in shown], False))
    places = [90 + number * (_W - 180) / max(1, len(axes) - 1) for number in range(len(axes))]
    parts = []
    for trial in sorted(shown, key=lambda it: (it["value"] > 0, it["value"]), reverse=not maximize):
        values = [*(trial["settings"][key] for key in keys), trial["value"]]
        points = [f"{x:.1f},{axis.y(v):.1f}" for x, axis, v in zip(places, axes, values, strict=True)]
        share = axes[-1].share(trial["value"]) if maximize else 1 - axes[-1].share(trial["value"])
        parts.append(
            f'<polyline style="opacity:{0.12 + 0.88 * share**2:.2f}" points="{" ".join(points)}">'
            f"<title>{_told(trial, metric)}</title></polyline>"
        )
    for x, axis in zip(places, axes, strict=True):
        parts.append(axis.drawn(x))
    return _svg(parts, "settings and values of each trial", _H + 20)


class _Axis:
    """An upright axis of numbers, or of values that are only named."""

    def __init__(self, name: str, values: Sequence[Any], log: bool) -> None:
        self.name = name
        self.is_number = all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
        self.log = log and self.is_number and min(values) > 0
        self.named = [] if self.is_number else sorted({str(value) for value in values})
        numbers = [self._number(value) for value in values]
        self.low, self.high = min(numbers), max(numbers)

    def share(self, value: Any) -> float:
        """How far up a value lies: 0 at the bottom, 1 at the top; in the middle if there is only one."""
        return 0.5 if self.high == self.low else (self._number(value) - self.low) / (self.high - self.low)

    def y(self, value: Any) -> float:
        return _H - _BOTTOM - self.share(value) * (_H - _BOTTOM - _TOP - 20)

    def drawn(self, x: float) -> str:
        ends: list[Any] = self.named or [
            10**end if self.log else end for end in sorted({self.low, self.high})
        ]
        ticks = "".join(
            f'<text class="tick" x="{x + 6:.1f}" y="{self.y(end) + 4:.1f}">{escape(_short(end))}</text>'
            for end in ends
        )
        return (
            f'<line class="axis" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP + 20}" y2="{_H - _BOTTOM}"/>{ticks}'
            f'<text class="name" x="{x:.1f}" y="{_H}" text-anchor="middle">{escape(self.name)}</text>'
        )

    def _number(self, value: Any) -> float:
        if not self.is_number:
            return float(self.named.index(str(value)))
        return math.log10(value) if self.log else float(value)


def _told(trial: Mapping[str, Any], metric: str) -> str:
    settings = ", ".join(f"{key} {_short(value)}" for key, value in trial["settings"].items())
    value = "" if trial["value"] is None else f", {metric} {_short(trial['value'])}"
    return escape(f"trial {trial['number'] + 1}, {trial['state']}{value}: {settings}")


def _axis_y(values: Sequence[float], y: Any, name: str) -> str:
    low, high = min(values), max(values)
    marks = [low, high] if low != high else [low]
    lines = "".join(
        f'<line class="grid" x1="{_LEFT}" x2="{_W - _RIGHT}" y1="{y(mark):.1f}" y2="{y(mark):.1f}"/>'
        f'<text class="tick" x="{_LEFT - 6}" y="{y(mark) + 4:.1f}" text-anchor="end">{_short(mark)}</text>'
        for mark in marks
    )
    middle = (_H - _BOTTOM + _TOP) / 2
    return (
        f'{lines}<text class="name" transform="translate(14,{middle:.0f}) rotate(-90)" '
        f'text-anchor="middle">{escape(name)}</text>'
    )


def _axis_x(ends: Sequence[int], x: Any, name: str) -> str:
    shift = 1 if name == "trial" else 0  # people count from 1
    ticks = "".join(
        f'<text class="tick" x="{x(end):.1f}" y="{_H - _BOTTOM + 20}" text-anchor="middle">'
        f"{end + shift}</text>"
        for end in sorted(set(ends))
    )
    return f'{ticks}<text class="name" x="{_W / 2}" y="{_H - 4}" text-anchor="middle">{name}</text>'


def _scale(low: float, high: float, first: float, last: float) -> Any:
    return lambda value: first + (value - low) / (high - low) * (last - first)


def _padded(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    room = (high - low) * 0.08 or abs(high) * 0.08 or 1.0
    return low - room, high + room


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _svg(parts: Sequence[str], label: str, height: int) -> str:
    return f'<svg viewBox="0 0 {_W} {height}" role="img" aria-label="{escape(label)}">{"".join(parts)}</svg>'


def _empty(text: str) -> str:
    return f'<p class="empty">{escape(text)}</p>'
