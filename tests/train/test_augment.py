"""Changes to training samples: within their limits, and the same for the same rolls."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.config.schema import AugmentConfig
from holdfast.train.augment import (
    change_texts,
    uniforms,
)


def rolls(columns: int, count: int = 6) -> np.ndarray:
    return uniforms((0, 0), np.arange(count), columns)


def test_uniforms_are_uniform_and_unrelated() -> None:
    numbers = uniforms((3, 1), np.arange(20_000), 3)

    assert 0 <= numbers.min() < 0.001
    assert 0.999 < numbers.max() < 1
    assert np.abs(np.histogram(numbers, 10, (0, 1))[0] / numbers.size - 0.1).max() < 0.005
    near = np.corrcoef([*numbers.T, *uniforms((3, 2), np.arange(20_000), 2).T, [*numbers[1:, 0], 0.5]])
    assert np.abs(near - np.eye(6)).max() < 0.03


@given(st.integers(0, 2**40), st.integers(0, 100), st.lists(st.integers(0, 10**6), min_size=1, max_size=9))
def test_a_place_has_the_same_rolls_in_any_company(seed: int, epoch: int, places: list[int]) -> None:
    together = uniforms((seed, epoch), np.array(places), 4)

    alone = [uniforms((seed, epoch), np.array([place]), 4)[0] for place in places]

    assert np.array_equal(together, alone)


def test_nothing_is_changed_where_all_is_off() -> None:
    off = AugmentConfig()
    ids = np.arange(1, 31).reshape(6, 5)

    assert np.array_equal(change_texts(ids, off, rolls(5), pad=0), ids)


def test_dropped_tokens_become_padding_but_the_first_stays() -> None:
    ids = np.full((200, 30), 7)

    changed = change_texts(ids, AugmentConfig(drop_tokens=0.3), rolls(30, 200), pad=0)

    assert set(np.unique(changed)) == {0, 7}
    assert (changed[:, 0] == 7).all()
    assert (changed[:, 1:] == 0).mean() == pytest.approx(0.3, abs=0.02)
