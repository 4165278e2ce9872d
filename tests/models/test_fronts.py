"""The first part of each graph: it agrees with other libraries, and does not mind what must not matter."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.config.schema import AudioPrepare, ImagePrepare
from holdfast.models.fronts import ImageFront, MelFront, mel_filters


@pytest.fixture
def sound() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    times = torch.arange(80000) / 16000
    chirp = torch.sin(2 * torch.pi * (200 + 600 * times) * times)
    return torch.stack([chirp, 0.1 * torch.randn(80000, generator=generator)])


@pytest.mark.parametrize(("size", "side"), [(96, 64), (64, 24)])
def test_a_picture_is_shrunk_as_torch_shrinks_it_with_antialiasing(size: int, side: int) -> None:
    pixels = torch.randint(0, 256, (2, size, size, 3), dtype=torch.uint8)

    shrunk = ImageFront(ImagePrepare(size=size), side)(pixels)

    whole = ImageFront(ImagePrepare(size=size))(pixels)
    expected = torch.nn.functional.interpolate(whole, (side, side), mode="bilinear", antialias=True)
    assert (shrunk - expected).abs().max() < 1e-5


def test_a_crop_of_another_size_is_not_shrunk() -> None:
    crop = torch.randint(0, 256, (2, 24, 24, 3), dtype=torch.uint8)

    assert ImageFront(ImagePrepare(size=64), 24)(crop).shape == (2, 3, 24, 24)


@pytest.mark.parametrize(("n_fft", "hop"), [(1024, 512), (400, 160)])
def test_power_is_that_of_torch_stft(n_fft: int, hop: int, sound: torch.Tensor) -> None:
    front = MelFront(AudioPrepare(n_fft=n_fft, hop=hop))
    window = torch.hann_window(n_fft)

    expected = torch.stft(sound, n_fft, hop, window=window, center=False, return_complex=True).abs() ** 2

    for power in (front.train().power(sound), front.eval().power(sound)):
        assert power.shape == expected.shape
        assert (power - expected).abs().max() / expected.max() < 1e-5


def test_mel_filters_are_those_of_transformers() -> None:
    audio_utils = pytest.importorskip("transformers.audio_utils")
    prepare = AudioPrepare(mels=64, f_min=20, f_max=8000)

    expected = audio_utils.mel_filter_bank(513, 64, 20.0, 8000.0, 16000, norm=None, mel_scale="htk")

    assert np.abs(mel_filters(prepare).numpy() - expected.T).max() < 1e-5


@pytest.mark.parametrize("mels", [8, 64, 256])
def test_every_mel_band_hears_something(mels: int) -> None:
    filters = mel_filters(AudioPrepare(mels=mels, n_fft=256, hop=128))

    assert filters.shape == (mels, 129)
    assert (filters.sum(dim=1) > 0).all()
    assert 0 <= filters.min() <= filters.max() <= 1


def test_a_tone_lights_the_band_of_its_frequency() -> None:
    prepare = AudioPrepare()
    tone = torch.sin(2 * torch.pi * 1000 * torch.arange(80000) / 16000)[None]

    spectrum = MelFront(prepare)(tone)[0, 0]

    mels = 2595 * np.log10(1 + np.array([20, 1000, 8000]) / 700)
    expected = (mels[1] - mels[0]) / (mels[2] - mels[0]) * 65 - 1
    assert abs(int(spectrum.mean(dim=1).argmax()) - expected) <= 1


@settings(max_examples=10, deadline=None)
@given(exponent=st.floats(-4, 2))
def test_how_loud_a_sound_is_does_not_matter(exponent: float) -> None:
    front = MelFront(AudioPrepare(window_s=0.5, hop_s=0.5))
    sound = torch.randn(1, 8000, generator=torch.Generator().manual_seed(1))

    assert torch.allclose(front(sound * 10**exponent), front(sound), atol=1e-3)


def test_silence_is_all_zeros() -> None:
    assert MelFront(AudioPrepare())(torch.zeros(1, 80000)).abs().max() == 0


def test_a_spectrum_has_mean_0_and_deviation_1(sound: torch.Tensor) -> None:
    spectra = MelFront(AudioPrepare())(sound)

    assert spectra.shape == (2, 2, 64, 155)
    assert spectra[:, 0].mean(dim=(1, 2)).abs().max() < 1e-5
    assert (spectra[:, 0].std(dim=(1, 2)) - 1).abs().max() < 1e-3
    assert (spectra[:, 1] == 1).all()


def test_silence_that_fills_up_a_window_changes_nothing_before_it(sound: torch.Tensor) -> None:
    front = MelFront(AudioPrepare())
    frames = 155 // 2
    short = sound[:, : 1024 + 512 * (frames - 1)]
    padded = torch.cat([short, torch.zeros(2, 80000 - short.shape[1])], dim=1)

    alone, filled = front(short), front(padded)

    # one frame more hears the end of the sound
    assert filled[:, 1].sum(dim=2).unique().tolist() == [frames + 1]
    assert (filled[:, :, :, :frames] - alone).abs().max() < 0.2
    assert not filled[:, :, :, frames + 1 :].any()


def test_pixels_become_numbers_around_0_with_channels_first() -> None:
    pixels = torch.zeros(2, 4, 5, 3, dtype=torch.uint8)
    pixels[0, 1, 2] = torch.tensor([255, 51, 0])

    values = ImageFront(ImagePrepare(mean=0.5, std=0.25))(pixels)

    assert values.shape == (2, 3, 4, 5)
    assert values.is_contiguous()
    assert values[0, :, 1, 2].tolist() == pytest.approx([2.0, -1.2, -2.0])
