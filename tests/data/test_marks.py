"""Copies of a recording share landmarks whatever their encoding, loudness and beginning; others do not."""

import io

import numpy as np
import pytest
import soundfile
import soxr

from holdfast.data import marks as module
from holdfast.data.marks import MARKS, marks, near_sounds

RATE = 22050


def song(seed: int, seconds: float = 4.0) -> np.ndarray:
    """Calls at chance places over noise."""
    generator = np.random.default_rng(seed)
    sound = generator.normal(0, 0.01, int(RATE * seconds))
    for _ in range(int(10 * seconds)):
        start, size = generator.integers(0, len(sound) - 4000), 3000
        time = np.arange(size) / RATE
        low, slope = generator.uniform(500, 6000), generator.uniform(-1500, 1500)
        sound[start : start + size] += (
            0.2 * np.hanning(size) * np.sin(2 * np.pi * (low + slope * time) * time)
        )
    return sound.astype(np.float32)


def groups(*landmarks: np.ndarray) -> list[int]:
    return near_sounds(np.concatenate(landmarks), np.array([len(part) for part in landmarks])).groups.tolist()


def encoded(sound: np.ndarray, form: str, subtype: str) -> np.ndarray:
    file = io.BytesIO()
    soundfile.write(file, sound, RATE, format=form, subtype=subtype)
    file.seek(0)
    return np.asarray(soundfile.read(file, dtype="float32")[0])


@pytest.mark.parametrize(
    ("sound", "rate"),
    [
        (song(0) * 0.3, RATE),
        (encoded(song(0), "OGG", "VORBIS"), RATE),
        (encoded(song(0), "MP3", "MPEG_LAYER_III"), RATE),
        (soxr.resample(song(0), RATE, 16000), 16000),
        (song(0)[int(0.203 * RATE) :], RATE),
        (song(0) + np.random.default_rng(9).normal(0, 0.005, 4 * RATE).astype(np.float32), RATE),
    ],
    ids=["quieter", "ogg", "mp3", "other rate", "begins later", "noise"],
)
def test_a_copy_is_near(sound: np.ndarray, rate: int) -> None:
    assert groups(marks(song(1), RATE), marks(song(0), RATE), marks(sound, rate)) == [0, 1, 1]


def test_other_songs_are_not_near() -> None:
    assert groups(*(marks(song(seed), RATE) for seed in range(20))) == list(range(20))


@pytest.mark.parametrize("sound", [np.zeros(0), np.zeros(100), np.zeros(RATE), np.ones(RATE)])
def test_silence_has_no_landmarks(sound: np.ndarray) -> None:
    assert marks(sound.astype(np.float32), RATE).shape == (0, 2)


def test_landmarks_are_few_and_none_comes_twice() -> None:
    found = marks(song(0, 30.0), RATE)

    assert found.shape == (MARKS, 2)
    assert len(set(found[:, 0])) == MARKS


def test_many_copies_are_one_group() -> None:
    assert set(groups(*[marks(song(0), RATE)] * 300)) == {0}


def test_recordings_without_landmarks_stay_alone() -> None:
    assert groups(*[marks(np.zeros(RATE), RATE)] * 3) == [0, 1, 2]


def test_what_is_too_crowded_to_compare_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CANDIDATES", 64 * 20)
    song_marks = marks(song(0), RATE)

    near = near_sounds(np.tile(song_marks, (30, 1)), np.full(30, len(song_marks)))

    assert near.crowded > 20
