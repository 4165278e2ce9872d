"""What is measured of a sample is what it is."""

import numpy as np
import pytest

from holdfast.serve.features import features


def test_of_a_picture_brightness_and_contrast_are_known() -> None:
    halves = np.zeros((1, 64, 64, 3), np.uint8)
    halves[0, :, 32:] = 255

    assert features("image", halves) == {"brightness": 0.5, "contrast": 0.5}


def test_of_a_sound_a_sine_at_full_scale_has_three_decibels_less_than_one() -> None:
    sine = np.sin(np.arange(80_000) * 0.1).astype(np.float32).reshape(10, 8000)

    assert features("audio", sine) == {"loudness": pytest.approx(-3.01, abs=0.05), "windows": 10}
    assert features("audio", np.zeros((1, 100), np.float32))["loudness"] == -120


def test_of_a_text_its_tokens_are_counted() -> None:
    assert features("text", np.zeros((1, 17), np.int64)) == {"tokens": 17}
