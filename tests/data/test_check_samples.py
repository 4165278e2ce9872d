"""Doubtful samples are found, and few of good ones are called so."""

import numpy as np
import pytest

from holdfast.data.check_samples import outliers


@pytest.mark.parametrize("seed", range(5))
def test_sizes_of_good_data_are_all_usual(seed: int) -> None:
    generator = np.random.default_rng(seed)
    drawn = [
        generator.lognormal(9, 0.6, 100_000),
        generator.gamma(2, 3, 20_000),
        generator.uniform(1, 5, 20_000),
        np.full(5_000, 224.0),
        generator.choice([320.0, 300.0, 280.0], 5_000, p=[0.98, 0.01, 0.01]),
    ]

    flagged = [len(outliers(values, ratio=True, least=4)) for values in drawn]

    assert sum(flagged) <= 0.0005 * sum(map(len, drawn))
    assert flagged[2:] == [0, 0, 0]


def test_one_far_value_on_either_side_is_found() -> None:
    values = np.random.default_rng(0).lognormal(9, 0.3, 1000)
    values[3], values[700] = values[3] * 100, values[700] / 100

    assert outliers(values, ratio=True, least=4).tolist() == [3, 700]


def test_differences_count_where_ratios_mean_nothing() -> None:
    loudness = np.random.default_rng(0).normal(-20, 3, 1000)
    loudness[5] = -75

    assert outliers(loudness, ratio=False, least=20).tolist() == [5]


def test_what_was_not_measured_and_what_is_too_little_to_judge_is_not_unusual() -> None:
    holes = np.full(100, np.nan)
    holes[:20] = 5.0

    assert outliers(holes, ratio=True, least=4).tolist() == []
    assert outliers(np.array([1.0, 1, 1, 1000]), ratio=True, least=4).tolist() == []
