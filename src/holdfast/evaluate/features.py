"""Plain features of pictures, sounds and texts for the simple baseline; no network, nothing learnt."""

from collections.abc import Sequence
from typing import Any

import numpy as np

_SIDE = 64
_TURNS = 9
_BANDS = 40


def image_features(pictures: np.ndarray) -> np.ndarray:
    """Oriented gradients, a thumbnail and a colour histogram of each picture.

    Args:
        pictures: uint8, shape (n, height, width, 3).

    Returns:
        float32, shape (n, features).
    """
    blocks = [_image_features(pictures[start : start + 256]) for start in range(0, len(pictures), 256)]
    return np.concatenate(blocks)


def _image_features(pictures: np.ndarray) -> np.ndarray:
    small = shrink(pictures.astype(np.float32) / 255, _SIDE)
    grey = small @ np.array([0.299, 0.587, 0.114], dtype=np.float32)
    thumbnail = shrink(grey[..., None], 12)[..., 0].reshape(len(grey), -1)
    return np.concatenate([oriented_gradients(grey), thumbnail, colours(small)], axis=1).astype(np.float32)


def shrink(pictures: np.ndarray, side: int) -> np.ndarray:
    """Means over rectangles, so that no side is longer than this; shape (n, h, w, channels)."""
    for axis in (1, 2):
        length = pictures.shape[axis]
        if length > side:
            edges = np.arange(side) * length // side
            widths = np.diff(np.r_[edges, length]).astype(np.float32)
            shape = [1, 1, 1, 1]
            shape[axis] = side
            pictures = np.add.reduceat(pictures, edges, axis=axis) / widths.reshape(shape)
    return pictures


def oriented_gradients(grey: np.ndarray, cells: int = 8) -> np.ndarray:
    """Histograms of gradient directions (Dalal and Triggs 2005).

    A gradient votes with its length for the two nearest of 9 directions without sign, in one of
    cells × cells cells; blocks of 2 × 2 cells are normed, cut at 0.2 and normed again.

    Args:
        grey: shape (n, height, width), 0 to 1.
        cells: on each side; no more than there are pixels.

    Returns:
        Shape (n, (cells - 1)² · 36).
    """
    n, height, width = grey.shape
    cells = max(2, min(cells, height, width))
    down, right = np.zeros_like(grey), np.zeros_like(grey)
    down[:, 1:-1] = grey[:, 2:] - grey[:, :-2]
    right[:, :, 1:-1] = grey[:, :, 2:] - grey[:, :, :-2]
    length = np.hypot(down, right)
    turn = np.arctan2(down, right) * (_TURNS / np.pi)  # opposite directions are one, modulo 9
    lower = np.floor(turn)
    share = turn - lower
    cell = (np.arange(height) * cells // height)[:, None] * cells + np.arange(width) * cells // width
    place = (np.arange(n)[:, None, None] * cells * cells + cell) * _TURNS
    votes = np.zeros(n * cells * cells * _TURNS)
    for offset, weight in ((0, 1 - share), (1, share)):
        at = place + (lower.astype(int) + offset) % _TURNS
        votes += np.bincount(at.ravel(), weights=(length * weight).ravel(), minlength=len(votes))
    grid = votes.reshape(n, cells, cells, _TURNS)
    blocks = np.concatenate([grid[:, :-1, :-1], grid[:, :-1, 1:], grid[:, 1:, :-1], grid[:, 1:, 1:]], axis=3)
    normed = _normed(np.minimum(_normed(blocks), 0.2))
    return np.asarray(normed.reshape(n, -1))


def _normed(blocks: np.ndarray) -> np.ndarray:
    return np.asarray(blocks / np.sqrt((blocks**2).sum(axis=-1, keepdims=True) + 1e-4))


def colours(pictures: np.ndarray, levels: int = 4) -> np.ndarray:
    """Square roots of the shares of colours; shape (n, levels³).

    Args:
        pictures: shape (n, height, width, 3), 0 to 1.
        levels: of each channel; more see finer shades.
    """
    n = len(pictures)
    level = np.clip((pictures * levels).astype(int), 0, levels - 1)
    bin_of = (level @ np.array([levels * levels, levels, 1])).reshape(n, -1)
    at = bin_of + np.arange(n)[:, None] * levels**3
    counts = np.bincount(at.ravel(), minlength=n * levels**3).reshape(n, -1)
    return np.asarray(np.sqrt(counts / bin_of.shape[1]))


def audio_features(sounds: Sequence[np.ndarray], rate: int) -> np.ndarray:
    """Mean and spread over time of log energies in mel bands, and of their changes.

    Args:
        sounds: each float32, shape (windows, samples).
        rate: samples a second.

    Returns:
        float32, shape (n, 4 · 40).
    """
    size = 1 << int(np.ceil(np.log2(0.04 * rate)))  # the power of two from 40 ms up
    bands = mel_bands(rate, size)
    hann = np.hanning(size).astype(np.float32)
    return np.stack([_audio_features(np.atleast_2d(sound), hann, bands) for sound in sounds])


def _audio_features(windows: np.ndarray, hann: np.ndarray, bands: np.ndarray) -> np.ndarray:
    each = [_energies(window, hann, bands) for window in windows]  # one at a time: a long sound has hundreds
    energies = np.concatenate(each)
    changes = np.concatenate([np.diff(part, axis=0) for part in each])
    if not len(changes):
        changes = np.zeros_like(energies)
    moments = [moment for part in (energies, changes) for moment in (part.mean(axis=0), part.std(axis=0))]
    return np.concatenate(moments).astype(np.float32)


def _energies(window: np.ndarray, hann: np.ndarray, bands: np.ndarray) -> np.ndarray:
    """Log energies of half-overlapping frames, shape (frames, bands); padding is left out."""
    size = len(hann)
    padded = np.pad(window, (0, max(0, size - len(window))))
    frames = np.lib.stride_tricks.sliding_window_view(padded, size)[:: size // 2]
    heard = frames[frames.any(axis=1)]
    power = np.abs(np.fft.rfft((heard if len(heard) else frames[:1]) * hann)) ** 2
    return np.asarray(np.log(power @ bands + 1e-6))


def mel_bands(rate: int, size: int, bands: int = _BANDS) -> np.ndarray:
    """Weights of spectrum lines in overlapping triangles, evenly spaced in mel.

    Shape (size // 2 + 1, bands).
    """
    top = 2595 * np.log10(1 + rate / 2 / 700)
    corners = 700 * (10 ** (np.linspace(0, top, bands + 2) / 2595) - 1)
    lines = np.arange(size // 2 + 1)[:, None] * rate / size
    rise = (lines - corners[:-2]) / (corners[1:-1] - corners[:-2])
    fall = (corners[2:] - lines) / (corners[2:] - corners[1:-1])
    return np.clip(np.minimum(rise, fall), 0, None).astype(np.float32)


def text_features(train: Sequence[str], test: Sequence[str]) -> tuple[Any, Any]:
    """TF-IDF of words, pairs of words and runs of 3 to 5 characters; two sparse matrices."""
    from scipy.sparse import csr_matrix, hstack
    from sklearn.feature_extraction.text import TfidfVectorizer

    kinds = ({"analyzer": "word", "ngram_range": (1, 2)}, {"analyzer": "char_wb", "ngram_range": (3, 5)})
    rare = 2 if len(train) >= 50 else 1
    known, asked = [csr_matrix((len(train), 1))], [csr_matrix((len(test), 1))]
    for kind in kinds:
        counter = TfidfVectorizer(min_df=rare, sublinear_tf=True, max_features=100_000, **kind)
        try:
            known.append(counter.fit_transform(train))
        except ValueError:  # no such term in two texts: a script without blanks has no words to count
            continue
        asked.append(counter.transform(test))
    return hstack(known, format="csr"), hstack(asked, format="csr")


def compact(
    train: np.ndarray, test: np.ndarray, *, size: int = 512, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Standardised by training, and projected to its main axes where there are more features than `size`."""
    mean, spread = train.mean(axis=0), train.std(axis=0)
    spread[spread < 1e-8] = 1.0
    known, asked = (train - mean) / spread, (test - mean) / spread
    if min(known.shape) <= size:
        return known, asked
    from sklearn.decomposition import PCA

    pca = PCA(size, svd_solver="randomized", random_state=seed).fit(known)
    return pca.transform(known), pca.transform(asked)
