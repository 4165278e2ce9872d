"""What remembering would score on held-out samples, by hand."""

import numpy as np

from holdfast.data.leak import Leak, leak


def test_counts_who_has_a_relative_in_training_and_what_its_label_is_worth() -> None:
    groups = np.array([1, 1, 1, 2, 3, 4, 1, 1, 2, 9])
    targets = np.array([0, 0, 1, 1, 1, 1, 0, 0, 1, 0])
    train, test = np.arange(6), np.arange(6, 10)

    found = leak(groups, targets, train, test)

    assert found.rows.tolist() == [6, 7, 8]
    assert found.share == 3 / 4
    assert found.right == 1.0  # group 1 says 0, as it has that label most; group 2 says 1
    assert found.usual == 1 / 3  # four of six training samples are 1, right for sample 8
    assert found.too_high == 3 / 4 * (1 - 1 / 3)


def test_where_relatives_mislead_remembering_gains_nothing() -> None:
    found = Leak(np.arange(3), 4, 0.2, 0.5)

    assert found.too_high == 0
    assert "remembering does not help" in found.words("copy")


def test_of_many_labels_the_share_that_is_right_counts() -> None:
    targets = np.array([[1, 0, 1], [1, 0, 0], [0, 0, 1], [1, 1, 0]], dtype=np.int8)

    found = leak(np.array([5, 5, 6, 5]), targets, np.array([0, 1, 2]), np.array([3]))

    assert (
        found.right == 2 / 3
    )  # both relatives have the first, none the second, one of two the third: a tie is no
    assert found.usual == 1 / 3  # two of three have the first, two of three the third


def test_where_nobody_has_a_relative_there_is_no_leak() -> None:
    found = leak(np.arange(4), np.zeros(4, dtype=int), np.array([0, 1]), np.array([2, 3]))

    assert (len(found.rows), found.share, found.too_high) == (0, 0.0, 0.0)


def test_an_empty_split_has_no_leak() -> None:
    assert leak(np.arange(2), np.zeros(2, dtype=int), np.arange(2), np.zeros(0, dtype=int)).share == 0.0


def test_the_bound_is_the_share_times_what_remembering_gains() -> None:
    assert Leak(np.arange(20), 100, 0.95, 0.25).too_high == 0.2 * 0.7
