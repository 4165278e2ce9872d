"""Simple facts of a sample as the graph takes it: cheap to measure, and what drifts first."""

from collections.abc import Sequence

import numpy as np

from holdfast.core.media import Modality

_SIDE = 16
_GREY = np.full(3, 1 / 3 / 255, np.float32)
_STEPS = 4096
_SILENCE_DB = -120.0


def features(modality: Modality, decoded: np.ndarray) -> dict[str, float]:
    """Measured on a grid of a decoded sample, so that a large one costs no more: some 10 µs.

    Args:
        modality: of the sample.
        decoded: what `Engine.decode` gave; shape (parts, …).

    Returns:
        Of a picture `brightness` and `contrast`, 0 to 1: mean and deviation of its grey levels. Of a sound
        `loudness`, the root mean square in decibels (full scale is 0), and `windows`. Of a text `tokens`.

    >>> features("image", np.full((1, 8, 8, 3), 51, np.uint8))
    {'brightness': 0.2, 'contrast': 0.0}
    """
    if modality == "image":
        step = max(1, decoded.shape[1] // _SIDE)
        # as a product, which is quicker than a mean over so short an axis
        grey = decoded[0, ::step, ::step].astype(np.float32).reshape(-1, 3) @ _GREY
        mean = float(grey.sum()) / len(grey)
        spread = max(0.0, float(grey @ grey) / len(grey) - mean * mean) ** 0.5
        return {"brightness": round(mean, 4), "contrast": round(spread, 4)}
    if modality == "audio":
        heard = decoded.ravel()[:: max(1, decoded.size // _STEPS)].astype(np.float64)
        power = float(heard @ heard) / max(1, len(heard))
        decibels = 10 * float(np.log10(power)) if power > 0 else _SILENCE_DB
        return {"loudness": round(max(_SILENCE_DB, decibels), 2), "windows": len(decoded)}
    return {"tokens": decoded.shape[1]}


def joined(pieces: Sequence[dict[str, float]]) -> dict[str, float]:
    """The features of a whole recording from those of its pieces; none if there are none of them.

    >>> joined([{"loudness": 0.0, "windows": 1}, {"loudness": -120.0, "windows": 1}])
    {'loudness': -3.01, 'windows': 2}
    """
    if not all(pieces):
        return {}
    windows = np.array([piece["windows"] for piece in pieces])
    power = 10 ** (np.array([piece["loudness"] for piece in pieces]) / 10)
    return {
        "loudness": round(float(10 * np.log10(np.average(power, weights=windows))), 2),
        "windows": int(windows.sum()),
    }
