"""Which samples an epoch shows, and how often."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from holdfast.train.sampler import order, sample_weights, split_evenly

seeds = st.integers(0, 2**40)


@given(count=st.integers(1, 60), seed=seeds)
def test_an_epoch_shows_each_sample_once(count: int, seed: int) -> None:
    shown = order(np.zeros(count, np.int64), "single", "shuffle", key=(seed, 3))

    assert sorted(shown) == list(range(count))


def test_order_hangs_on_seed_and_epoch_alone() -> None:
    targets = np.arange(40) % 3

    first = order(targets, "single", "weighted", key=(1, 2)).tolist()

    assert order(targets, "single", "weighted", key=(1, 2)).tolist() == first
    assert order(targets, "single", "weighted", key=(1, 3)).tolist() != first
    assert order(targets, "single", "weighted", key=(2, 2)).tolist() != first


@given(st.lists(st.integers(0, 3), min_size=4, max_size=60), seeds)
def test_weighted_shows_labels_about_equally_often(labels: list[int], seed: int) -> None:
    targets = np.array(labels)
    there = np.unique(targets)

    shown = targets[order(targets, "single", "weighted", key=(seed, 0))]

    assert len(shown) == len(targets)
    fair = len(targets) / len(there)
    # each of a label's samples comes floor or ceil of its share times
    assert all(abs(np.sum(shown == label) - fair) <= np.sum(targets == label) for label in there)


def test_weighted_shows_a_rare_label_as_often_as_a_common_one() -> None:
    targets = np.array([0] * 90 + [1] * 10)

    shown = np.concatenate([order(targets, "single", "weighted", key=(0, epoch)) for epoch in range(20)])

    assert np.bincount(targets[shown]).tolist() == [1000, 1000]
    assert np.bincount(shown, minlength=100).min() > 0


def test_with_many_labels_samples_of_rare_ones_come_more_often() -> None:
    targets = np.array([[1, 0]] * 8 + [[1, 1]] + [[0, 0]])

    weights = sample_weights(targets, "multi")

    # label 0 has 9 samples, label 1 has one, none has one: 1/9, the mean of 1/9 and 1, and 1
    assert np.allclose(weights / weights[0], [1] * 8 + [5, 9])


@given(count=st.integers(1, 200), batch=st.integers(1, 50))
def test_batches_differ_by_one_sample_at_most(count: int, batch: int) -> None:
    parts = split_evenly(np.arange(count), batch)

    sizes = [len(part) for part in parts]
    assert max(sizes) <= batch
    assert max(sizes) - min(sizes) <= 1
    assert np.concatenate(parts).tolist() == list(range(count))


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3)), min_size=1, max_size=60))
def test_groups_weigh_as_much_as_the_others_of_their_label(pairs: list[tuple[int, int]]) -> None:
    targets, groups = np.array(pairs).T

    weights = sample_weights(targets, "single", groups)

    assert np.isclose(weights.sum(), 1)
    for label in np.unique(targets):
        of_label = targets == label
        sums = [weights[of_label & (groups == group)].sum() for group in np.unique(groups[of_label])]
        assert np.allclose(sums, 1 / len(np.unique(targets)) / len(sums))


def test_groups_change_nothing_where_each_sample_is_one() -> None:
    targets = np.array([[1, 0], [1, 1], [0, 0], [1, 0]])

    weights = sample_weights(targets, "multi", np.arange(4))

    assert np.allclose(weights, sample_weights(targets, "multi"))
