"""Changes to training samples that keep their label, a batch at a time.

Each change is a function of random numbers between 0 and 1, the *rolls*, which are a function of seed,
epoch and place in the epoch. Nothing is kept, so a run that was cut short goes on with the same rolls.
"""

import numpy as np
import torch
from torch import Tensor

from holdfast.config.schema import AugmentConfig

GREY = 128


def uniforms(key: tuple[int, ...], places: np.ndarray, count: int) -> np.ndarray:
    """`count` numbers in [0, 1) for each place, shape (places, count).

    A hash of key, place and column (SplitMix64, Steele et al. 2014): a generator for each sample would
    take 20 µs a sample to set up, this takes 0.1 µs.

    >>> uniforms((0, 1), np.array([7, 5]), 2).round(3)
    array([[0.265, 0.945],
           [0.099, 0.835]])
    """
    state = np.zeros(1, dtype=np.uint64)
    for part in key:
        state = _mixed(state + np.uint64(part))
    state = _mixed(state + places.astype(np.uint64))[:, None]
    state = _mixed(state + np.arange(count, dtype=np.uint64))
    numbers: np.ndarray = (state >> np.uint64(11)) * 2.0**-53
    return numbers


def _mixed(state: np.ndarray) -> np.ndarray:
    state = state + np.uint64(0x9E3779B97F4A7C15)  # arrays of uint64 wrap around in silence
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    hashed: np.ndarray = state ^ (state >> np.uint64(31))
    return hashed


IMAGE_ROLLS = 9


def change_images(pixels: np.ndarray, config: AugmentConfig, rolls: np.ndarray) -> np.ndarray:
    """Pictures mirrored, moved, zoomed, lit otherwise and partly covered.

    Args:
        pixels: uint8 of shape (n, height, width, 3).
        config: how much of each.
        rolls: shape (n, IMAGE_ROLLS).
    """
    mirrored = rolls[:, 0] < config.flip
    pixels = np.where(mirrored[:, None, None, None], pixels[:, :, ::-1], pixels)
    if config.shift or config.scale:
        pixels = _moved(pixels, config, _signed(rolls[:, 1:4]))
    if config.color:
        pixels = _lit(pixels, config.color * _signed(rolls[:, 4:6]))
    if config.erase:
        pixels = _covered(pixels, config.erase, rolls[:, 6:9])
    return pixels


SOUND_ROLLS = 3


def change_sounds(sounds: np.ndarray, config: AugmentConfig, rolls: np.ndarray) -> np.ndarray:
    """Windows moved in time, what leaves at one end coming in at the other, and made louder or softer.

    Args:
        sounds: float32 of shape (n, samples).
        config: how much of each.
        rolls: shape (n, SOUND_ROLLS); the first column is for the choice of the window.
    """
    shifts = (config.shift * _signed(rolls[:, 1]) * sounds.shape[1]).astype(int)
    if config.shift:
        sounds = np.stack([np.roll(sound, shift) for sound, shift in zip(sounds, shifts, strict=True)])
    if config.gain_db:
        gains = 10 ** (config.gain_db * _signed(rolls[:, 2]) / 20)
        sounds = sounds * gains[:, None].astype(np.float32)
    return sounds


def change_texts(ids: np.ndarray, config: AugmentConfig, rolls: np.ndarray, *, pad: int) -> np.ndarray:
    """Texts with some tokens made padding, which no network looks at; the first token always stays.

    Args:
        ids: int64 of shape (n, tokens).
        config: how many.
        rolls: shape (n, tokens).
        pad: id of the padding.
    """
    dropped = rolls < config.drop_tokens
    dropped[:, 0] = False
    return np.where(dropped, pad, ids)


SPECTRUM_ROLLS = 4


def mask_spectra(spectra: Tensor, config: AugmentConfig, rolls: np.ndarray) -> Tensor:
    """Spectra of shape (n, 1, mels, frames) with one band and one stretch of time set to their mean, 0.

    Args:
        rolls: shape (n, SPECTRUM_ROLLS).
    """
    bands = stripe(spectra.shape[2], config.mask_freq * rolls[:, 0], rolls[:, 1])
    frames = stripe(spectra.shape[3], config.mask_time * rolls[:, 2], rolls[:, 3])
    masked = torch.from_numpy(bands[:, None, :, None] | frames[:, None, None, :]).to(spectra.device)
    return spectra.masked_fill(masked, 0)


def _signed(rolls: np.ndarray) -> np.ndarray:
    """From [0, 1) to [-1, 1)."""
    return 2 * rolls - 1


def stripe(size: int, share: np.ndarray, roll: np.ndarray) -> np.ndarray:
    """One run of True a row, anywhere, a share of the size long; shape (n, size).

    Args:
        share: shape (n,), from 0 to 1.
        roll: shape (n,); 0 puts the run at the beginning, 1 at the end.

    >>> stripe(4, np.array([0.5]), np.array([1.0]))
    array([[False, False,  True,  True]])
    """
    start = (roll * (1 - share) * size)[:, None]
    places = np.arange(size) + 0.5
    covered: np.ndarray = (places >= start) & (places < start + (share * size)[:, None])
    return covered


def _moved(pixels: np.ndarray, config: AugmentConfig, rolls: np.ndarray) -> np.ndarray:
    """Zoomed around the middle and moved, between pixels; what lies outside repeats the edge."""
    zoom = 1 + config.scale * rolls[:, :1]
    down = _coordinates(pixels.shape[1], zoom, config.shift * rolls[:, 1:2])
    right = _coordinates(pixels.shape[2], zoom, config.shift * rolls[:, 2:3])
    rows = np.arange(len(pixels))[:, None]
    top = np.floor(down).astype(int)
    left = np.floor(right).astype(int)
    below = (down - top)[:, :, None, None].astype(np.float32)
    beside = (right - left)[:, :, None, None].astype(np.float32)
    high, wide = pixels.shape[1] - 1, pixels.shape[2] - 1
    moved = pixels[rows, top].astype(np.float32)
    moved += below * (pixels[rows, np.minimum(top + 1, high)] - moved)
    moved = moved.swapaxes(1, 2)
    first = moved[rows, left]
    first += beside * (moved[rows, np.minimum(left + 1, wide)] - first)
    answer: np.ndarray = (first.swapaxes(1, 2) + 0.5).astype(np.uint8)
    return answer


def _coordinates(size: int, zoom: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Where each pixel of a side comes from, shape (n, size)."""
    middle = (size - 1) / 2
    found: np.ndarray = ((np.arange(size) - middle) / zoom + middle - shift * size).clip(0, size - 1)
    return found


def _lit(pixels: np.ndarray, amounts: np.ndarray) -> np.ndarray:
    """Brightness changed by a share of full white and contrast by a share of itself; amounts: (n, 2)."""
    means = pixels.mean(axis=(1, 2, 3), keepdims=True, dtype=np.float32)
    contrast = (1 + amounts[:, 1]).astype(np.float32)[:, None, None, None]
    offset = means * (1 - contrast) + (255 * amounts[:, 0]).astype(np.float32)[:, None, None, None]
    lit: np.ndarray = (pixels * contrast + (offset + 0.5)).clip(0, 255).astype(np.uint8)
    return lit


def _covered(pixels: np.ndarray, share: float, rolls: np.ndarray) -> np.ndarray:
    """A grey square of at most that share of each picture, wholly inside (Zhong et al. 2017)."""
    side = np.sqrt(share * rolls[:, 0])
    rows = stripe(pixels.shape[1], side, rolls[:, 1])
    columns = stripe(pixels.shape[2], side, rolls[:, 2])
    return np.where((rows[:, :, None] & columns[:, None, :])[..., None], np.uint8(GREY), pixels)
