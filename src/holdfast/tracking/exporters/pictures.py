"""A confusion matrix as a picture."""

import io
from collections.abc import Sequence

MOST_LABELS = 60
"""With more, nobody could read it; the table of labels says more then."""
_CELL, _MARGIN = 34, 12


def draw_confusion(counts: Sequence[Sequence[int]], labels: Sequence[str]) -> bytes:
    """A PNG: true labels down, given labels across; the darker, the larger the share of the true label.

    Args:
        counts: one row per true label, one column per given label.
        labels: as many.

    >>> draw_confusion([[8, 2], [0, 5]], ["cat", "dog"])[:4]
    b'\\x89PNG'
    """
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(12)
    names = [label if len(label) <= 24 else f"{label[:23]}…" for label in labels]
    left = _MARGIN + int(max(font.getlength(name) for name in names)) + 6
    side, top = _CELL * len(names), _MARGIN + 18
    picture = Image.new("RGB", (left + side + _MARGIN, top + left + side), "white")
    draw = ImageDraw.Draw(picture)
    draw.text((left, _MARGIN), "true ↓   given →".replace("↓", "down").replace("→", "across"), "#555", font)
    for row, (name, line) in enumerate(zip(names, counts, strict=True)):
        y, total = top + row * _CELL, max(1, sum(line))
        draw.text((left - 6, y + _CELL / 2), name, "#222", font, anchor="rm")
        for column, count in enumerate(line):
            x, share = left + column * _CELL, count / total
            shade = (int(255 - 247 * share), int(255 - 207 * share), int(255 - 148 * share))
            draw.rectangle((x, y, x + _CELL - 2, y + _CELL - 2), shade)
            if count:
                ink = "white" if share > 0.5 else "#222"
                draw.text((x + _CELL / 2, y + _CELL / 2), str(count), ink, font, anchor="mm")
    for column, name in enumerate(names):
        _write_down(picture, name, (left + column * _CELL + _CELL // 2 - 8, top + side + 6), left)
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def _write_down(picture: object, name: str, at: tuple[int, int], length: int) -> None:
    """A label below its column, read from top to bottom."""
    from PIL import Image, ImageDraw, ImageFont

    assert isinstance(picture, Image.Image)
    strip = Image.new("RGB", (length, 16), "white")
    ImageDraw.Draw(strip).text((0, 8), name, "#222", ImageFont.load_default(12), anchor="lm")
    picture.paste(strip.rotate(-90, expand=True), at)
