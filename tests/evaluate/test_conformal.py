"""Sets of labels hold the right one as often as promised."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.evaluate import fit_conformal, measure_conformal


def drawn(seed: int, count: int, labels: int = 4, *, wrong: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities, and labels drawn from them; or, for a share of the samples, from nowhere."""
    rng = np.random.default_rng(seed)
    rows = rng.dirichlet(np.full(labels, 0.5), count)
    told = np.array([rng.choice(labels, p=row) for row in rows])
    strange = rng.random(count) < wrong
    told[strange] = rng.integers(0, labels, strange.sum())
    return rows, told


@pytest.mark.parametrize("wrong", [0.0, 0.3])
@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_the_promise_holds_for_samples_of_the_same_kind_however_wrong_the_model_is(
    wrong: float, confidence: float
) -> None:
    shares = []
    for seed in range(40):
        rows, told = drawn(seed, 700, wrong=wrong)
        found = fit_conformal(rows[:200], told[:200], "single", confidence=confidence)
        assert found is not None
        shares.append(measure_conformal(found, rows[200:], told[200:])["coverage"])

    # the mean over many draws of n samples lies between the confidence and 1 / (n + 1) above it
    assert confidence - 0.01 < np.mean(shares) < confidence + 1 / 201 + 0.01


@given(st.integers(1, 60), st.floats(0.05, 0.99), st.integers(0, 10_000))
@settings(max_examples=60, deadline=None)
def test_the_bound_is_the_order_statistic_that_the_theory_names(
    count: int, confidence: float, seed: int
) -> None:
    rows, told = drawn(seed, count)

    found = fit_conformal(rows, told, "single", confidence=confidence)

    rank = math.ceil((count + 1) * confidence - 1e-9)
    if rank > count:
        assert found is None
    else:
        assert found is not None
        assert found.low[0] == sorted((rows[i, k] for i, k in enumerate(told)), reverse=True)[rank - 1]


def test_a_bound_is_the_same_as_numpy_s_quantile() -> None:
    rows, told = drawn(3, 99)
    right = rows[np.arange(99), told]

    found = fit_conformal(rows, told, "single", confidence=0.9)

    assert found is not None
    # 90 of 99 must reach it, so it is the tenth from below, which has nine of the other 98 under it
    assert found.low[0] == np.quantile(right, 9 / 98, method="nearest")


def test_the_likeliest_label_is_always_possible_but_not_always_sure() -> None:
    rows, told = np.array([[0.9, 0.1]] * 10), np.zeros(10, int)
    found = fit_conformal(rows, told, "single", confidence=0.8)
    assert found is not None

    asked = np.array([[0.95, 0.05], [0.6, 0.4], [0.5, 0.5]])

    assert found.possible(asked).tolist() == [[True, False], [True, False], [True, False]]
    assert found.sure(asked).tolist() == [True, False, False]


def test_of_many_labels_each_is_ruled_out_or_certain_for_itself() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, (4000, 3))
    rows = np.clip(truth * [0.6, 0.3, 0.0] + rng.random((4000, 3)) * 0.4, 0, 1)
    found = fit_conformal(rows[:2000], truth[:2000], "multi", confidence=0.9)
    assert found is not None

    told = measure_conformal(found, rows[2000:], truth[2000:])

    assert 0.88 < told["coverage"] < 0.92
    first, second, third = ((found.low <= value) & (found.high >= value) for value in (0.5, 0.35, 0.2))
    assert not first[0]  # the first label is told apart: nothing lies in between
    assert second[1]  # the second overlaps
    assert third[2]  # of the third nothing can be known


def test_a_label_that_was_hardly_seen_is_never_ruled_out_nor_certain() -> None:
    truth = np.zeros((50, 1), int)
    truth[:3] = 1
    found = fit_conformal(np.random.default_rng(0).random((50, 1)), truth, "multi", confidence=0.9)

    assert found is not None
    assert found.low[0] == 0
    assert found.possible(np.array([[0.0]])).all()
    assert not found.sure(np.array([[0.01]])).any()
