"""The first part of each graph: from decoded input to features, the same in training and in serving."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from holdfast.config.schema import AudioPrepare, ImagePrepare


class ImageFront(nn.Module):
    """Pixels of shape (n, size, size, 3), uint8, to (n, 3, side, side), about 0 and of size about 1.

    Pictures of another size than `prepare.size`, as crops in training are, are not shrunk.
    """

    rows: Tensor
    scale: Tensor
    shift: Tensor

    def __init__(self, prepare: ImagePrepare, side: int = 0) -> None:
        super().__init__()
        self.shrunk = 0 < side < prepare.size
        self.size = prepare.size
        if self.shrunk:
            self.register_buffer("rows", _shrinking(prepare.size, side), persistent=False)
        mean = torch.tensor(prepare.mean or [0.5] * 3, dtype=torch.float64).reshape(3, 1, 1)
        std = torch.tensor(prepare.std or [0.25] * 3, dtype=torch.float64).reshape(3, 1, 1)
        self.register_buffer("scale", (1 / (255 * std)).float(), persistent=False)
        self.register_buffer("shift", (mean / std).float(), persistent=False)

    def forward(self, pixels: Tensor) -> Tensor:
        """Shrunk by two matrices: runtimes differ in how they resize."""
        pictures = pixels.permute(0, 3, 1, 2).contiguous().float() * self.scale - self.shift
        if self.shrunk and pictures.shape[-1] == self.size:
            pictures = self.rows @ pictures @ self.rows.T
        return pictures


def _shrinking(size: int, side: int) -> Tensor:
    """How much each row of a picture counts in each row of the smaller one; shape (side, size).

    Overlapping triangles, as Pillow's and torch's bilinear filters with antialiasing have them.
    """
    middles = (torch.arange(side, dtype=torch.float64)[:, None] + 0.5) * size / side
    away = (torch.arange(size, dtype=torch.float64) + 0.5 - middles).abs() * side / size
    weights = (1 - away).clamp(min=0)
    return (weights / weights.sum(dim=1, keepdim=True)).float()


class MelFront(nn.Module):
    """Sound of shape (n, samples), float32, to log-mel spectra of shape (n, 2, mels, frames).

    Frames of `n_fft` audio samples under a Hann window, each `hop` after the one before, none beyond the
    ends. Then power, triangular filters on the HTK mel scale, decibels below the loudest point of the
    window, and a mean of 0 and a deviation of 1: how loud a recording is says nothing about what it
    holds. The second channel is 1 where there is sound, and 0 in frames of digital silence, such as what
    fills up a last window; those count for neither mean nor deviation, and are 0 in both channels.
    """

    def __init__(self, prepare: AudioPrepare) -> None:
        super().__init__()
        self.size, self.hop = prepare.n_fft, prepare.hop
        self.kernels: Tensor
        self.filters: Tensor
        self.register_buffer("kernels", _dft_kernels(prepare.n_fft), persistent=False)
        self.register_buffer("filters", mel_filters(prepare), persistent=False)

    def forward(self, sound: Tensor) -> Tensor:
        """A window with nothing in it is all zeros, not NaN."""
        return self.levels(self.mel(sound))

    def mel(self, sound: Tensor) -> Tensor:
        """Power in each mel band; shape (n, mels, frames)."""
        return self.filters @ self.power(sound)

    def levels(self, mel: Tensor) -> Tensor:
        """From power in mel bands to what `forward` gives."""
        levels, heard, spread = self._decibels(mel)
        return torch.stack([levels / (spread + 1e-3), heard.expand_as(mel)], dim=1)

    def deviation(self, sound: Tensor) -> Tensor:
        """Deviation of each spectrum in decibels, shape (n,); 0 for silence."""
        return self._decibels(self.mel(sound))[2].flatten()

    def _decibels(self, mel: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Decibels about their mean, where there is sound, and their deviation."""
        loudest = mel.amax(dim=(1, 2), keepdim=True)
        heard = (mel.amax(dim=1, keepdim=True) > loudest * _SILENCE).float()
        points = mel.shape[1] * heard.sum(dim=2, keepdim=True).clamp(min=1)
        # Relative to the loudest point, so that a change of volume shifts nothing
        decibels = 10 * torch.log10(mel / (loudest + _TINY) + _FLOOR) * heard
        levels = (decibels - decibels.sum(dim=(1, 2), keepdim=True) / points) * heard
        return levels, heard, (levels.square().sum(dim=(1, 2), keepdim=True) / points).sqrt()

    def power(self, sound: Tensor) -> Tensor:
        """Squared size of each frequency; shape (n, n_fft / 2 + 1, frames).

        Outside of training the Fourier transform is a convolution with fixed kernels: ONNX has no other
        way that every runtime knows. In training it is a fast one, which takes a tenth of the time.
        """
        if self.training:
            window = torch.hann_window(self.size, device=sound.device)
            waves = torch.fft.rfft(sound.unfold(1, self.size, self.hop) * window).transpose(1, 2)
            power: Tensor = waves.real.square() + waves.imag.square()
            return power
        waves = F.conv1d(sound.unsqueeze(1), self.kernels, stride=self.hop)
        cosines, sines = waves.square().chunk(2, dim=1)
        return cosines + sines


class KaldiFront(nn.Module):
    """Sound of shape (n, samples), float32, to the log-mel spectra of the Audio Spectrogram Transformer.

    Shape (n, 1, mels, frames). As `ASTFeatureExtractor` of transformers, which follows Kaldi: frames of 25 ms
    each 10 ms, without their mean, with pre-emphasis, under a Hann window, and triangles that are even in
    mel. Taking off the mean, pre-emphasis, window and transform are all linear: they are one convolution.

    Args:
        rate: samples a second.
        mels: bands.
        frames: how many; fewer are filled up with zeros, and of more the first ones are taken.
        mean: taken off the logarithms.
        std: they are divided by twice this.
    """

    kernels: Tensor
    filters: Tensor

    def __init__(self, *, rate: int, mels: int, frames: int, mean: float, std: float) -> None:
        super().__init__()
        self.frames, self.mean, self.std = frames, mean, std
        self.register_buffer("kernels", _kaldi_kernels(), persistent=False)
        self.register_buffer("filters", _kaldi_filters(rate, mels), persistent=False)

    def forward(self, sound: Tensor) -> Tensor:
        """Silence becomes a constant."""
        waves = F.conv1d(sound.unsqueeze(1), self.kernels, stride=_KALDI_HOP)
        cosines, sines = waves.square().chunk(2, dim=1)
        levels = (self.filters @ (cosines + sines)).clamp(min=_EPSILON).log()
        missing = self.frames - levels.shape[2]
        levels = F.pad(levels, (0, missing)) if missing > 0 else levels[:, :, : self.frames]
        return ((levels - self.mean) / (2 * self.std)).unsqueeze(1)


class WaveFront(nn.Module):
    """Sound of shape (n, samples), float32, to mean 0 and deviation 1, as wav2vec 2.0 hears it."""

    def forward(self, sound: Tensor) -> Tensor:
        """Same shape; silence becomes zeros."""
        waves = sound - sound.mean(dim=1, keepdim=True)
        spread: Tensor = waves.square().mean(dim=1, keepdim=True)
        return waves / (spread + 1e-7).sqrt()


_KALDI_FRAME, _KALDI_HOP, _KALDI_FFT = 400, 160, 512
_EPSILON = 1.1920928955078125e-07
"""The least energy of a band, as in Kaldi."""
_SILENCE = 1e-9
"""Frames 90 dB below the loudest point hold digital silence."""
_FLOOR = 1e-6
"""60 dB below the loudest point everything is silence."""
_TINY = 1e-12


def mel_filters(prepare: AudioPrepare) -> Tensor:
    """Triangles of height 1 between f_min and f_max, evenly spaced on the HTK mel scale.

    Shape (mels, n_fft // 2 + 1). A triangle so narrow that it falls between two frequencies of the
    transform takes the nearest one whole: no band is empty.
    """
    low, high = _mel(prepare.f_min), _mel(prepare.f_max)
    corners = torch.linspace(low, high, prepare.mels + 2, dtype=torch.float64)
    corners = 700 * (10 ** (corners / 2595) - 1)
    bins = torch.linspace(0, prepare.rate / 2, prepare.n_fft // 2 + 1, dtype=torch.float64)
    rising = (bins - corners[:-2, None]) / (corners[1:-1] - corners[:-2])[:, None]
    falling = (corners[2:, None] - bins) / (corners[2:] - corners[1:-1])[:, None]
    filters = torch.minimum(rising, falling).clamp(min=0)
    nearest = (bins - corners[1:-1, None]).abs().argmin(dim=1)
    for band in torch.nonzero(filters.sum(dim=1) == 0).flatten().tolist():
        filters[band, nearest[band]] = 1
    return filters.float()


def _mel(hertz: float) -> float:
    return 2595 * math.log10(1 + hertz / 700)


def _dft_kernels(n_fft: int) -> Tensor:
    """Cosines, then sines, of each frequency under a Hann window; shape (2 * (n_fft // 2 + 1), 1, n_fft)."""
    window = torch.hann_window(n_fft, dtype=torch.float64)
    times, bins = torch.arange(n_fft, dtype=torch.float64), torch.arange(n_fft // 2 + 1, dtype=torch.float64)
    # the angle is reduced to one turn first: float error grows with the size of the angle
    angles = 2 * math.pi * ((bins[:, None] * times) % n_fft) / n_fft
    return (torch.cat([angles.cos(), angles.sin()]) * window).float().unsqueeze(1)


def _kaldi_kernels() -> Tensor:
    """Cosines, then sines, of each frequency of a frame; shape (514, 1, 400)."""
    size, fft = _KALDI_FRAME, _KALDI_FFT
    centred = torch.eye(size, dtype=torch.float64) - 1 / size
    emphasis = torch.eye(size, dtype=torch.float64) - 0.97 * torch.diag(
        torch.ones(size - 1, dtype=torch.float64), -1
    )
    emphasis[0, 0] = 1 - 0.97  # before the first sample stands the first sample
    window = torch.hann_window(size, periodic=False, dtype=torch.float64)
    times, bins = torch.arange(size, dtype=torch.float64), torch.arange(fft // 2 + 1, dtype=torch.float64)
    angles = 2 * math.pi * ((bins[:, None] * times) % fft) / fft
    waves = torch.cat([angles.cos(), angles.sin()]) * window
    return (waves @ emphasis @ centred).float().unsqueeze(1)


def _kaldi_filters(rate: int, mels: int) -> Tensor:
    """Triangles between 20 Hz and half the rate whose sides are straight in mel; shape (mels, 257)."""
    bins = torch.linspace(0, rate // 2, _KALDI_FFT // 2 + 1, dtype=torch.float64)
    places = 1127 * torch.log1p(bins / 700)
    low, high = 1127 * math.log1p(20 / 700), 1127 * math.log1p(rate // 2 / 700)
    corners = torch.linspace(low, high, mels + 2, dtype=torch.float64)
    rising = (places - corners[:-2, None]) / (corners[1:-1] - corners[:-2])[:, None]
    falling = (corners[2:, None] - places) / (corners[2:] - corners[1:-1])[:, None]
    return torch.minimum(rising, falling).clamp(min=0).float()
