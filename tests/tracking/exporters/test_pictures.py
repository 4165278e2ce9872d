import io

import numpy as np
from PIL import Image

from holdfast.tracking.exporters.pictures import draw_confusion


def test_the_diagonal_is_dark_where_every_sample_is_right() -> None:
    names = ["a" * 40, "b"]

    pixels = np.array(Image.open(io.BytesIO(draw_confusion([[7, 0], [4, 4]], names))))

    colours = {tuple(int(part) for part in pixel) for pixel in pixels.reshape(-1, 3)}
    assert {(8, 48, 107), (255, 255, 255), (131, 151, 181)} <= colours  # all, none, half


def test_many_labels_can_be_drawn() -> None:
    counts = np.eye(60, dtype=int).tolist()

    assert draw_confusion(counts, [f"label {number}" for number in range(60)]).startswith(b"\x89PNG")
