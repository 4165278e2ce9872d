"""Near hashes are found as comparing all pairs finds them, in bounded work where very many are alike."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.data.near import Groups, bands_for, hamming_groups


def by_all_pairs(hashes: np.ndarray, radius: int) -> list[int]:
    group = list(range(len(hashes)))
    for left in range(len(hashes)):
        for right in range(left):
            if int(hashes[left] ^ hashes[right]).bit_count() <= radius:
                old, new = group[left], group[right]
                group = [new if g == old else g for g in group]
    return [group.index(g) for g in group]


@given(st.data(), st.integers(0, 10), st.integers(0, 60), st.integers(0, 3))
@settings(max_examples=40, deadline=None)
def test_finds_what_comparing_all_pairs_finds(
    data: st.DataObject, radius: int, count: int, bases: int
) -> None:
    generator = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    around = generator.integers(0, 2**64, bases + 1, dtype=np.uint64)
    flips = [
        sum(1 << int(b) for b in generator.choice(64, generator.integers(0, 12), False)) for _ in range(count)
    ]
    hashes = around[generator.integers(0, bases + 1, count)] ^ np.array(flips, dtype=np.uint64)

    near = hamming_groups(hashes, radius)

    assert near.groups.tolist() == by_all_pairs(hashes, radius)
    assert near.crowded == 0


def test_looks_closer_where_asked_to() -> None:
    hashes = np.array([0, 1, 3, 7], dtype=np.uint64)

    near = hamming_groups(hashes, 1, alike=lambda left, right: np.abs(left - right) * (left + right) < 5)

    assert near.groups.tolist() == [0, 0, 0, 3]


def test_a_hundred_thousand_equal_hashes_are_one_group() -> None:
    hashes = np.full(100_000, 5, dtype=np.uint64)

    assert set(hamming_groups(hashes, 8).groups) == {0}


def test_what_is_too_crowded_to_compare_is_counted() -> None:
    crowd = np.arange(3000, dtype=np.uint64)  # all bits but the lowest twelve are equal

    near = hamming_groups(
        crowd, 4, alike=lambda left, right: np.zeros(len(left), dtype=bool), comparisons=10**6
    )

    assert near.crowded > 2000
    assert near.groups.tolist() == list(range(3000))


def test_groups_join_across_calls() -> None:
    groups = Groups(5)
    groups.join(np.array([0]), np.array([1]))
    first = groups.near().groups.tolist()
    groups.join(np.array([1]), np.array([4]))

    assert (first, groups.near().groups.tolist()) == ([0, 0, 2, 3, 4], [0, 0, 2, 3, 0])


def test_nothing_has_no_groups() -> None:
    assert hamming_groups(np.zeros(0, dtype=np.uint64), 8).groups.tolist() == []


def test_a_radius_that_cannot_be_searched_is_refused() -> None:
    with pytest.raises(ValueError, match="0 to 16 bits, got 17"):
        hamming_groups(np.zeros(1, dtype=np.uint64), 17)


def test_more_hashes_are_cut_so_that_more_bits_must_agree() -> None:
    agreeing = [64 * shared / bands for bands, shared in (bands_for(10**n, 8) for n in (2, 4, 6))]

    assert agreeing == sorted(agreeing)
    assert agreeing[0] < agreeing[2]
