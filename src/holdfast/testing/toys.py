"""Small data sets that a small model can learn, written as the files that users have."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

SHAPES = ("disc", "square")
TONES = {"low": 300.0, "high": 2400.0}
WORDS = {
    "sea": "wave boat salt tide fish harbour gull sail",
    "hill": "stone path sheep cliff heather slope summit ridge",
}


def write_images(
    folder: Path, *, classes: Sequence[str] = SHAPES, per_class: int = 20, size: int = 32, seed: int = 0
) -> Path:
    """A folder per class of noisy PNG pictures: class k shows k + 1 bright bars, or a disc or a square."""
    from PIL import Image

    rng = np.random.default_rng(seed)
    for index, name in enumerate(classes):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(per_class):
            pixels = rng.integers(0, 90, (size, size, 3), dtype=np.uint8)
            pixels[_shape(name, index, size, rng)] = rng.integers(170, 255, 3)
            Image.fromarray(pixels).save(folder / name / f"{name} ({number}).png")
    return folder


def write_sounds(
    folder: Path, *, per_class: int = 12, seconds: float = 1.0, rate: int = 16000, seed: int = 0
) -> Path:
    """A folder per class of WAV files: a low or a high tone in noise."""
    import soundfile

    rng = np.random.default_rng(seed)
    for name, pitch in TONES.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(per_class):
            length = seconds * rng.uniform(0.7, 1.3)
            time = np.arange(int(length * rate)) / rate
            tone = np.sin(2 * np.pi * pitch * rng.uniform(0.8, 1.2) * time + rng.uniform(0, 6))
            sound = 0.3 * tone + 0.05 * rng.standard_normal(len(time))
            soundfile.write(folder / name / f"{name}_{number}.wav", sound.astype(np.float32), rate)
    return folder


def write_texts(path: Path, *, per_class: int = 40, seed: int = 0) -> Path:
    """A CSV file with the columns text and label: sentences about the sea or the hills."""
    rng = np.random.default_rng(seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    shared = ["the", "a", "and", "of", "with", "over", "under", "near", "old", "new"]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        for _ in range(per_class):
            for label, words in WORDS.items():
                vocabulary = words.split() + shared * 2
                writer.writerow([" ".join(rng.choice(vocabulary, rng.integers(8, 24))), label])
    return path


def write_attributes(folder: Path, *, samples: int = 60, size: int = 32, seed: int = 0) -> Path:
    """Pictures under images/ and attributes.csv: a 0/1 column for each of three colours, and a group."""
    from PIL import Image

    rng = np.random.default_rng(seed)
    (folder / "images").mkdir(parents=True, exist_ok=True)
    with (folder / "attributes.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "red", "green", "blue", "person_id"])
        for number in range(samples):
            has = rng.integers(0, 2, 3)
            pixels = rng.integers(0, 60, (size, size, 3)) + has * 150
            Image.fromarray(pixels.astype(np.uint8)).save(folder / "images" / f"{number:04}.png")
            writer.writerow([f"{number:04}.png", *has, 1000 + number // 2])
    return folder


def write_digits(folder: Path) -> Path:
    """scikit-learn's 1,797 handwritten digits of 8 × 8 pixels as PNG files in ten class folders."""
    from PIL import Image
    from sklearn.datasets import load_digits

    digits = load_digits()
    for number, (pixels, label) in enumerate(zip(digits.images, digits.target, strict=True)):
        target = folder / str(label) / f"{number:04}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((pixels * 255 / 16).round().astype(np.uint8)).save(target)
    return folder


def _shape(name: str, index: int, size: int, rng: np.random.Generator) -> np.ndarray:
    rows, columns = np.mgrid[:size, :size]
    radius = size * rng.uniform(0.2, 0.3)
    y, x = rng.uniform(radius, size - radius, 2)
    if name == "disc":
        return np.asarray((rows - y) ** 2 + (columns - x) ** 2 < radius**2)
    if name == "square":
        return np.asarray((abs(rows - y) < radius) & (abs(columns - x) < radius))
    return np.asarray((columns * (index + 1) * 2 // size) % 2 == 0)
