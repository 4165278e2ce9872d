"""Windows that training draws: loud and not flat ones, and at least one of each recording."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.config.schema import AudioPrepare, ImagePrepare
from holdfast.train.windows import Windows, choose_windows

TIMES = np.arange(8000) / 16000
TONE = (0.5 * np.sin(2 * np.pi * 1000 * TIMES)).astype(np.float32)
SILENCE = np.zeros(8000, np.float32)
NOISE = (0.1 * np.random.default_rng(0).standard_normal(8000)).astype(np.float32)


def prepare(**limits: float) -> AudioPrepare:
    return AudioPrepare(window_s=0.5, hop_s=0.5, **limits)


def test_soft_windows_are_left_out_and_counted() -> None:
    windows = choose_windows([(7, np.stack([TONE, 0.01 * TONE, TONE]))], prepare(min_rms=0.1))

    assert {index: left.tolist() for index, left in windows.drawn.items()} == {7: [0, 2]}
    assert (windows.total, windows.quiet, windows.flat, windows.rescued) == (3, 1, 0, 0)


def test_flat_windows_are_left_out_and_counted() -> None:
    windows = choose_windows([(7, np.stack([TONE, NOISE, SILENCE]))], prepare(min_mel_std=7))

    assert windows.drawn[7].tolist() == [0]
    assert (windows.total, windows.quiet, windows.flat, windows.rescued) == (3, 0, 2, 0)


def test_a_recording_without_a_good_window_keeps_its_loudest() -> None:
    recording = np.stack([0.01 * TONE, 0.02 * TONE, SILENCE])

    windows = choose_windows([(0, np.stack([TONE])), (1, recording)], prepare(min_rms=0.1))

    assert windows.drawn[1].tolist() == [1]
    assert 0 not in windows.drawn
    assert windows.facts == {
        "windows": 4,
        "windows_too_quiet": 3,
        "windows_too_flat": 0,
        "recordings_kept_for_their_loudest_window": 1,
    }


@pytest.mark.parametrize("settings", [prepare(), ImagePrepare()])
def test_all_windows_are_drawn_where_nothing_is_filtered(settings: AudioPrepare | ImagePrepare) -> None:
    windows = choose_windows([(0, np.stack([SILENCE]))], settings)

    assert windows == Windows()


@given(roll=st.floats(0, 1, exclude_max=True))
def test_a_pick_is_one_of_the_windows_that_are_left(roll: float) -> None:
    windows = Windows({3: np.array([1, 4])})
    parts = np.arange(5)[:, None]

    assert windows.pick(3, parts, roll).tolist() == ([1] if roll < 0.5 else [4])
    assert windows.pick(8, parts, roll).tolist() == [int(5 * roll)]
