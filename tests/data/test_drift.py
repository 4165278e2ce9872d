"""Differences between parts of the data are found, and chance ones are not."""

import numpy as np
import pytest
from scipy.stats import chi2_contingency, ks_2samp

from holdfast.data.drift import ALARMS, Part, alarms, comparisons


def part(
    title: str,
    numbers: np.ndarray,
    shares: dict[str, int] | None = None,
    kinds: list[str] | None = None,
    independent: int | None = None,
) -> Part:
    size = len(numbers)
    formats = np.array(kinds or ["JPEG"] * size)
    return Part(title, {"size": numbers}, {"format": formats}, shares or {}, size, independent or size)


def normal(seed: int, size: int, mean: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, 1, size)


def test_the_distance_and_chance_of_numbers_are_those_of_scipy() -> None:
    one, other = normal(0, 400), normal(1, 300, 0.3)

    (found,) = comparisons(part("train", one), part("test", other))

    known = ks_2samp(one, other, method="asymp")
    assert found.distance == pytest.approx(known.statistic)
    assert found.p == pytest.approx(known.pvalue, rel=0.2)


def test_the_chance_of_counts_is_that_of_scipy() -> None:
    one, other = {"x": 60, "y": 40}, {"x": 30, "y": 70}

    found = comparisons(part("train", normal(0, 100), one), part("test", normal(0, 100), other))[-1]

    assert found.p == pytest.approx(chi2_contingency([[60, 40], [30, 70]], correction=False).pvalue)
    assert (found.what, found.distance) == ("labels", pytest.approx(0.3))
    assert found.words == "'x' is 30% where train has 60%"


def test_rare_labels_count_as_one() -> None:
    rare = {f"rare {n}": 1 for n in range(50)}
    one, other = {"x": 60, "y": 40, **rare}, {"x": 30, "y": 70}

    found = comparisons(part("train", normal(0, 150), one), part("test", normal(0, 100), other))[-1]

    assert found.p == pytest.approx(chi2_contingency([[60, 40, 50], [30, 70, 0]], correction=False).pvalue)


def test_samples_of_one_group_count_once() -> None:
    clips = np.repeat(normal(0, 20), 50), np.repeat(normal(1, 20, 0.6), 50)

    apart = comparisons(part("train", clips[0]), part("test", clips[1]))[0]
    together = comparisons(part("train", clips[0], independent=20), part("test", clips[1], independent=20))[0]

    assert apart.p < 1e-10
    assert together.p > 0.001


def test_false_alarms_stay_within_their_budget() -> None:
    generator = np.random.default_rng(3)
    wrong = 0
    for _ in range(300):
        draws = [
            Part(
                "",
                {str(n): generator.normal(size=80) for n in range(6)},
                {"format": generator.choice(["JPEG", "PNG"], 80)},
                dict(zip("abc", generator.multinomial(80, [0.5, 0.3, 0.2]).tolist(), strict=True)),
                80,
                80,
            )
            for _ in range(2)
        ]
        wrong += bool(alarms(comparisons(*draws)))

    assert wrong <= 300 * ALARMS + 5  # at most 8; 3 are expected of an exact test


def test_what_is_sure_but_small_is_no_finding() -> None:
    found = comparisons(part("train", normal(0, 200_000)), part("test", normal(1, 200_000, 0.05)))

    assert found[0].p < 1e-6
    assert alarms(found) == []


def test_a_few_samples_say_nothing() -> None:
    assert comparisons(part("train", normal(0, 100)), part("test", normal(0, 10, 9.0))) == []
    assert comparisons(part("train", normal(0, 100)), part("test", normal(0, 100, 9.0), independent=5)) == []


def test_missing_numbers_count_for_nothing() -> None:
    holes = normal(0, 100)
    holes[::2] = np.nan

    (found,) = comparisons(part("train", normal(0, 100)), part("test", holes))

    assert 0 <= found.distance <= 1
