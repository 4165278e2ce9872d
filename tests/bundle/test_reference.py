from pathlib import Path

import numpy as np
import pytest
from sklearn.decomposition import PCA

from holdfast.bundle import Reference, read_reference, write_reference
from holdfast.core.errors import BundleError

_rng = np.random.default_rng(0)
_PROBABILITIES = _rng.dirichlet([1, 1, 1], 200)
_EMBEDDINGS = _rng.normal(size=(200, 24)) * np.arange(1, 25) + 5
_TARGETS = _rng.integers(0, 3, 200)


def test_reads_back_what_it_writes(tmp_path: Path) -> None:
    written = _write(tmp_path / "reference.npz")

    read = read_reference(tmp_path / "reference.npz")

    for name, value in vars(written).items():
        np.testing.assert_array_equal(getattr(read, name), value)
    assert read.confidence.sum() == 200
    np.testing.assert_allclose(read.label_shares, np.bincount(_TARGETS) / 200)
    np.testing.assert_allclose(read.mean_probabilities, _PROBABILITIES.mean(axis=0))


def test_directions_are_the_principal_components(tmp_path: Path) -> None:
    reference = _write(tmp_path / "reference.npz")

    expected = PCA(16, svd_solver="full").fit(_EMBEDDINGS)

    cosines = (reference.components * expected.components_).sum(axis=1)
    np.testing.assert_allclose(abs(cosines), 1, atol=1e-8)
    np.testing.assert_allclose(
        abs(reference.project(_EMBEDDINGS)), abs(expected.transform(_EMBEDDINGS)), atol=1e-6
    )
    np.testing.assert_allclose(reference.quantiles[50], np.median(reference.project(_EMBEDDINGS), axis=0))


def test_the_same_samples_give_the_same_bytes(tmp_path: Path) -> None:
    _write(tmp_path / "one.npz")
    _write(tmp_path / "two.npz")

    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()


def test_many_labels_few_samples_and_constant_embeddings_are_fine(tmp_path: Path) -> None:
    reference = write_reference(
        tmp_path / "reference.npz",
        probabilities=np.array([[0.2, 0.9], [0.4, 1.0]]),
        embeddings=np.ones((2, 5)),
        targets=np.array([[0, 1], [1, 1]], np.int8),
    )

    assert reference.label_shares.tolist() == [0.5, 1.0]
    assert reference.components.shape == (2, 5)
    assert np.isfinite(reference.quantiles).all()


def test_a_long_split_is_thinned_evenly(tmp_path: Path) -> None:
    probabilities = np.linspace(0, 1, 25_000)[:, None]

    reference = write_reference(
        tmp_path / "r.npz",
        probabilities=probabilities,
        embeddings=probabilities,
        targets=np.zeros(25_000, int),
    )

    assert reference.probabilities.shape == (10_000, 1)
    assert reference.probabilities[[0, -1], 0].tolist() == [0, 1]


def test_refuses_pickles_and_other_files(tmp_path: Path) -> None:
    np.savez(tmp_path / "pickle.npz", confidence=np.array([{"run": "me"}], dtype=object))
    (tmp_path / "text.npz").write_text("not an archive")

    for name in ("pickle.npz", "text.npz", "missing.npz"):
        with pytest.raises(BundleError, match=f"{name} is no reference"):
            read_reference(tmp_path / name)


def test_needs_as_many_of_each(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="as many of each"):
        write_reference(
            tmp_path / "r.npz", probabilities=_PROBABILITIES, embeddings=_EMBEDDINGS[1:], targets=_TARGETS
        )


def _write(path: Path) -> Reference:
    return write_reference(path, probabilities=_PROBABILITIES, embeddings=_EMBEDDINGS, targets=_TARGETS)
