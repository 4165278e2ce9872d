"""Sample predictions: held-out samples with what the model says of them, for a person to look at."""

import io
from pathlib import Path

import numpy as np

from holdfast.bundle import open_bundle
from holdfast.core.files import folder_aside, publish, write_bytes, write_json
from holdfast.data import Version
from holdfast.modality import read_text
from holdfast.serve.engine import Engine
from holdfast.tracking.exporters.shown import SAMPLES
from holdfast.tracking.record import BUNDLE
from holdfast.workflows.scoring import score

_DRAWN, _LONGEST, _SIDE = 256, 500, 96


def write_samples(run: Path, version: Version, count: int, *, threads: int = 0) -> None:
    """Write a run's sample predictions, whole or not at all; if they are there, leave them.

    Up to 256 samples are drawn from the test split. Half of those shown are wrong where there are so many,
    the surest first, since they teach the most; so their share says nothing of how good the model is.

    Args:
        run: the run's folder, with its bundle.
        version: the data that it learnt from.
        count: how many to show.
        threads: of the engine; 0 takes all cores.
    """
    rows = version.indices("test", headline=True)
    if (run / SAMPLES).exists() or not count or not len(rows):
        return
    drawn = np.sort(np.random.default_rng(0).permutation(rows)[:_DRAWN])
    engine = Engine(open_bundle(run / BUNDLE), threads=threads)
    probabilities = score(engine, version, drawn, "sample predictions").probabilities
    said = [tuple(labels) for labels in engine.labels_of(probabilities)]
    sure = probabilities.max(axis=1)
    wrong = np.array(
        [set(mine) != set(version.labels_of(int(row))) for mine, row in zip(said, drawn, strict=True)]
    )
    with folder_aside(run) as aside:
        told = []
        for number, place in enumerate(chosen(wrong, sure, count)):
            row = int(drawn[place])
            data = version.read(row)
            picture = _picture(engine, data)
            if picture:
                write_bytes(aside / f"{number:03}.png", picture)
            told.append(
                {
                    "name": str(version.names[row]),
                    "true": ", ".join(version.labels_of(row)),
                    "predicted": ", ".join(said[place]),
                    "probability": round(float(sure[place]), 6),
                    "picture": f"{number:03}.png" if picture else None,
                    "text": None if picture else read_text(data)[:_LONGEST],
                }
            )
        write_json(aside / "samples.json", told)
        publish(aside, run / SAMPLES)
    engine.close()


def chosen(wrong: np.ndarray, sure: np.ndarray, count: int) -> list[int]:
    """Which samples to show: the surest mistakes first, up to half, then right answers as they come.

    >>> chosen(np.array([False, True, True, False, True]), np.array([0.9, 0.6, 0.8, 0.7, 0.5]), 4)
    [2, 1, 0, 3]
    """
    mistakes = [int(place) for place in np.flatnonzero(wrong)[np.argsort(-sure[wrong], kind="stable")]]
    right = [int(place) for place in np.flatnonzero(~wrong)]
    few = max(count // 2, count - len(right))
    return (mistakes[:few] + right)[:count]


def _picture(engine: Engine, data: bytes) -> bytes | None:
    """What the network sees, as PNG: the picture, or the first window's spectrogram; None for a text."""
    from PIL import Image

    if engine.manifest.modality == "text":
        return None
    part = engine.decode(data)[0]
    pixels = part if engine.manifest.modality == "image" else _spectrogram(part)
    picture = Image.fromarray(pixels)
    if picture.width < _SIDE:
        times = -(-_SIDE // picture.width)
        picture = picture.resize((picture.width * times, picture.height * times), Image.Resampling.NEAREST)
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def _spectrogram(wave: np.ndarray, *, frame: int = 512) -> np.ndarray:
    """Loudness over 80 dB as grey, low tones at the bottom; uint8 of shape (257, frames)."""
    wave = np.pad(wave, (0, max(0, frame - len(wave))))
    hop = max(128, len(wave) // 400)
    frames = np.lib.stride_tricks.sliding_window_view(wave, frame)[::hop] * np.hanning(frame)
    loud = 20 * np.log10(np.abs(np.fft.rfft(frames, axis=1)) + 1e-9)
    grey = np.clip((loud - loud.max() + 80) / 80, 0, 1) * 255
    return np.ascontiguousarray(grey.T[::-1]).astype(np.uint8)
