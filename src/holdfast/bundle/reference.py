"""What a bundle remembers of its held-out data, for drift and for scores of what is out of the ordinary."""

import io
import zipfile
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from holdfast.core.errors import BundleError
from holdfast.core.files import write_bytes

_BINS, _COMPONENTS, _QUANTILES, _KEPT = 20, 16, 101, 10_000
_MOST_CELLS = 10_000_000
"""Probabilities that are kept: fewer samples where there are very many labels."""


@dataclass(frozen=True)
class Reference:
    """Summaries of n held-out samples.

    Attributes:
        confidence: int64 of shape (20,); how many samples have their top probability in each
            twentieth of 0 to 1.
        label_shares: shape (labels,); share of the samples that truly have each label.
        mean_probabilities: shape (labels,); what the model gives each label on average.
        center: shape (width,); the mean embedding.
        components: shape (k, width); the k directions in which the embeddings vary most, of length 1,
            the widest first. k is 16, or less for few samples or a narrow embedding.
        quantiles: shape (101, k); percentiles 0 to 100 of the embeddings along each direction.
        probabilities: float32 of shape (at most 10,000, labels), and at most 10 million numbers;
            held-out answers, evenly picked.
    """

    confidence: np.ndarray
    label_shares: np.ndarray
    mean_probabilities: np.ndarray
    center: np.ndarray
    components: np.ndarray
    quantiles: np.ndarray
    probabilities: np.ndarray

    def project(self, embeddings: np.ndarray) -> np.ndarray:
        """Embeddings along the reference's directions; shape (n, k)."""
        projected: np.ndarray = (np.asarray(embeddings, np.float64) - self.center) @ self.components.T
        return projected


def write_reference(
    path: Path, *, probabilities: np.ndarray, embeddings: np.ndarray, targets: np.ndarray
) -> Reference:
    """Sum up held-out samples in `reference.npz`; the same samples give the same bytes.

    Args:
        probabilities: shape (n, labels).
        embeddings: shape (n, width).
        targets: shape (n,) of label indices, or (n, labels) of 0 and 1.

    Raises:
        ValueError: if there are no samples, or not as many of each.
    """
    count, labels = probabilities.shape
    if count == 0 or len(embeddings) != count or len(targets) != count:
        raise ValueError(f"need as many of each: {count}, {len(embeddings)} and {len(targets)} samples")
    single = targets.ndim == 1
    shares = np.bincount(targets, minlength=labels) / count if single else targets.mean(axis=0)
    center, components = _directions(np.asarray(embeddings, np.float64))
    projected = (embeddings - center) @ components.T
    reference = Reference(
        confidence=np.histogram(probabilities.max(axis=1), bins=_BINS, range=(0, 1))[0].astype(np.int64),
        label_shares=shares,
        mean_probabilities=probabilities.mean(axis=0, dtype=np.float64),
        center=center,
        components=components,
        quantiles=np.quantile(projected, np.linspace(0, 1, _QUANTILES), axis=0),
        probabilities=probabilities[_evenly(count, labels)].astype(np.float32),
    )
    file = io.BytesIO()
    np.savez_compressed(file, allow_pickle=False, **vars(reference))
    write_bytes(path, file.getvalue())
    return reference


def read_reference(path: Path) -> Reference:
    """Read `reference.npz`. Nothing in it is run: pickled objects are refused.

    Raises:
        BundleError: if it is not one.
    """
    names = [field.name for field in fields(Reference)]
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return Reference(**{name: arrays[name] for name in names})
    except (OSError, ValueError, KeyError, EOFError, AttributeError, zipfile.BadZipFile) as error:
        raise BundleError(f"{path} is no reference ({error})", hint="export the bundle again") from error


def _directions(embeddings: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mean, and the principal directions, with signs that do not depend on the solver."""
    center = embeddings.mean(axis=0)
    kept = min(_COMPONENTS, *embeddings.shape)
    spread = embeddings - center
    _, vectors = np.linalg.eigh(spread.T @ spread)  # ascending
    widest = vectors[:, ::-1][:, :kept].T
    largest = widest[np.arange(kept), abs(widest).argmax(axis=1)]
    return center, widest * np.sign(largest)[:, None]


def _evenly(count: int, labels: int) -> np.ndarray:
    kept = min(count, _KEPT, max(1, _MOST_CELLS // labels))
    return np.linspace(0, count - 1, kept).astype(np.int64)
