"""Changes to training samples: within their limits, and the same for the same rolls."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from holdfast.config.schema import AugmentConfig
from holdfast.train.augment import (
    SOUND_ROLLS,
    SPECTRUM_ROLLS,
    change_sounds,
    change_texts,
    mask_spectra,
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
    sounds = np.random.default_rng(0).standard_normal((6, 50)).astype(np.float32)
    ids = np.arange(1, 31).reshape(6, 5)

    assert np.array_equal(change_sounds(sounds, off, rolls(SOUND_ROLLS)), sounds)
    assert np.array_equal(change_texts(ids, off, rolls(5), pad=0), ids)


def test_a_sound_is_moved_around_and_made_louder_within_limits() -> None:
    sounds = np.random.default_rng(0).standard_normal((6, 100)).astype(np.float32)

    moved = change_sounds(sounds, AugmentConfig(shift=0.1), rolls(SOUND_ROLLS))
    louder = change_sounds(sounds, AugmentConfig(gain_db=20), rolls(SOUND_ROLLS))

    for before, after in zip(sounds, moved, strict=True):
        shifts = [by for by in range(-10, 11) if np.array_equal(np.roll(before, by), after)]
        assert len(shifts) == 1
    gains = (louder / sounds).mean(axis=1)
    assert (gains >= 0.1).all()
    assert (gains <= 10).all()
    assert louder.dtype == np.float32


def test_dropped_tokens_become_padding_but_the_first_stays() -> None:
    ids = np.full((200, 30), 7)

    changed = change_texts(ids, AugmentConfig(drop_tokens=0.3), rolls(30, 200), pad=0)

    assert set(np.unique(changed)) == {0, 7}
    assert (changed[:, 0] == 7).all()
    assert (changed[:, 1:] == 0).mean() == pytest.approx(0.3, abs=0.02)


def test_masks_blank_one_band_and_one_stretch_within_their_shares() -> None:
    spectra = torch.ones(100, 1, 40, 60)

    masked = mask_spectra(spectra, AugmentConfig(mask_freq=0.25, mask_time=0.5), rolls(SPECTRUM_ROLLS, 100))

    bands, frames = (masked == 0).all(dim=3)[:, 0], (masked == 0).all(dim=2)[:, 0]
    assert 8 <= bands.sum(dim=1).max() <= 10
    assert 25 <= frames.sum(dim=1).max() <= 30
    assert all(row.int().diff().abs().sum() <= 2 for row in [*bands, *frames])  # each in one piece
    assert torch.equal(masked[:, 0] == 0, bands[:, :, None] | frames[:, None, :])
