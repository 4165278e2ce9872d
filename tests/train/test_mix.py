"""Mixing: the targets say what share of the input is whose."""

import numpy as np
import pytest

from holdfast.config.schema import AugmentConfig
from holdfast.core.errors import ConfigError
from holdfast.train.mix import Mix, draw_mix, mix_batch, mix_shares

BLACK = np.zeros((3, 16, 16, 3), np.uint8)
WHITE = np.full_like(BLACK, 255)
WEIGHTS = np.array([0.0, 0.3, 1.0])
CORNERS = np.full((3, 2), 0.5)


@pytest.mark.parametrize("pasted", [False, True])
def test_a_mixed_picture_holds_as_much_of_itself_as_its_weight_says(pasted: bool) -> None:
    mixed, own = mix_batch(WHITE, BLACK, Mix(pasted, WEIGHTS, CORNERS), "image")

    assert mixed.mean(axis=(1, 2, 3)) == pytest.approx(255 * own, abs=1)
    assert own == pytest.approx(WEIGHTS, abs=0.1)
    assert own[[0, 2]].tolist() == [0, 1]


def test_a_pasted_piece_is_a_rectangle_of_the_partner() -> None:
    mixed, own = mix_batch(WHITE, BLACK, Mix(True, WEIGHTS, CORNERS), "image")

    dark = mixed[1, :, :, 0] == 0
    rows, columns = dark.any(axis=1), dark.any(axis=0)
    assert np.array_equal(dark, rows[:, None] & columns)
    assert rows.sum() == columns.sum() == pytest.approx(16 * 0.7**0.5, abs=1)
    assert own[1] == 1 - dark.mean()


@pytest.mark.parametrize("pasted", [False, True])
def test_half_a_sound_is_half_its_loudness_however_loud_the_partner_was(pasted: bool) -> None:
    rng = np.random.default_rng(0)
    sounds = rng.standard_normal((1, 4000)).astype(np.float32)
    partners = 50 * rng.standard_normal((1, 4000)).astype(np.float32)

    mixed, own = mix_batch(sounds, partners, Mix(pasted, np.array([0.5]), CORNERS[:1]), "audio")

    assert own[0] == pytest.approx(0.5)
    assert mixed.dtype == np.float32
    if pasted:
        assert (mixed == sounds).mean() == 0.5
    else:
        left = mixed - 0.5 * sounds
        assert left.std() == pytest.approx(0.5 * sounds.std(), rel=1e-3)


def test_silence_mixes_with_sound_without_a_division_by_zero() -> None:
    silence, sound = np.zeros((1, 8), np.float32), np.ones((1, 8), np.float32)

    for first, second in ((silence, sound), (sound, silence), (silence, silence)):
        mixed, _ = mix_batch(first, second, Mix(False, np.array([0.5]), CORNERS[:1]), "audio")
        assert np.isfinite(mixed).all()


def test_a_text_goes_on_as_its_partner_and_padding_counts_for_nothing() -> None:
    ids = np.array([[5, 6, 7, 8], [5, 6, 0, 0], [5, 6, 7, 8]])
    partners = np.array([[1, 2, 3, 0], [1, 2, 3, 4], [1, 0, 0, 0]])

    mixed, own = mix_batch(ids, partners, Mix(True, np.array([0.5, 0.5, 0.5]), CORNERS), "text", pad=0)

    assert mixed.tolist() == [[5, 6, 3, 0], [5, 2, 3, 4], [5, 6, 0, 0]]
    assert own.tolist() == pytest.approx([2 / 3, 1 / 4, 1])


def test_texts_have_no_weighted_sum() -> None:
    ids = np.array([[5, 6]])

    with pytest.raises(ConfigError, match=r"augment\.mixup"):
        mix_batch(ids, ids, Mix(False, np.array([0.5]), CORNERS[:1]), "text")


def test_draws_follow_the_key_and_the_settings() -> None:
    off, both = AugmentConfig(), AugmentConfig(mixup=0.2, cutmix=1.0)

    first, again, other = (draw_mix(both, 64, key=(0, number)) for number in (1, 1, 2))

    assert draw_mix(off, 64, key=(0, 1)) is None
    assert np.array_equal(first.weights, again.weights)
    assert not np.array_equal(first.weights, other.weights)
    drawn = [draw_mix(both, 1, key=(0, number)).pasted for number in range(200)]
    assert 70 < sum(drawn) < 130
    assert not any(draw_mix(AugmentConfig(mixup=1), 1, key=(0, n)).pasted for n in range(20))


def test_targets_are_mixed_in_the_same_proportion() -> None:
    shares = np.eye(2, dtype=np.float32)

    assert mix_shares(shares, shares[::-1], np.array([0.75, 0.5])).tolist() == [[0.75, 0.25], [0.5, 0.5]]
