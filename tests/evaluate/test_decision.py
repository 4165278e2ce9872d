"""Probabilities become labels in one way."""

import numpy as np
import pytest

from holdfast.evaluate import labels_of


def test_one_label_is_the_first_of_the_most_probable() -> None:
    chosen = labels_of(np.array([[0.1, 0.6, 0.3], [0.4, 0.4, 0.2]], dtype=np.float32), "single")

    assert chosen.tolist() == [1, 0]
    assert chosen.dtype == np.int64


def test_many_labels_are_those_that_reach_their_threshold() -> None:
    said = np.array([[0.5, 0.49], [0.2, 0.9]])

    assert labels_of(said, "multi").tolist() == [[True, False], [False, True]]
    assert labels_of(said, "multi", [0.2, 0.95]).tolist() == [[True, False], [True, False]]


def test_one_sample_may_come_without_its_axis() -> None:
    assert labels_of(np.array([0.2, 0.8]), "single") == 1
    assert labels_of(np.array([0.2, 0.8]), "multi").tolist() == [False, True]


def test_float32_answers_are_cut_where_their_float64_copies_are() -> None:
    said = np.random.default_rng(0).random((1000, 3)).astype(np.float32)
    cuts = said[0].astype(np.float64)

    assert (labels_of(said, "multi", cuts) == labels_of(said.astype(np.float64), "multi", cuts)).all()
    assert labels_of(said, "multi", cuts)[0].all()


def test_a_missing_threshold_is_refused() -> None:
    with pytest.raises(ValueError, match="one threshold per label"):
        labels_of(np.zeros((2, 3)), "multi", [0.5, 0.5])
