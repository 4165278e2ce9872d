"""A chart of a few lines, as SVG that is drawn here."""

import math
from collections.abc import Sequence

from holdfast.core.markup import Markup, join, tag

_WIDTH, _HEIGHT, _LEFT, _TOP, _BOTTOM = 340, 190, 46, 10, 24
LINES = 6
"""Lines that look different; the seventh looks like the first."""


def line_chart(title: str, lines: Sequence[Sequence[tuple[float, float]]], names: Sequence[str]) -> Markup:
    """Lines over the same axes, each point with its value when one points at it.

    Args:
        title: what is measured.
        lines: for each name its points of x and y, from left to right; one may have none.
        names: of the lines.

    >>> line_chart("loss", [[(1, 0.5), (2, 0.25)]], ["a"]).count("<circle")
    2
    """
    points = [point for line in lines for point in line]
    if not points:
        return Markup("")
    x = _scale([x for x, _ in points], _LEFT, _WIDTH - 8)
    y = _scale([y for _, y in points], _HEIGHT - _BOTTOM, _TOP)
    return tag(
        "svg",
        tag("title", title),
        *_axes([x for x, _ in points], [y for _, y in points]),
        *(
            _line(line, name, x, y, index % LINES)
            for index, (line, name) in enumerate(zip(lines, names, strict=True))
        ),
        viewBox=f"0 0 {_WIDTH} {_HEIGHT}",
        role="img",
    )


class _Scale:
    """From values to places on the chart."""

    def __init__(self, values: Sequence[float], first: float, last: float) -> None:
        self._low, high = min(values), max(values)
        self._span = high - self._low
        self._first, self._reach = first, last - first

    def __call__(self, value: float) -> float:
        share = (value - self._low) / self._span if self._span else 0.5
        return round(self._first + share * self._reach, 2)


def _scale(values: Sequence[float], first: float, last: float) -> _Scale:
    return _Scale(values, first, last)


def _line(line: Sequence[tuple[float, float]], name: str, x: _Scale, y: _Scale, look: int) -> Markup:
    places = [(x(a), y(b)) for a, b in line]
    dots = (
        tag("circle", tag("title", f"{name}: {b:.4g} at {a:g}"), cx=place[0], cy=place[1], r=2.5)
        for place, (a, b) in zip(places, line, strict=True)
    )
    drawn = tag("polyline", points=" ".join(f"{a},{b}" for a, b in places))
    return tag("g", drawn, *dots, class_=f"line look{look}")


def _axes(xs: Sequence[float], ys: Sequence[float]) -> list[Markup]:
    x, y = _scale(xs, _LEFT, _WIDTH - 8), _scale(ys, _HEIGHT - _BOTTOM, _TOP)
    grid = [
        join(
            tag("line", x1=_LEFT, x2=_WIDTH - 8, y1=y(value), y2=y(value), class_="rule"),
            tag("text", f"{value:.3g}", x=_LEFT - 5, y=y(value) + 4, text_anchor="end"),
        )
        for value in _ticks(ys)
    ]
    ends = {min(xs): "start", max(xs): "end"}
    named = [
        tag("text", f"{value:g}", x=x(value), y=_HEIGHT - 6, text_anchor=where)
        for value, where in ends.items()
    ]
    return [*grid, *named]


def _ticks(values: Sequence[float]) -> list[float]:
    """Three to six round values within the range; its only value where there is one.

    >>> _ticks([0.0, 1.0])
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    low, high = min(values), max(values)
    if low == high:
        return [low]
    raw = (high - low) / 5
    unit = 10 ** math.floor(math.log10(raw))
    step = next(unit * times for times in (1, 2, 5, 10) if unit * times >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(index * step, 12) for index in range(first, last + 1)]
