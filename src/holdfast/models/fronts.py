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

    def __init__(self, prepare: ImagePrepare, side: int = 0) -> None:
        super().__init__()
        self.shrunk = 0 < side < prepare.size
        self.size = prepare.size
        self.rows: Tensor
        if self.shrunk:
            self.register_buffer("rows", _shrinking(prepare.size, side), persistent=False)
        self.scale = 1 / (255 * prepare.std)
        self.shift = prepare.mean / prepare.std

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
    """Sound of shape (n, samples), float32, to log-mel spectra of shape (n, 1, mels, frames).

    Frames of `n_fft` audio samples under a Hann window, each `hop` after the one before, none beyond the
    ends. The discrete Fourier transform is a convolution with fixed kernels: ONNX has no other way
    that every runtime knows. Then power, triangular filters on the HTK mel scale, decibels below the
    loudest point of the window, and a mean of 0 and a deviation of 1 over the window: how loud a recording
    is says nothing about what it holds. Silence becomes zeros.
    """

    def __init__(self, prepare: AudioPrepare) -> None:
        super().__init__()
        self.hop = prepare.hop
        self.kernels: Tensor
        self.filters: Tensor
        self.register_buffer("kernels", _dft_kernels(prepare.n_fft), persistent=False)
        self.register_buffer("filters", mel_filters(prepare), persistent=False)

    def forward(self, sound: Tensor) -> Tensor:
        """A window with nothing in it is all zeros, not NaN."""
        mel = self.filters @ self.power(sound)
        loudest = mel.amax(dim=(1, 2), keepdim=True)
        # Relative to the loudest point, so that a change of volume shifts nothing
        decibels = 10 * torch.log10(mel / (loudest + _TINY) + _FLOOR)
        middle = decibels.mean(dim=(1, 2), keepdim=True)
        levels = decibels - middle
        spread = levels.square().mean(dim=(1, 2), keepdim=True).sqrt()
        return (levels / (spread + 1e-3)).unsqueeze(1)

    def power(self, sound: Tensor) -> Tensor:
        """Squared size of each frequency; shape (n, n_fft / 2 + 1, frames)."""
        waves = F.conv1d(sound.unsqueeze(1), self.kernels, stride=self.hop)
        cosines, sines = waves.square().chunk(2, dim=1)
        return cosines + sines


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
