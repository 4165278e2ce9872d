"""A curve of dots for a terminal."""

import math
from collections.abc import Sequence

_DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
"""Bits of a Braille character: two columns of four dots (Unicode block U+2800)."""


def curve(
    xs: Sequence[float], ys: Sequence[float], *, log: bool = False, width: int = 60, height: int = 12
) -> str:
    """Points as Braille dots, with the ends of both axes; at least one point and two lines.

    Args:
        log: whether the x axis is logarithmic.
        width: characters; each holds two dots.
        height: lines; each holds four dots.

    >>> print(curve([1, 10, 100], [0.0, 0.5, 1.0], log=True, width=4, height=2))
            1 ┤⠀⠀⠀⠈
            0 ┤⡀⠀⠁⠀
               1  100
    """
    across = [math.log10(x) if log else x for x in xs]
    columns, rows = _spread(across, 2 * width), _spread([-y for y in ys], 4 * height)
    cells = [[0] * width for _ in range(height)]
    for column, row in zip(columns, rows, strict=True):
        cells[row // 4][column // 2] |= _DOTS[column % 2][row % 4]
    lines = ["".join(chr(0x2800 + bits) for bits in line) for line in cells]
    names = [f"{max(ys):.4g}", *[""] * (height - 2), f"{min(ys):.4g}"]
    ends = f"{min(xs):.4g}", f"{max(xs):.4g}"
    foot = ends[0] + ends[1].rjust(max(width - len(ends[0]), len(ends[1]) + 2))
    drawn = [f"{name:>9} ┤{line}" for name, line in zip(names, lines, strict=True)]
    return "\n".join([*drawn, " " * 11 + foot])


def _spread(values: Sequence[float], count: int) -> list[int]:
    """The place of each value between the smallest and the largest, from 0 to count - 1."""
    low, high = min(values), max(values)
    size = (high - low) or 1.0
    return [round((value - low) / size * (count - 1)) for value in values]
