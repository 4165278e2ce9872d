"""Changes to sounds and spectra: within their limits, and none where all is off."""

import numpy as np
import pytest
import torch

from holdfast.config.schema import AudioPrepare, AugmentConfig
from holdfast.models import MelFront
from holdfast.train.augment import uniforms
from holdfast.train.sounds import (
    MASK_ROLLS,
    SOUND_ROLLS,
    change_sounds,
    change_spectra,
    mask_spectra,
    mix_spectra,
    spectrum_rolls,
)


def rolls(columns: int, count: int = 6) -> np.ndarray:
    return uniforms((0, 0), np.arange(count), columns)


def noise(count: int, length: int, heard: int | None = None) -> np.ndarray:
    sounds = np.random.default_rng(0).standard_normal((count, length)).astype(np.float32)
    sounds[:, heard:] *= heard is None
    return sounds


def power(count: int = 6) -> torch.Tensor:
    return torch.rand(count, 40, 60, generator=torch.Generator().manual_seed(0)) + 0.1


def changed(mel: torch.Tensor, **config: float) -> torch.Tensor:
    return change_spectra(mel, AugmentConfig(**config), rolls(spectrum_rolls(40, 60), len(mel)))


def test_nothing_is_changed_where_all_is_off() -> None:
    spectra = torch.stack([power(), torch.ones(6, 40, 60)], dim=1)

    assert np.array_equal(change_sounds(noise(6, 50), AugmentConfig(), rolls(SOUND_ROLLS)), noise(6, 50))
    assert changed(power()).equal(power())
    assert mask_spectra(spectra, AugmentConfig(), rolls(MASK_ROLLS)).equal(spectra)


def test_a_sound_is_moved_around_and_made_louder_within_limits() -> None:
    sounds = noise(6, 100)

    moved = change_sounds(sounds, AugmentConfig(shift=0.1), rolls(SOUND_ROLLS))
    louder = change_sounds(sounds, AugmentConfig(gain_db=20), rolls(SOUND_ROLLS))

    for before, after in zip(sounds, moved, strict=True):
        shifts = [by for by in range(-10, 11) if np.array_equal(np.roll(before, by), after)]
        assert len(shifts) == 1
    gains = (louder / sounds).mean(axis=1)
    assert (gains >= 0.1).all()
    assert (gains <= 10).all()
    assert louder.dtype == np.float32


def test_at_most_that_share_of_what_is_heard_is_trimmed_off_the_ends() -> None:
    sounds = noise(200, 100, heard=80)

    left = change_sounds(sounds, AugmentConfig(trim=0.5), rolls(SOUND_ROLLS, 200))

    heard = (left != 0).sum(axis=1)
    assert 40 <= heard.min() < 45
    assert 75 < heard.max() <= 80
    assert np.array_equal(left[left != 0], sounds[left != 0])
    assert all(np.ptp(np.flatnonzero(row)) + 1 == (row != 0).sum() for row in left)  # in one piece


def test_a_backdrop_is_the_sound_before_it_softer_and_as_long_as_the_sound() -> None:
    sounds = noise(200, 100, heard=80)

    behind = change_sounds(sounds, AugmentConfig(backdrop=0.5), rolls(SOUND_ROLLS, 200)) - sounds

    with_one = behind.any(axis=1)
    assert 0.4 < with_one.mean() < 0.6
    assert not behind[:, 80:].any()
    softer = 20 * np.log10(np.abs(sounds).max(axis=1) / np.abs(behind).max(axis=1).clip(1e-9))[with_one]
    assert 3 <= softer.min() < 4
    assert 24 < softer.max() <= 25.01
    before = np.roll(sounds, 1, 0)[with_one]
    alike = (before * behind[with_one]).sum(axis=1) / np.linalg.norm(before, axis=1)
    assert np.allclose(alike, np.linalg.norm(behind[with_one], axis=1), rtol=1e-4)


def test_silence_stays_silence() -> None:
    config = AugmentConfig(trim=0.5, backdrop=0.9, noise_db=10, eq_db=10, muffle=0.5, stretch=0.2)
    silence = np.zeros((6, 50), np.float32)

    assert not change_sounds(silence, config, rolls(SOUND_ROLLS)).any()
    assert not change_spectra(torch.zeros(6, 40, 60), config, rolls(spectrum_rolls(40, 60))).any()


def test_an_equaliser_changes_bands_alike_in_all_frames_within_its_limit() -> None:
    gains = 10 * torch.log10(changed(power(200), eq_db=12) / power(200))

    assert (gains - gains[:, :, :1]).abs().max() < 1e-4
    assert 11 < gains.abs().max() <= 12.001
    assert gains[:, :, 0].diff(dim=1).abs().max() < 4  # smooth


def test_a_muffled_sound_loses_upper_bands_alone() -> None:
    gains = 10 * torch.log10(changed(power(200), muffle=0.5) / power(200))[:, :, 0]

    assert 0.4 < (gains < -1).any(dim=1).float().mean() < 0.6
    assert gains[:, :25].abs().max() < 1e-4
    assert gains.min() >= -60.01
    assert (gains.diff(dim=1) < 1e-4).all()


def test_hiss_stays_below_the_loudest_point_and_leaves_silence_alone() -> None:
    mel = torch.full((200, 40, 60), 1e-6)
    mel[:, 0, 0] = 1.0
    mel[:, :, 50:] = 0

    hiss = changed(mel, noise_db=20) - mel

    assert not hiss[:, :, 50:].any()
    level = 10 * torch.log10(hiss[:, :, :50].mean(dim=2))
    assert -13 < level.max() < -8  # 20 below, coloured by 10 up or down
    assert level.min() < -60


def test_pitch_and_speed_move_what_is_heard() -> None:
    mel = torch.zeros(200, 40, 60)
    mel[:, 20, 10] = 1.0

    higher, faster = changed(mel, pitch=3), changed(mel, stretch=0.25)

    assert set(higher.argmax(dim=1)[:, 10].tolist()) == set(range(17, 24))
    places = [row.nonzero().flatten() for row in faster[:, 20]]
    where = torch.cat(places)
    assert 3 <= where.min() <= 5
    assert 13 <= where.max() <= 15
    assert faster[:, :20].abs().max() == 0


def test_masks_blank_one_band_and_one_stretch_of_what_is_heard() -> None:
    spectra = torch.ones(100, 2, 40, 60)
    spectra[:, :, :, 50:] = 0

    masked = mask_spectra(spectra, AugmentConfig(mask_freq=0.25, mask_time=0.5), rolls(MASK_ROLLS, 100))

    assert masked[:, 1].equal(spectra[:, 1])
    levels = masked[:, 0, :, :50]
    bands, frames = (levels == 0).all(dim=2), (levels == 0).all(dim=1)
    assert 8 <= bands.sum(dim=1).max() <= 10
    assert 20 <= frames.sum(dim=1).max() <= 25
    assert all(row.int().diff().abs().sum() <= 2 for row in [*bands, *frames])  # each in one piece
    assert torch.equal(levels == 0, bands[:, :, None] | frames[:, None, :])


def test_mixed_spectra_keep_the_sum_of_their_targets_and_are_heard_where_either_is() -> None:
    spectra = torch.tensor([[3.0, 1.0], [1.0, 0.0], [3.0, 1.0]])[:, :, None, None].expand(3, 2, 4, 5)

    mixed, shares = mix_spectra(spectra, torch.eye(2)[[1, 0, 1]], np.array([0.75, 0.5]))

    assert mixed[:, 0].flatten(1).unique(dim=1).tolist() == [[1.5], [2.0]]
    assert (mixed[:, 1] == 1).all()
    assert shares.tolist() == [[0.75, 0.25], [0.5, 0.5]]


@pytest.mark.parametrize(
    "dials", [{}, {"eq_db": 6, "noise_db": 20, "muffle": 0.5, "pitch": 2, "stretch": 0.2}]
)
def test_a_changed_spectrum_is_no_worse_formed_than_one_as_it_is(dials: dict[str, float]) -> None:
    front = MelFront(AudioPrepare(window_s=1.0, hop_s=1.0)).train()
    mel = front.mel(torch.from_numpy(noise(6, 16000, heard=9000)))
    chance = rolls(spectrum_rolls(*mel.shape[1:]))

    spectra = front.levels(change_spectra(mel, AugmentConfig(**dials), chance))

    assert torch.isfinite(spectra).all()
    assert spectra[:, 0].sum(dim=(1, 2)).abs().max() < 0.01
