"""Calibration is measured as defined, and temperature scaling finds the temperature that made the data."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, softmax

from holdfast.core.media import Task
from holdfast.evaluate import apply_temperature, calibration_error, fit_temperature


def made_by(temperature: float, task: Task, n: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    """Logits that are `temperature` times too large, with targets drawn from the true chances."""
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(n, 4)) * 2
    if task == "multi":
        return logits * temperature, (rng.random((n, 4)) < expit(logits)).astype(np.int8)
    drawn = (rng.random((n, 1)) > softmax(logits, axis=1).cumsum(axis=1)).sum(axis=1)
    return logits * temperature, np.minimum(drawn, 3)


def test_the_error_by_hand_for_one_label() -> None:
    said = np.array([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4]])

    # 0.9 is right once of two: gap 0.4 for two rows; 0.6 is right: gap 0.4 for one row
    assert calibration_error(said, np.array([0, 1, 0]), bins=10) == pytest.approx(0.4)


def test_certainty_falls_in_the_last_bin() -> None:
    said = np.array([[1.0, 0.0], [0.95, 0.05]])

    # in one bin, 1.0 too much and 0.05 too little make 0.95 for two rows; apart they would make 1.05
    assert calibration_error(said, np.array([1, 0]), bins=10) == pytest.approx(0.475)


def test_the_error_by_hand_for_many_labels() -> None:
    said = np.array([[0.8, 0.1], [0.8, 0.1]])

    # 0.8 comes true once of two: gap 0.3; 0.1 never: gap 0.1
    assert calibration_error(said, np.array([[1, 0], [0, 0]]), bins=10) == pytest.approx(0.2)


@given(st.integers(0, 10_000), st.integers(1, 30))
@settings(deadline=None)
def test_sure_and_right_has_no_error_and_sure_and_wrong_the_whole(seed: int, bins: int) -> None:
    targets = np.random.default_rng(seed).integers(0, 3, 10)
    sure = np.eye(3)[targets]

    assert calibration_error(sure, targets, bins=bins) == 0
    assert calibration_error(sure, (targets + 1) % 3, bins=bins) == 1


def test_an_error_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="one row of probabilities per target"):
        calibration_error(np.zeros((0, 2)), np.zeros(0, int))


@given(st.integers(0, 10_000), st.floats(0.2, 20))
@settings(deadline=None)
def test_temperatures_act_as_in_scipy(seed: int, temperature: float) -> None:
    logits = np.random.default_rng(seed).normal(size=(5, 3)) * 300

    shares = apply_temperature(logits, temperature, "single")
    chances = apply_temperature(logits, temperature, "multi")

    np.testing.assert_allclose(shares, softmax(logits / temperature, axis=1), atol=1e-12)
    np.testing.assert_allclose(chances, expit(logits / temperature), atol=1e-12)


@pytest.mark.parametrize("task", ["single", "multi"])
@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_temperature_that_made_the_data_is_found(temperature: float, task: Task) -> None:
    logits, targets = made_by(temperature, task)

    found = fit_temperature(logits, np.arange(len(targets)), targets, task)

    assert found == pytest.approx(temperature, rel=0.05)
    before = calibration_error(apply_temperature(logits, 1.0, task), targets)
    after = calibration_error(apply_temperature(logits, found, task), targets)
    assert after <= before + 0.002


def test_what_is_fitted_is_the_mean_over_parts_in_any_order() -> None:
    logits, targets = made_by(3.0, "single", n=300)
    rng = np.random.default_rng(1)
    part_of = np.repeat(np.arange(300), 2)
    parts = np.repeat(logits, 2, axis=0) + rng.normal(size=(600, 4))
    order = rng.permutation(600)

    found = fit_temperature(parts, part_of, targets, "single")

    def loss(temperature: float) -> float:
        pooled = softmax(parts / temperature, axis=1).reshape(300, 2, 4).mean(axis=1)
        return float(-np.log(pooled[np.arange(300), targets]).mean())

    grid = np.exp(np.linspace(np.log(0.2), np.log(20), 400))
    assert loss(found) <= min(loss(t) for t in grid) + 1e-6
    assert fit_temperature(parts[order], part_of[order], targets, "single") == pytest.approx(found)


def test_parts_in_equal_copies_change_nothing() -> None:
    logits, targets = made_by(2.0, "multi", n=200)

    once = fit_temperature(logits, np.arange(200), targets, "multi")
    thrice = fit_temperature(np.repeat(logits, 3, axis=0), np.repeat(np.arange(200), 3), targets, "multi")

    assert thrice == pytest.approx(once)


def test_no_mistakes_do_not_ask_for_a_temperature_of_nought() -> None:
    logits = np.eye(3)[[0, 1, 2, 0]] * 2

    found = fit_temperature(logits, np.arange(4), np.array([0, 1, 2, 0]), "single")

    assert 0.2 <= found < 0.21


@pytest.mark.parametrize("part_of", [[0, 0], [0, 2], [0, 1, 2]])
def test_a_sample_without_parts_is_refused(part_of: list[int]) -> None:
    with pytest.raises(ValueError, match="each of 2 samples needs a part"):
        fit_temperature(np.zeros((len(part_of), 2)), np.array(part_of), np.array([0, 1]), "single")
