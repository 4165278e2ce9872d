"""Changes to training samples: within their limits, and the same for the same rolls."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from holdfast.config.schema import AugmentConfig
from holdfast.train.augment import (
    GREY,
    IMAGE_ROLLS,
    SOUND_ROLLS,
    SPECTRUM_ROLLS,
    change_images,
    change_sounds,
    change_texts,
    mask_spectra,
    uniforms,
)


def pictures(count: int = 6, size: int = 20) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, size, size, 3), dtype=np.uint8)


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

    assert np.array_equal(change_images(pictures(), off, rolls(IMAGE_ROLLS)), pictures())
    assert np.array_equal(change_sounds(sounds, off, rolls(SOUND_ROLLS)), sounds)
    assert np.array_equal(change_texts(ids, off, rolls(5), pad=0), ids)


def test_a_flip_mirrors_left_and_right() -> None:
    config = AugmentConfig(flip=0.5)
    chance = np.zeros((2, IMAGE_ROLLS))
    chance[1] = 0.5

    changed = change_images(pictures(2), config, chance)

    assert np.array_equal(changed[0], pictures(2)[0][:, ::-1])
    assert np.array_equal(changed[1], pictures(2)[1])


def test_a_shift_by_whole_pixels_moves_them_and_repeats_the_edge() -> None:
    middle = np.full((1, IMAGE_ROLLS), 0.5)
    middle[0, 2] = 0.75  # half of the largest shift, downwards

    changed = change_images(pictures(1), AugmentConfig(shift=0.2), middle)[0]

    assert np.array_equal(changed[2:], pictures(1)[0][:-2])
    assert np.array_equal(changed[:2], np.repeat(pictures(1)[0][:1], 2, axis=0))


def test_a_zoom_is_that_of_torch() -> None:
    chance = np.full((1, IMAGE_ROLLS), 0.5)
    chance[0, 1] = 1.0  # the largest zoom in
    changed = change_images(pictures(1), AugmentConfig(scale=0.25), chance)

    grid = torch.nn.functional.affine_grid(
        torch.tensor([[[0.8, 0, 0], [0, 0.8, 0]]]), [1, 3, 20, 20], align_corners=True
    )
    source = torch.from_numpy(pictures(1)).permute(0, 3, 1, 2).float()
    expected = torch.nn.functional.grid_sample(source, grid, align_corners=True).permute(0, 2, 3, 1)

    assert np.abs(changed - expected.numpy()).max() <= 0.51


@given(st.integers(0, 1000))
def test_light_stays_within_its_limits(seed: int) -> None:
    chance = uniforms((seed, 0), np.arange(6), IMAGE_ROLLS)
    grey = np.full((6, 4, 4, 3), 100, np.uint8)

    changed = change_images(grey, AugmentConfig(color=0.2), chance)

    assert (np.abs(changed.astype(int) - 100) <= 51).all()  # contrast does nothing to an even picture


def test_at_most_that_share_of_a_picture_is_covered() -> None:
    chance = rolls(IMAGE_ROLLS, 200)
    black = np.zeros((200, 20, 20, 3), np.uint8)

    covered = (change_images(black, AugmentConfig(erase=0.25), chance) == GREY).mean(axis=(1, 2, 3))

    assert 0.2 < covered.max() <= 0.25
    assert covered.min() < 0.05


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
