"""A picture of a run for a report: its losses by epoch, as PNG."""

from collections.abc import Sequence
from pathlib import Path

from holdfast.tracking import RunRecord

_WIDE, _HIGH, _EDGE = 720, 420, 60
_COLOURS = ("#1f5fa8", "#b4500f")


def loss_figure(run: RunRecord, folder: Path) -> Path | None:
    """Draw the losses of a run into a folder, unless a picture of that name is there already.

    Returns:
        The picture; None if there is nothing to draw, or nothing to draw with.
    """
    place = folder / f"{run.id}-loss.png"
    if place.exists():
        return place
    epochs = [line for line in run.metrics() if isinstance(line.get("epoch"), int)]
    lines = {
        name: [
            (float(line["epoch"]), float(line[name])) for line in epochs if isinstance(line.get(name), float)
        ]
        for name in ("train_loss", "loss")
    }
    lines = {name: points for name, points in lines.items() if len(points) > 1}
    if not lines:
        return None
    try:
        data = _drawn(run.id, lines)
    except ImportError:  # pillow comes with an extra
        return None
    from holdfast.core.files import write_bytes

    folder.mkdir(parents=True, exist_ok=True)
    write_bytes(place, data)
    return place


def _drawn(title: str, lines: dict[str, list[tuple[float, float]]]) -> bytes:
    import io

    from PIL import Image, ImageDraw

    picture = Image.new("RGB", (_WIDE, _HIGH), "white")
    pen = ImageDraw.Draw(picture)
    every = [point for points in lines.values() for point in points]
    (left, right), (low, high) = _span([x for x, _ in every]), _span([y for _, y in every])

    def at(x: float, y: float) -> tuple[float, float]:
        return (
            _EDGE + (x - left) / (right - left) * (_WIDE - 2 * _EDGE),
            _HIGH - _EDGE - (y - low) / (high - low) * (_HIGH - 2 * _EDGE),
        )

    pen.line([at(left, high), at(left, low), at(right, low)], fill="#444444", width=1)
    pen.text((_EDGE, 16), f"{title}: loss by epoch", fill="black")
    for value in (low, (low + high) / 2, high):
        pen.text((8, at(left, value)[1] - 6), f"{value:.3f}", fill="#444444")
    for value in (left, right):
        pen.text((at(value, low)[0] - 3, _HIGH - _EDGE + 8), f"{value:.0f}", fill="#444444")
    for number, (name, points) in enumerate(lines.items()):
        pen.line([at(x, y) for x, y in points], fill=_COLOURS[number], width=3)
        pen.text((_EDGE + 140 * number, _HIGH - 28), f"— {name}", fill=_COLOURS[number])
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def _span(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    return (low, high) if high > low else (low - 0.5, high + 0.5)
