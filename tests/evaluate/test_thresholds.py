"""The chosen threshold is the best there is."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from holdfast.evaluate import choose_thresholds, labels_of


@given(st.integers(0, 100_000), st.integers(1, 20), st.sampled_from([2, 5, 1000]))
@settings(max_examples=60, deadline=None)
def test_no_other_cut_has_a_better_f1(seed: int, n: int, steps: int) -> None:
    rng = np.random.default_rng(seed)
    said = rng.integers(0, steps + 1, (n, 3)) / steps
    targets = (rng.random((n, 3)) < 0.4).astype(np.int8)

    cuts = choose_thresholds(said, targets)

    chosen = labels_of(said, "multi", cuts)
    for i in range(3):
        if not targets[:, i].any():
            assert cuts[i] == 0.5
            continue
        others = [f1_score(targets[:, i], said[:, i] >= cut) for cut in said[:, i]]
        assert f1_score(targets[:, i], chosen[:, i]) == pytest.approx(max(others))
        assert 0 <= cuts[i] <= 1


def test_the_cut_lies_halfway_and_the_higher_of_equals_wins() -> None:
    said = np.array([[0.9], [0.7], [0.5], [0.1]])

    assert choose_thresholds(said, np.array([[1], [0], [1], [0]])) == pytest.approx(0.3)
    assert choose_thresholds(said, np.array([[1], [0], [0], [1]])) == pytest.approx(0.8)
    # 0.9 alone and all four both give F1 2/3


def test_neighbouring_floats_are_still_parted() -> None:
    above = np.nextafter(0.5, 1)

    cuts = choose_thresholds(np.array([[above], [0.5]]), np.array([[1], [0]]))

    assert labels_of(np.array([[above], [0.5]]), "multi", cuts).ravel().tolist() == [True, False]


def test_one_label_a_sample_has_no_thresholds() -> None:
    with pytest.raises(ValueError, match="only samples with many labels"):
        choose_thresholds(np.array([[0.5, 0.5]]), np.array([0]))
