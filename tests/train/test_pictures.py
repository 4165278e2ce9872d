"""Changes to pictures: what Pillow and torch make of them too, within limits, the same for the same rolls."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageEnhance, ImageOps

from holdfast.config.schema import (
    AugmentConfig,
    Config,
    ImagePrepare,
    ModelConfig,
    TextPrepare,
    TrainConfig,
)
from holdfast.train.augment import uniforms
from holdfast.train.pictures import GREY, OPERATIONS, change_pictures, rolls_needed, side_of

MIDDLE = 0.5


def pictures(count: int = 6, size: int = 20) -> np.ndarray:
    """Smooth ones: a turn by another method of interpolation must not look like an error."""
    coarse = np.random.default_rng(0).integers(0, 256, (count, 5, 5, 3), dtype=np.uint8)
    return np.stack([np.array(Image.fromarray(one).resize((size, size), Image.BICUBIC)) for one in coarse])


def rolls(config: AugmentConfig, count: int = 6, seed: int = 0) -> np.ndarray:
    return uniforms((seed, 0), np.arange(count), rolls_needed(config))


def only(name: str, strength: float, *, forwards: bool = True, **settings: float) -> np.ndarray:
    """Three pictures, each changed by this operation alone, at nearly this strength."""
    config = AugmentConfig(operations=1, strength=strength, **settings)
    chance = np.full((3, rolls_needed(config)), MIDDLE)
    chance[:, -2] = (OPERATIONS.index(name) + (0.75 if forwards else 0.25)) / len(OPERATIONS)
    chance[:, -1] = 1
    return change_pictures(pictures(3), config, chance)


def test_nothing_is_changed_where_all_is_off() -> None:
    off = AugmentConfig()

    assert np.array_equal(change_pictures(pictures(), off, rolls(off)), pictures())


def test_a_flip_mirrors_left_and_right() -> None:
    config = AugmentConfig(flip=0.5)
    chance = np.full((2, rolls_needed(config)), MIDDLE)
    chance[0, 0] = 0

    changed = change_pictures(pictures(2), config, chance)

    assert np.array_equal(changed[0], pictures(2)[0][:, ::-1])
    assert np.array_equal(changed[1], pictures(2)[1])


def test_a_shift_by_whole_pixels_moves_them_and_mirrors_the_edge() -> None:
    config = AugmentConfig(shift=0.2)
    chance = np.full((1, rolls_needed(config)), MIDDLE)
    chance[0, 2] = 0.75  # half of the largest shift, downwards

    changed = change_pictures(pictures(1), config, chance)[0]

    assert np.array_equal(changed[2:], pictures(1)[0][:-2])
    assert np.array_equal(changed[:2], pictures(1)[0][1::-1])


def test_a_zoom_is_that_of_torch() -> None:
    config = AugmentConfig(scale=0.25)
    chance = np.full((1, rolls_needed(config)), MIDDLE)
    chance[0, 1] = 1.0  # the largest zoom in

    changed = change_pictures(pictures(1), config, chance)

    matrix = torch.tensor([[[0.8, 0, 0], [0, 0.8, 0]]])
    grid = torch.nn.functional.affine_grid(matrix, [1, 3, 20, 20], align_corners=True)
    source = torch.from_numpy(pictures(1)).permute(0, 3, 1, 2).float()
    expected = torch.nn.functional.grid_sample(source, grid, align_corners=True).permute(0, 2, 3, 1)
    assert np.abs(changed - expected.numpy()).max() <= 0.51


def test_a_crop_is_what_pillow_cuts_out_and_enlarges() -> None:
    config = AugmentConfig(crop=0.25)
    chance = np.full((1, rolls_needed(config)), MIDDLE)
    chance[0, [9, 11, 12]] = 0, 0, 1  # the smallest, at the left, at the bottom

    changed = change_pictures(pictures(1), config, chance)[0]

    cut = Image.fromarray(pictures(1)[0]).resize((20, 20), Image.BILINEAR, box=(0, 10, 10, 20))
    assert (
        np.abs(changed.astype(int) - np.array(cut))[1:-1, 1:-1].max() <= 16
    )  # beyond a cut, Pillow sees nothing
    assert np.abs(changed.astype(int) - np.array(cut)).mean() <= 1


@given(st.integers(0, 1000), st.floats(0.1, 1), st.integers(8, 40))
def test_a_crop_never_leaves_the_picture_and_has_the_side_asked_for(
    seed: int, crop: float, side: int
) -> None:
    config = AugmentConfig(crop=crop, flip=0.5)
    inside = np.full((6, 20, 20, 3), 200, np.uint8)
    inside[:, 5:15, 5:15] = 90

    changed = change_pictures(inside, config, rolls(config, seed=seed), side)

    assert changed.shape == (6, side, side, 3)
    assert changed.dtype == np.uint8
    assert set(np.unique(changed)) <= set(range(90, 201))


def test_a_shear_and_a_translation_are_those_of_pillow() -> None:
    sheared = only("shear_x", 1.0)
    moved = only("translate_y", 1.0)

    for picture, slanted, lowered in zip(pictures(3), sheared, moved, strict=True):
        image = Image.fromarray(picture)
        # Pillow's matrix is in pixels from the corner, ours in shares from the middle
        matrix = (1, 0.3, -0.3 * 10, 0, 1, 0)
        pillow = np.array(image.transform((20, 20), Image.Transform.AFFINE, matrix, Image.BILINEAR))
        assert np.abs(slanted.astype(int) - pillow)[:, 5:-5].max() <= 2
        assert np.array_equal(lowered[:-6], picture[6:])


def test_a_turn_is_that_of_pillow() -> None:
    turned = only("rotate", 1.0)

    for picture, ours in zip(pictures(3), turned, strict=True):
        pillow = np.array(Image.fromarray(picture).rotate(30, Image.BILINEAR))
        assert np.abs(ours.astype(int) - pillow)[6:-6, 6:-6].max() <= 2


@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        ("saturation", lambda image: ImageEnhance.Color(image).enhance(1.45)),
        ("contrast", lambda image: ImageEnhance.Contrast(image).enhance(1.45)),
        ("brightness", lambda image: ImageEnhance.Brightness(image).enhance(1.45)),
        ("sharpness", lambda image: ImageEnhance.Sharpness(image).enhance(1.45)),
        ("posterize", lambda image: ImageOps.posterize(image, 6)),
        ("solarize", lambda image: ImageOps.solarize(image, 128)),
        ("autocontrast", ImageOps.autocontrast),
    ],
)
def test_a_change_of_colours_is_that_of_pillow(name: str, theirs) -> None:  # type: ignore[no-untyped-def]
    changed = only(name, 0.5)

    for picture, ours in zip(pictures(3), changed, strict=True):
        pillow = np.array(theirs(Image.fromarray(picture))).astype(int)
        # Pillow leaves the outermost pixels as they are when it sharpens
        assert np.abs(ours.astype(int) - pillow)[1:-1, 1:-1].max() <= 2


def test_backwards_is_paler_darker_and_to_the_other_side() -> None:
    assert only("saturation", 1.0, forwards=False).std(axis=3).mean() < pictures(3).std(axis=3).mean() / 2
    assert only("brightness", 0.5, forwards=False).mean() == pytest.approx(
        0.55 * pictures(3).mean(), rel=0.01
    )
    assert np.array_equal(only("translate_y", 1.0, forwards=False)[:, 6:], pictures(3)[:, :-6])


def test_an_equalized_picture_uses_all_values_alike() -> None:
    ramp = np.tile(np.arange(100, 120, dtype=np.uint8)[None, :, None], (3, 20, 1, 3))
    config = AugmentConfig(operations=1)
    chance = np.full((3, rolls_needed(config)), MIDDLE)
    chance[:, -2] = (OPERATIONS.index("equalize") + 0.5) / len(OPERATIONS)

    changed = change_pictures(ramp, config, chance)

    assert np.abs(changed[0, 0, :, 0] - (np.arange(20) + 0.5) * 255 / 20).max() <= 1


def test_a_picture_of_one_colour_stays_one() -> None:
    grey = np.full((64, 16, 16, 3), 77, np.uint8)
    config = AugmentConfig(operations=3, strength=1.0)

    changed = change_pictures(grey, config, rolls(config, 64))

    assert (changed.reshape(64, -1, 3).std(axis=1) <= 1).all()


def test_each_operation_comes_about_equally_often() -> None:
    config = AugmentConfig(operations=2)
    drawn = (rolls(config, 14_000)[:, 13::2] * len(OPERATIONS)).astype(int)

    assert len(OPERATIONS) == 14
    assert np.abs(np.bincount(drawn.ravel()) / 28_000 - 1 / 14).max() < 0.006


def test_pictures_grow_to_what_the_network_sees() -> None:
    growing = Config(
        prepare=ImagePrepare(size=96),
        model=ModelConfig(side=64),
        augment=AugmentConfig(first_side=32),
        train=TrainConfig(epochs=50),
    )

    sides = [side_of(growing, epoch) for epoch in range(50)]

    assert sides[:8] == [32] * 8
    assert sides == sorted(sides)
    assert sides[30:] == [64] * 20


def test_pictures_have_one_size_where_none_is_given_to_begin_with() -> None:
    assert side_of(Config(prepare=ImagePrepare(size=96), model=ModelConfig(side=64)), 0) == 64
    assert side_of(Config(prepare=ImagePrepare(size=96)), 0) == 96
    assert side_of(Config(prepare=TextPrepare()), 0) == 0


@given(st.integers(0, 1000))
def test_light_stays_within_its_limits(seed: int) -> None:
    grey = np.full((6, 8, 8, 3), 100, np.uint8)
    config = AugmentConfig(color=0.2)

    changed = change_pictures(grey, config, rolls(config, seed=seed))

    assert (np.abs(changed.astype(int) - 100) <= 51).all()  # contrast does nothing to an even picture


def test_at_most_that_share_of_a_picture_is_covered() -> None:
    config = AugmentConfig(erase=0.25)
    black = np.zeros((200, 20, 20, 3), np.uint8)

    covered = (change_pictures(black, config, rolls(config, 200)) == GREY).mean(axis=(1, 2, 3))

    assert 0.2 < covered.max() <= 0.25
    assert covered.min() < 0.05


def test_a_picture_is_changed_alike_in_any_company() -> None:
    config = AugmentConfig(flip=0.5, crop=0.4, operations=2, color=0.2, erase=0.2, scale=0.1)
    chance = rolls(config)

    together = change_pictures(pictures(), config, chance, 16)

    alone = [change_pictures(pictures()[[n]], config, chance[[n]], 16)[0] for n in range(6)]
    assert np.abs(together.astype(int) - np.stack(alone)).max() <= 1
