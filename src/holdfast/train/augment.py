"""Changes to training samples that keep their label, a batch at a time; for pictures see `pictures.py`.

Each change is a function of random numbers between 0 and 1, the *rolls*, which are a function of seed,
epoch and place in the epoch. Nothing is kept, so a run that was cut short goes on with the same rolls.
"""

import numpy as np

from holdfast.config.schema import AugmentConfig


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


def signed(rolls: np.ndarray) -> np.ndarray:
    """Rolls from [0, 1) brought to [-1, 1)."""
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
