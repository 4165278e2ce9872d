"""Intervals hold the value, respect groups, and are as wide as statistics says."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.evaluate import bootstrap, intervals, measure, paired_differences


def draw(n: int, labels: int, seed: int = 0, skill: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    targets = rng.integers(labels, size=n)
    scores = rng.normal(size=(n, labels))
    scores[np.arange(n), targets] += skill
    said = np.exp(scores)
    return said / said.sum(axis=1, keepdims=True), targets


def width(ends: tuple[float, float] | None) -> float:
    assert ends is not None
    return ends[1] - ends[0]


@given(
    st.integers(2, 30),
    st.integers(2, 5),
    st.integers(0, 1000),
    st.booleans(),
    st.sampled_from([0.1, 0.5, 0.95]),
)
@settings(max_examples=60, deadline=None)
def test_a_value_lies_inside_its_interval(
    n: int, labels: int, seed: int, many: bool, confidence: float
) -> None:
    said, targets = draw(n, labels, seed)
    truth = np.eye(labels, dtype=np.int8)[targets] if many else targets

    ends = intervals(said, truth, resamples=40, confidence=confidence, seed=seed)

    for name, value in measure(said, truth).items():
        found = ends[name]
        if value is None:
            assert found is None
        elif found is not None:
            assert found[0] <= value <= found[1]


def test_the_interval_of_the_accuracy_is_that_of_a_share() -> None:
    said, targets = draw(1000, 3)
    share = measure(said, targets)["accuracy"]
    assert share is not None

    low, high = intervals(said, targets, resamples=2000)["accuracy"] or (0, 0)

    error = np.sqrt(share * (1 - share) / 1000)
    assert low == pytest.approx(share - 1.96 * error, abs=0.15 * error)
    assert high == pytest.approx(share + 1.96 * error, abs=0.15 * error)


def test_copies_in_a_group_make_an_interval_no_narrower() -> None:
    said, targets = draw(40, 3)
    groups = np.repeat([f"bird {i:02}" for i in range(40)], 5)

    alone = intervals(said, targets)
    grouped = intervals(np.repeat(said, 5, axis=0), np.repeat(targets, 5), groups=groups)
    fooled = intervals(np.repeat(said, 5, axis=0), np.repeat(targets, 5))

    for name in alone:
        assert grouped[name] == pytest.approx(alone[name])
        assert width(fooled[name]) < 0.7 * width(alone[name])


def test_a_group_for_each_sample_is_no_group() -> None:
    said, targets = draw(50, 3)

    assert intervals(said, targets, groups=np.arange(50)) == intervals(said, targets)


def test_one_group_tells_nothing_about_others() -> None:
    said, targets = draw(20, 2)

    assert set(intervals(said, targets, groups=np.zeros(20)).values()) == {None}


def test_no_resamples_leave_intervals_out() -> None:
    assert set(intervals(*draw(20, 2), resamples=0).values()) == {None}


def test_more_confidence_asks_for_more_room_and_the_same_seed_gives_the_same() -> None:
    said, targets = draw(100, 4)

    sure, less = intervals(said, targets, confidence=0.99), intervals(said, targets, confidence=0.8)

    assert all(width(sure[name]) > width(less[name]) for name in sure)
    assert intervals(said, targets, seed=3) == intervals(said, targets, seed=3)
    assert intervals(said, targets, seed=3) != intervals(said, targets, seed=4)


def test_average_precision_over_few_positives_is_corrected_downwards() -> None:
    said, targets = draw(200, 20, skill=2.0)
    value = measure(said, targets)["average_precision"]
    assert value is not None

    low, high = intervals(said, targets)["average_precision"] or (0, 0)

    # copies of positives lift the plain percentiles: without the correction more lies above than below
    assert value - low > high - value


def test_blocks_of_resamples_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    weights = list(bootstrap._draws(np.array([0, 1, 1, 2]), 25, 0))
    monkeypatch.setattr(bootstrap, "_CELLS", 40)
    blocks = list(bootstrap._draws(np.array([0, 1, 1, 2]), 25, 0))

    assert [block.shape for block in weights] == [(4, 25)]
    assert [block.shape for block in blocks] == [(4, 10), (4, 10), (4, 5)]
    for block in blocks:
        assert (block[1] == block[2]).all()  # of one group
        assert (block[0] + block[1] + block[3] == 3).all()


def test_groups_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match=r"one group per sample, got \(3,\) for 20 samples"):
        intervals(*draw(20, 2), groups=np.arange(3))


def test_a_model_does_not_differ_from_itself() -> None:
    said, targets = draw(60, 3)

    for found in paired_differences(said, said, targets, resamples=100).values():
        assert found == {"difference": 0.0, "low": 0.0, "high": 0.0}


def test_the_difference_of_two_accuracies_has_the_interval_of_a_paired_share() -> None:
    said, targets = draw(1000, 3)
    rng = np.random.default_rng(1)
    worse = np.where(rng.random(1000)[:, None] < 0.1, rng.permuted(said, axis=1), said)
    right = [(some.argmax(axis=1) == targets).astype(float) for some in (worse, said)]
    gain = right[1] - right[0]  # of each sample: 1, 0 or -1
    error = gain.std() / np.sqrt(1000)

    found = paired_differences(worse, said, targets, resamples=2000)["accuracy"]

    assert found["difference"] == pytest.approx(gain.mean())
    assert found["low"] == pytest.approx(gain.mean() - 1.96 * error, abs=0.15 * error)
    assert found["high"] == pytest.approx(gain.mean() + 1.96 * error, abs=0.15 * error)
    apart = np.hypot(*(some.std() for some in right)) / np.sqrt(1000)
    assert error < 0.5 * apart, "what both find hard must cancel out"


def test_differences_respect_groups_and_each_models_own_thresholds() -> None:
    said, targets = draw(40, 3)
    truth = np.eye(3, dtype=np.int8)[targets]
    groups, limits = np.repeat(np.arange(40), 5), np.array([0.2, 0.3, 0.4])

    def found(times: int, groups: np.ndarray | None = None) -> dict[str, float | None]:
        both = np.repeat(said, times, axis=0)
        cuts = (None, limits)
        return paired_differences(
            both, both, np.repeat(truth, times, axis=0), thresholds=cuts, groups=groups
        )["macro_f1"]

    expected = [measure(said, truth, cuts)["macro_f1"] or 0 for cuts in (limits, None)]
    assert found(1)["difference"] == pytest.approx(expected[0] - expected[1])
    assert found(5, groups) == pytest.approx(found(1))
    assert width_of(found(5)) < 0.7 * width_of(found(5, groups))


def test_one_group_tells_no_difference_between_others() -> None:
    said, targets = draw(20, 3)

    found = paired_differences(said, said, targets, groups=np.zeros(20))["accuracy"]

    assert found == {"difference": 0.0, "low": None, "high": None}


def width_of(found: dict[str, float | None]) -> float:
    return (found["high"] or 0.0) - (found["low"] or 0.0)
