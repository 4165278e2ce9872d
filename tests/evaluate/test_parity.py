"""Parity sees the largest gap, and is not fooled by what is not a number."""

import json

import numpy as np
import pytest

from holdfast.evaluate import parity


def test_the_largest_gap_and_the_share_of_equal_labels() -> None:
    a = np.array([[0.9, 0.1], [0.51, 0.49], [0.3, 0.7]])
    b = np.array([[0.9, 0.1], [0.49, 0.51], [0.2, 0.8]])

    shown = parity(a, b, "single")

    assert shown["max_difference"] == pytest.approx(0.1)
    assert shown["equal_labels"] == pytest.approx(2 / 3)
    assert shown["samples"] == 3


def test_a_sample_is_equal_when_each_of_its_labels_is() -> None:
    a, b = np.array([[0.9, 0.4], [0.9, 0.6]]), np.array([[0.9, 0.4], [0.9, 0.4]])

    assert parity(a, b, "multi")["equal_labels"] == 0.5
    assert parity(a, b, "multi", [0.5, 0.3])["equal_labels"] == 1.0


def test_what_is_not_a_number_agrees_with_nothing() -> None:
    broken = np.array([[np.nan, np.nan], [0.1, 0.9]])

    shown = parity(broken, broken, "single")

    assert shown == {"max_difference": 1.0, "equal_labels": 0.5, "samples": 2}
    json.dumps(shown, allow_nan=False)


@pytest.mark.parametrize(("a", "b"), [((0, 2), (0, 2)), ((3, 2), (2, 2)), ((2, 2), (2, 3))])
def test_nothing_compared_proves_nothing(a: tuple[int, int], b: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="two answers to the same samples"):
        parity(np.zeros(a), np.zeros(b), "single")
